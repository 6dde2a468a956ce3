r"""Minimiser of the energy: limited-memory BFGS on the unit sphere.

The direction is :math:`d = B P`, P being the part of H at right angles to m and B what the last `PAIRS` steps tell of
the inverse curvature: their changes s of m and y of −P, in the two loops of Nocedal (Math. Comput. 35, 773 (1980)).
They are used as they are, without being carried along the sphere; d is made tangential to m, and m + d brought back to
|m| = 1, which turns no m by 90° or more. The loops need only products of the fields with one another, so that a step
passes over the remembered fields twice: once to take the products, in sums weighted by Ms, and once to add them up.

A step is taken, taken back and given up as in `weiss.llg.minimise`. After a change of the applied field the memory is
empty and the first step small.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from weiss.llg.minimise import GROWTH, MOST_ROTATION, SHRINK, Minimiser

PAIRS = 5
"""Steps that are remembered."""


@njit(cache=True, nogil=True, error_model="numpy")
def two_loops(order, sy, yy, ps, py):  # type: ignore[no-untyped-def]
    """Direction of limited-memory BFGS in terms of P and of the remembered fields.

    Parameters
    ----------
    order : (usable,) ndarray of int
        Usable pairs, the last one first; not empty.
    sy, yy : (pairs, pairs) ndarray
        Products s_i·y_j and y_i·y_j.
    ps, py : (pairs,) ndarray
        Products P·s_i and P·y_i.

    Returns
    -------
    (1 + 2 pairs,) ndarray
        Weights of P, of the fields s and of the fields y.
    """
    pairs, newest = ps.size, order[0]
    first, out = np.zeros(pairs), np.zeros(1 + 2 * pairs)
    scale = sy[newest, newest] / yy[newest, newest]
    for i in order:
        product = ps[i]
        for j in order:
            product -= first[j] * sy[i, j]
        first[i] = product / sy[i, i]
    for i in order[::-1]:
        product = py[i]
        for j in order:
            product -= first[j] * yy[i, j]
        product *= scale
        for j in order:
            product += out[1 + j] * sy[j, i]
        out[1 + i] = first[i] - product / sy[i, i]
    out[0], out[1 + pairs :] = scale, -scale * first
    return out


class QuasiNewton(Minimiser):
    """The films of a batch on their way to a minimum; driven as `Minimiser` is."""

    def _allocate(self) -> None:
        super()._allocate()
        count, xp = len(self.m), self.equation.xp
        if not hasattr(self, "pairs"):
            self.pairs, self.slot = xp.zeros((2 * PAIRS, *self.m.shape), self.m.dtype), 0
        self.usable = np.zeros((count, PAIRS), bool)
        self.sy, self.yy = np.zeros((count, PAIRS, PAIRS)), np.zeros((count, PAIRS, PAIRS))
        self.p = np.zeros((count, 2, PAIRS))
        self.weights, self.share = np.zeros((count, 1 + 2 * PAIRS)), np.ones(count)

    def restart(self, chosen: np.ndarray) -> None:
        """Take up a changed field or a changed m of the chosen films."""
        known = chosen & (self.weights[:, 0] > 0)
        self.tau[known] = self.weights[known, 0]
        super().restart(chosen)
        self.usable[chosen], self.weights[chosen], self.share[chosen] = False, 0.0, 1.0
        self.weights[chosen, 0] = self.tau[chosen]

    def _move(self, live: np.ndarray) -> None:
        self.equation.vectors.turn(self.m, self.H, self.pairs, self.weights, self.end, live)

    def _measure(self, live: np.ndarray) -> np.ndarray:
        # All live films write to the same slot: each of them has made as many steps as the others since it began.
        self.slot = (self.slot + 1) % PAIRS
        fields = (self.m, self.H, self.end, self.H_end)
        return self.equation.vectors.remember(*fields, self.equation.Ms, self.pairs, self.slot, live)

    def _plan(self, film: int, measured: np.ndarray) -> None:
        p, s, y = measured[6:].reshape(3, 2, PAIRS)
        sy, yy, slot = self.sy[film], self.yy[film], self.slot
        sy[slot], sy[:, slot], yy[slot], yy[:, slot] = s[1], y[0], y[1], y[1]
        self.usable[film, slot], self.p[film] = sy[slot, slot] > 0, p
        self.share[film] = 1.0
        if not self._aim(film, 1.0):
            most = float(measured[5])
            step = GROWTH * self.weights[film, 0]
            self.weights[film] = 0.0
            self.weights[film, 0] = min(step, MOST_ROTATION / most) if most > 0 else step

    def _aim(self, film: int, share: float) -> bool:
        """Set the weights to a share of the quasi-Newton step; false if no pair is usable."""
        order = (self.slot - np.arange(PAIRS)) % PAIRS
        order = order[self.usable[film, order]]
        if order.size:
            self.weights[film] = share * two_loops(order, self.sy[film], self.yy[film], *self.p[film])
        return order.size > 0

    def _shorten(self, film: int) -> None:
        """The step that is taken back was written over the oldest pair: both are lost to the next direction."""
        self.share[film] *= SHRINK
        self.usable[film, self.slot] = False
        if not self._aim(film, self.share[film]):
            self.weights[film, 0] *= SHRINK
            self.weights[film, 1:] = 0.0

    def keep(self, chosen: np.ndarray) -> None:
        """Go on with a part of the batch; `chosen` is (films,) boolean."""
        kept = {name: getattr(self, name)[chosen] for name in ("usable", "sy", "yy", "p", "weights", "share")}
        self.pairs = self.pairs[:, self.equation.xp.asarray(np.flatnonzero(chosen))]
        super().keep(chosen)
        for name, values in kept.items():
            setattr(self, name, values)
