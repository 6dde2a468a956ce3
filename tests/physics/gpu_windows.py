"""What `avalanche_gpu` must do, for arrays of CuPy, or of NumPy where its kernels run on the CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from physics.films import film
from physics.gpu_checks import moved
from weiss.arrays import to_host
from weiss.tdgl import avalanche, avalanche_gpu, rhs, simulate

AGREE = 1e-9
"""Distance that rounding may bring between two integrations of one avalanche."""


@dataclass(frozen=True)
class Judgement:
    """What `separate_all` was given at a step of a batch, and what it said on the CPU."""

    films: np.ndarray
    start: rhs.State
    end: rhs.State
    m_before: np.ndarray
    medium: rhs.Medium
    steps: avalanche.Steps
    kernel: avalanche.Kernel
    tolerance: float
    errors: np.ndarray
    windows: list[list[avalanche.Window]]

    def again(self, xp: ModuleType, films: np.ndarray | None = None) -> tuple[np.ndarray, list[list[Any]]]:
        """Judge by `avalanche_gpu`, with everything on the device of `xp`."""
        return avalanche_gpu.separate_all(
            xp,
            self.films if films is None else films,
            moved(xp, self.start),
            moved(xp, self.end),
            xp.array(self.m_before),
            moved(xp, self.medium),
            self.steps,
            self.kernel.on(xp),
            self.tolerance,
        )


def judgements(precision: str, most: int = 6, **settings: Any) -> list[Judgement]:
    """Steps of a batch of three films in a short sweep: some with windows, and some that were refused."""
    seen: list[Judgement] = []
    separate_all = avalanche.separate_all

    def listen(xp: ModuleType, films: np.ndarray, start: Any, end: Any, m_before: Any, medium: Any, *rest: Any) -> Any:
        said = separate_all(xp, films, start, end, m_before, medium, *rest)
        kept = moved(np, start), moved(np, end), m_before.copy(), moved(np, medium)
        seen.append(Judgement(films.copy(), *kept, *rest, *said))
        return said

    settings = {"crossing": 1, "quarter": 1000.0, "loop_samples": 11, "precision": precision} | settings
    pairs = ((2.0, 0.6), (1.0, 1.2), (1.5, 1.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(avalanche, "separate_all", listen)
        list(simulate([(film(J, D, ny=40, nx=48, **settings), 1) for J, D in pairs], batch=3))
    busy = sorted((j for j in seen if any(j.windows)), key=lambda j: -sum(map(len, j.windows)))
    refused = [j for j in seen if (j.errors > 1).any()]
    assert busy and refused, "the sweep must have had avalanches"
    return busy[:most:2] + busy[-2:] + refused[:2]


def _assert_same(got: list[list[Any]], expected: list[list[Any]], atol: float) -> None:
    for ours, theirs in zip(got, expected, strict=True):
        assert [window.box for window in ours] == [window.box for window in theirs]
        for window, other in zip(ours, theirs, strict=True):
            assert (window.evaluations, window.trace.shape) == (other.evaluations, other.trace.shape)
            for name in ("m", "rate", "trace"):
                np.testing.assert_allclose(
                    to_host(getattr(window, name)), to_host(getattr(other, name)), rtol=atol, atol=atol, err_msg=name
                )


def windows_agree(xp: ModuleType, judgement: Judgement, atol: float = AGREE) -> None:
    """Errors, boxes, number of steps and what every window came to, as on the CPU; and put into the film."""
    errors, windows = judgement.again(xp)
    np.testing.assert_allclose(errors, judgement.errors, rtol=AGREE)
    _assert_same(windows, judgement.windows, atol)
    every = [[] for _ in judgement.m_before]
    for i, ours in zip(judgement.films, judgement.windows, strict=True):
        every[i] = ours
    there = [[replace(w, m=to_host(w.m), rate=to_host(w.rate)) for w in ours] for ours in windows]
    for name, expected in (("end", moved(np, judgement.end)), ("line", None)):
        on_device = [[] for _ in judgement.m_before]
        host = [[] for _ in judgement.m_before]
        for i, ours, same in zip(judgement.films, windows, there, strict=True):
            on_device[i], host[i] = ours, same
        if name == "end":
            got = moved(xp, judgement.end)
            avalanche_gpu.insert(xp, on_device, got)
            avalanche.insert(np, host, expected)
            np.testing.assert_array_equal(to_host(got.m), expected.m)
            np.testing.assert_array_equal(to_host(got.low), expected.low)
        else:
            line, plain = xp.array(judgement.m_before), judgement.m_before.copy()
            avalanche_gpu.insert_lines(xp, on_device, judgement.steps.tau, line)
            avalanche.insert_lines(np, host, judgement.steps.tau, plain)
            eps = np.finfo(plain.dtype).eps  # a device fuses the product and the difference
            np.testing.assert_allclose(to_host(line), plain, rtol=0, atol=4 * eps)


def windows_do_not_feel_their_batch(xp: ModuleType, judgement: Judgement) -> None:
    """Every film alone: its error and its windows, bit for bit."""
    errors, windows = judgement.again(xp)
    for i, film_ in enumerate(judgement.films):
        (error,), (ours,) = judgement.again(xp, np.array([film_]))
        assert error == errors[i]
        _assert_same([ours], [windows[i]], 0)


def judged_again(judgement: Judgement) -> Judgement:
    """The same step judged on the CPU once more: after constants of `avalanche`, or the medium, were changed."""
    said = avalanche.separate_all(
        np,
        judgement.films,
        judgement.start,
        judgement.end,
        judgement.m_before,
        judgement.medium,
        judgement.steps,
        judgement.kernel,
        judgement.tolerance,
    )
    return replace(judgement, errors=said[0], windows=said[1])
