"""What the kernels of `rhs_gpu` must do, for arrays of CuPy, or of NumPy where they run on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from weiss.arrays import Array, convolver, to_host
from weiss.tdgl import rhs, rhs_gpu, rkc
from weiss.tdgl.chebyshev import coefficients
from weiss.tdgl.dipole import cutoff_kernel

LEFT_ALONE = 7.0


def draw(shape: tuple[int, ...], dtype: type, seed: int = 5) -> Callable[[], np.ndarray]:
    """Normal random numbers, new ones at every call."""
    rng = np.random.default_rng(seed)
    return lambda: rng.standard_normal(shape).astype(dtype)


def moved(xp: ModuleType, item: Any) -> Any:
    """A medium or a state with its arrays on the device (copies, on the CPU too)."""
    if isinstance(item, rhs.Medium):
        return rhs.Medium(xp.array(item.anisotropy), xp.array(item.exchange, order="C"), item.gamma_per_J, item.m_most)
    return rhs.State(*(xp.array(getattr(item, name)) for name in ("m", "low", "near", "field", "spread", "rate")))


def _state(m: np.ndarray, low: np.ndarray) -> rhs.State:
    """A state whose other fields are NaN, so that what is not written shows."""
    return rhs.State(m, low, *(np.full_like(m, np.nan) for _ in range(4)))


def kernels_agree(xp: ModuleType, dtype: type, varies: bool, cells: tuple[int, int]) -> None:
    """Evaluate, stage, finish and close of `rhs_gpu` on arrays of `xp`, against those of `rhs` on the host's."""
    shape = (3, *cells)
    one = draw(shape, dtype)
    exchange = abs(one())
    medium = rhs.Medium(one(), exchange if varies else exchange[:, :1].copy(), 0.095, 1 - 1e-6)
    m, low, dipole, before, d1, d2 = (one() for _ in range(6))
    low *= np.finfo(dtype).eps
    h, live = np.array([0.3, -0.1, 0.2]), np.array([True, False, True])
    tolerance = 200 * np.finfo(dtype).eps
    there = moved(xp, medium)

    start = _state(m, low)
    fused = moved(xp, start)
    rhs.evaluate(np, start, dipole, medium, h, live)
    rhs_gpu.evaluate(xp, fused, xp.array(dipole), there, h, live)
    for name in ("near", "field", "spread", "rate"):
        got, expected = to_host(getattr(fused, name)), getattr(start, name)
        np.testing.assert_allclose(got[live], expected[live], rtol=tolerance, atol=tolerance, err_msg=name)
        assert np.isnan(got[~live]).all(), "a film that is not live was touched"

    table, stages = draw((3, 5), dtype, 7)(), np.array([3, 2, 5])
    out, fused_out = np.full(shape, LEFT_ALONE, dtype), xp.full(shape, LEFT_ALONE, dtype)
    rhs.stage(np, 3, stages, table, medium, start, d1, d2, dipole, out)
    rhs_gpu.stage(
        xp, 3, stages, table, there, moved(xp, start), xp.array(d1), xp.array(d2), xp.array(dipole), fused_out
    )
    np.testing.assert_allclose(to_host(fused_out), out, rtol=tolerance, atol=20 * tolerance)
    assert (fused_out[1] == LEFT_ALONE).all(), "a film with fewer stages must be left alone"

    end = _state(np.empty_like(m), np.empty_like(m))
    fused_end = moved(xp, end)
    rhs.finish(np, start, [d1, d2, dipole], stages % 3, 0.5, end)
    rhs_gpu.finish(xp, moved(xp, start), [xp.array(d) for d in (d1, d2, dipole)], stages % 3, 0.5, fused_end)
    np.testing.assert_array_equal(to_host(fused_end.m), end.m)
    np.testing.assert_array_equal(to_host(fused_end.low), end.low)
    assert end.low.any() and abs(end.m).max() == dtype(0.5)

    end.rate[...] = one()
    tau, ratio, everyone = np.array([0.3, 2.0, 1.5]), np.array([1.0, 0.0, 1.7]), np.ones(3, bool)
    states = moved(xp, start), moved(xp, end), xp.array(before)
    measured = rhs_gpu.close(xp, *states, tau, ratio, everyone)
    np.testing.assert_allclose(measured, rhs.close(np, start, end, before, tau, ratio, everyone), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(rhs_gpu.close(xp, *states, tau, ratio, live), measured * live[:, None])


def problem(xp: ModuleType, films: int, cells: tuple[int, int], dtype: type) -> tuple:
    """Films on the device, evaluated; the stage counts of a step, in no order; its tables; and a convolver."""
    one = draw((films, *cells), dtype)
    medium = rhs.Medium(1 + one(), np.full((films, 1, cells[1]), 1.3, dtype), 0.095, 1 - 1e-6)
    stages = np.array([2, 6, 3, 5, 6, 2, 4])[np.arange(films) % 7]
    tables = np.zeros((int(stages.max()) + 1, films, 5))
    for i, s in enumerate(stages):
        tables[: s + 1, i, :4] = coefficients(int(s))[0]
        tables[: s + 1, i, 2:4] *= 0.05 * (1 + i % 7)
        tables[1 : s + 1, i, 4] = 0.1 * (i % 7)
    kernel = cutoff_kernel(*cells, 5.9)
    start = _state(np.clip(0.5 * one(), -0.99, 0.99), np.zeros_like(medium.anisotropy))
    dipole = np.empty_like(start.m)
    everyone = np.ones(films, bool)
    convolver(np, kernel, cells, np.dtype(dtype))(start.m, dipole, everyone)
    rhs.evaluate(np, start, dipole, medium, np.zeros(films), everyone)
    convolve = convolver(xp, kernel, cells, np.dtype(dtype))
    return moved(xp, medium), stages, tables.astype(dtype), convolve, moved(xp, start)


def _stage_by_stage(
    convolve: Callable, stages: np.ndarray, tables: np.ndarray, medium: rhs.Medium, start: rhs.State
) -> rhs.State:
    d, end, everyone = (
        [np.zeros_like(start.m) for _ in range(3)],
        rhs.State.like(start.m, np),
        np.ones(len(stages), bool),
    )
    d[1][...] = start.rate * tables[1, :, 2][:, None, None]
    for j in range(2, len(tables)):
        dipole = np.empty_like(start.m)
        convolve(d[(j - 1) % 3], dipole, everyone)
        rhs.stage(np, j, stages, tables[j], medium, start, d[(j - 1) % 3], d[(j - 2) % 3], dipole, d[j % 3])
    rhs.finish(np, start, d, stages % 3, medium.m_most, end)
    return end


def _workspace(m: Array, xp: ModuleType) -> rkc.Workspace:
    """A workspace full of NaN."""
    work = rkc.Workspace.like(m, xp)
    for d in (*work.increments, work.dipole, work.end.m, work.end.low):
        d[...] = np.nan
    return work


def whole_step_agrees(xp: ModuleType, dtype: type, films: int = 7, cells: tuple[int, int] = (8, 12)) -> None:
    """`rhs_gpu.all_stages` on arrays of `xp` against the plain stages, one by one, on the host's."""
    medium, stages, tables, convolve, start = problem(xp, films, cells, dtype)
    work = _workspace(start.m, xp)
    rhs_gpu.all_stages(xp, convolve, stages, tables, medium, start, work)
    here, _, _, plan, begin = problem(np, films, cells, dtype)
    end = _stage_by_stage(plan, stages, tables, here, begin)
    exact, got = (to_host(s.m).astype(float) + to_host(s.low) for s in (end, work.end))
    np.testing.assert_allclose(got, exact, rtol=0, atol=100 * np.finfo(dtype).eps)
    assert abs(end.m - begin.m).max() > 0.01


def batch_is_not_felt(xp: ModuleType, films: int = 7, cells: tuple[int, int] = (16, 16), some: int = 7) -> None:
    """A step of the first `some` films and its measures, alone and in the batch: the same bit for bit."""
    medium, stages, tables, convolve, start = problem(xp, films, cells, np.float32)
    tau, ratio = np.linspace(0.1, 1, films), np.linspace(1, 2, films)
    work = _workspace(start.m, xp)
    rhs_gpu.all_stages(xp, convolve, stages, tables, medium, start, work)
    work.end.rate[...] = start.field
    together = rhs_gpu.close(xp, start, work.end, start.low, tau, ratio, np.ones(films, bool))
    for i in range(some):
        only = np.arange(films) == i
        keep = xp.asarray(only)
        alone = start.take(keep)
        by_itself = _workspace(alone.m, xp)
        its_table = tables[: stages[i] + 1, only]
        rhs_gpu.all_stages(xp, convolve, stages[only], its_table, medium.take(keep), alone, by_itself)
        for name in ("m", "low"):
            got, expected = to_host(getattr(by_itself.end, name))[0], to_host(getattr(work.end, name))[i]
            np.testing.assert_array_equal(got, expected, err_msg=f"{name} of film {i}")
        by_itself.end.rate[...] = alone.field
        measured = rhs_gpu.close(xp, alone, by_itself.end, alone.low, tau[only], ratio[only], np.ones(1, bool))
        np.testing.assert_array_equal(measured[0], together[i], err_msg=f"film {i}")
