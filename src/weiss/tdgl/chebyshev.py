"""Coefficients of the second-order Runge–Kutta–Chebyshev method.

Sommeijer, Shampine, Verwer, *J. Comput. Appl. Math.* 88 (1998) 315, Eqs. 2.2–2.9, with damping ε = 2/13. A step of s
stages is stable along the negative real axis up to about 0.65 s², for s evaluations: long quiet stretches of a stiff
film cost √(stiffness × step).
"""

from __future__ import annotations

from functools import cache

import numpy as np

DAMPING = 2 / 13


@cache
def coefficients(stages: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients of an s-stage step, written for the increments d_j = Y_j - Y_0.

    ``d_j = mu_j d_{j-1} + nu_j d_{j-2} + tau (mu~_j F_{j-1} + gamma~_j F_0)``, d_0 = 0 and d_1 = mu~_1 tau F_0.
    Increments lose far less to float32 rounding than the stage values themselves.

    Parameters
    ----------
    stages : int
        s, at least 2.

    Returns
    -------
    table : (s + 1, 4) ndarray
        Rows j: mu, nu, mu~, gamma~.
    abscissae : (s + 1,) ndarray
        c_j: stage j lives at t + c_j tau.
    reach : float
        Length of the stable part of the negative real axis.
    """
    w0 = 1 + DAMPING / stages**2
    T, dT, d2T = (np.zeros(stages + 1) for _ in range(3))
    T[0], T[1], dT[1] = 1.0, w0, 1.0
    for j in range(2, stages + 1):
        T[j] = 2 * w0 * T[j - 1] - T[j - 2]
        dT[j] = 2 * T[j - 1] + 2 * w0 * dT[j - 1] - dT[j - 2]
        d2T[j] = 4 * dT[j - 1] + 2 * w0 * d2T[j - 1] - d2T[j - 2]
    w1 = dT[stages] / d2T[stages]
    b = np.empty(stages + 1)
    b[2:] = d2T[2:] / dT[2:] ** 2
    b[:2] = b[2]
    a = 1 - b * T
    table, c = np.zeros((stages + 1, 4)), np.zeros(stages + 1)
    table[1, 2] = b[1] * w1
    table[2:, 0] = 2 * b[2:] * w0 / b[1:-1]
    table[2:, 1] = -b[2:] / b[:-2]
    table[2:, 2] = 2 * b[2:] * w1 / b[1:-1]
    table[2:, 3] = -a[1:-1] * table[2:, 2]
    c[2:] = w1 * d2T[2:] / dT[2:]
    c[1] = c[2] / dT[2]
    return table, c, float((w0 + 1) / w1)


def stages_for(reach: float, most: int) -> int:
    """Fewest stages whose stable interval covers `reach` = step × stiffness; `most` if none does."""
    stages = max(2, int(np.sqrt(1 + 1.5 * reach)) - 1)
    while stages < most and coefficients(stages)[2] < reach:
        stages += 1
    return min(stages, most)
