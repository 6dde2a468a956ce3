"""Films on a GPU: evaluations a second, bytes they move, and how near that is to what the memory can do.

    python benchmarks/tdgl_gpu.py                      # the table of docs/tdgl.md; two minutes
    python benchmarks/tdgl_gpu.py --json               # and one line of JSON at the end
    python benchmarks/tdgl_gpu.py --l2-share 0.25 0.5 1 100      # groups that fit the L2 cache, or do not
    python benchmarks/tdgl_gpu.py --full 64            # 64 real films through the paper's sweep as well

Without a GPU: one line, and exit code 2.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from shared import TABLES, settings, write_table

from weiss import arrays
from weiss.errors import UserError
from weiss.tdgl import rhs, rkc, simulate
from weiss.tdgl.loops import CROSSED
from weiss.tdgl.model import Films, prepare

PAIRS = ((2.0, 0.2), (2.0, 1.0), (1.5, 0.6), (1.0, 1.2), (0.5, 0.4), (0.5, 1.6))
SIZES = ((256, 1), (256, 20), (256, 64), (256, 256), (512, 7))
FIELDS = {"R2C": 4, "product": 2, "C2R": 4, "stage": 9, "evaluate": 8, "finish": 5, "close": 5}
"""Fields (a number a cell) a kernel moves, with a thin J; see `weiss.tdgl.rhs_gpu`."""

EVALUATION = sum(FIELDS[name] for name in ("R2C", "product", "C2R", "stage"))
LEAST = 8
"""Fields of an evaluation that no cache can keep: everything but spectrum and dipole field."""


@dataclass(frozen=True)
class Row:
    """One batch.

    Attributes
    ----------
    cells, films, at_once : int
        Cells along each side, films of the batch, films of a group.
    ragged : bool
        Whether the films' stage counts differ, as in a real batch; else all have the same.
    us : float
        Time of one evaluation of one film, microseconds.
    launching : float
        Fraction of that time the host needs for its launches: near 1, a faster GPU would not help.
    share, least : float
        Fraction of the copy bandwidth if every kernel goes to memory, and if the cache keeps what it can.
    """

    cells: int
    films: int
    at_once: int
    ragged: bool
    us: float
    launching: float
    share: float
    least: float


def timed(xp: ModuleType, work: Callable[[], Any], repeats: int, times: int = 1) -> float:
    """Median seconds of `work`, on the device's clock, after one call that does not count; `times` calls at a time."""
    work()
    taken = []
    for _ in range(repeats):
        start, stop = xp.cuda.Event(), xp.cuda.Event()
        xp.cuda.runtime.deviceSynchronize()
        start.record()
        for _ in range(times):
            work()
        stop.record()
        stop.synchronize()
        taken.append(xp.cuda.get_elapsed_time(start, stop) / 1e3 / times)
    return statistics.median(taken)


def bandwidth(xp: ModuleType, size: int = 2**30) -> float:
    """Bytes a second of a large copy, read and written."""
    source = xp.arange(size // 4, dtype=np.float32)
    target = xp.empty_like(source)

    def copy() -> None:
        target[...] = source

    return 2 * source.nbytes / timed(xp, copy, 20)


def batch(xp: ModuleType, n: int, films: int) -> tuple[rkc.Equation, rhs.State, rkc.Workspace]:
    """A batch of films at the start of their sweep: the pairs, over and over (what they hold does not matter here)."""
    few = prepare([({**settings(), "ny": n, "nx": n, "J": J, "D": D}, 1) for J, D in PAIRS[:films]])
    repeated = np.arange(films) % len(few.m)
    many = Films(
        few.anisotropy[repeated], few.exchange[repeated], few.m[repeated], few.stiffness[repeated], few.settings
    )
    equation = rkc.equation_of(many, xp)
    state, work = rhs.State.like(many.m, xp), rkc.Workspace.like(many.m, xp)
    state.m[...] = xp.asarray(many.m)
    equation.evaluate(state, np.zeros(films), work.dipole)
    return equation, state, work


def stage_counts(films: int, stages: int, ragged: bool) -> np.ndarray:
    """The same for all, or spread evenly on a logarithmic scale from 2 to three times as many."""
    if not ragged:
        return np.full(films, stages)
    return np.geomspace(2, 3 * stages, films).astype(int)[np.random.default_rng(0).permutation(films)]


def step_of(xp: ModuleType, n: int, counts: np.ndarray, repeats: int) -> float:
    """Seconds of a step of a batch whose films have these stage counts."""
    films = len(counts)
    equation, state, work = batch(xp, n, films)
    t, tau = np.ones(films), np.full(films, 1e-3)
    return timed(xp, lambda: rkc.step(equation, work, state, t, tau, counts), repeats)


def launch_time(xp: ModuleType, stages: int, repeats: int) -> float:
    """Seconds the host needs to launch a stage: that of a film too small to keep the device busy."""
    return step_of(xp, 8, np.array([stages]), repeats) / stages


def measure(
    xp: ModuleType, n: int, films: int, stages: int, ragged: bool, speed: float, launch: float, repeats: int
) -> Row:
    """Time whole steps: their stages and the evaluation at their end."""
    counts = stage_counts(films, stages, ragged)
    each = step_of(xp, n, counts, repeats) / counts.sum()
    itemsize = np.dtype(settings()["precision"]).itemsize
    ideal = n * n * itemsize / speed
    at_once = min(films, arrays.films_at_once(xp, n, n, np.dtype(settings()["precision"])))
    launched = np.sort(counts)[::-1][::at_once].sum()
    shares = launched * launch / (each * counts.sum()), EVALUATION * ideal / each, LEAST * ideal / each
    return Row(n, films, at_once, ragged, 1e6 * each, *shares)


def breakdown(xp: ModuleType, n: int, films: int, speed: float, repeats: int) -> dict[str, tuple[float, float]]:
    """Microseconds a film, and fraction of the copy bandwidth, of every kernel by itself, over the whole batch."""
    from cupy.cuda import cufft

    equation, state, work = batch(xp, n, films)
    spectrum = xp.empty((films, n, n // 2 + 1), np.result_type(state.m.dtype, np.complex64))
    forward, backward = arrays.cufft_plans((n, n), state.m.dtype, films)
    size = n * (n // 2 + 1)
    kernel = xp.ones(size, state.m.dtype)
    product = xp.RawKernel(arrays.PRODUCT, "product", options=("--std=c++17", "-DREAL=float"))
    run, everyone, d = equation.kernels, np.ones(films, bool), work.increments
    for increment in d:
        increment[...] = 1e-3 * state.m
    stages, table, which = np.full(films, 5), np.full((films, 5), 0.1), np.zeros(films, int)
    pieces = {
        "R2C": lambda: forward.fft(state.m, spectrum, cufft.CUFFT_FORWARD),
        "product": lambda: product((-(-size // 256), films), (256,), (np.int32(size), kernel, spectrum)),
        "C2R": lambda: backward.fft(spectrum, work.dipole, cufft.CUFFT_INVERSE),
        "stage": lambda: run.stage(xp, 3, stages, table, equation.medium, state, d[0], d[1], work.dipole, d[2]),
        "evaluate": lambda: run.evaluate(xp, state, work.dipole, equation.medium, np.zeros(films), everyone),
        "finish": lambda: run.finish(xp, state, d, which, equation.medium.m_most, work.end),
        "close": lambda: run.close(xp, state, state, state.m, np.ones(films), np.ones(films), everyone),
    }
    result = {}
    for name, piece in pieces.items():
        # Ten in a row, so that the host is ahead of the device.
        each = timed(xp, piece, repeats, 10) / films
        result[name] = (1e6 * each, FIELDS[name] * n * n * state.m.dtype.itemsize / each / speed)
    return result


def full(films: int) -> dict[str, float]:
    """Real 256² films through the paper's sweep, in one batch."""
    given = [({**settings(), "J": J, "D": D}, 1 + i) for i in range(-(-films // len(PAIRS))) for J, D in PAIRS][:films]
    began = time.perf_counter()
    results = [result for _, result in simulate(given, device="gpu")]
    seconds = time.perf_counter() - began
    return {
        "films": films,
        "seconds": seconds,
        "s_per_film": seconds / films,
        "evaluations_per_film": float(np.mean([result.evaluations for result in results])),
        "crossed": sum(result.status == CROSSED for result in results),
    }


def _device(xp: ModuleType) -> str:
    properties = xp.cuda.runtime.getDeviceProperties(xp.cuda.runtime.getDevice())
    name = properties["name"].decode()
    versions = (xp.cuda.runtime.runtimeGetVersion(), xp.cuda.runtime.driverGetVersion())
    runtime, driver = (f"{v // 1000}.{v % 1000 // 10}" for v in versions)
    cache = properties["l2CacheSize"] / 2**20
    return f"{name} (L2 {cache:.0f} MiB), CuPy {xp.__version__}, CUDA {runtime}, driver for CUDA {driver}"


def _line(row: Row, evaluations: float) -> str:
    per_film = 1e-6 * row.us * evaluations
    stages = "2 … 3 s" if row.ragged else "s"
    return (
        f"| {row.cells}² | {row.films} | {row.at_once} | {stages} | {row.us:.2f} | {row.launching:.0%} "
        f"| {row.share:.0%} | {row.least:.0%} | {per_film:.2f} | {1 / per_film:.2f} |"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, default=20, help="s, evaluations of a step (default 20)")
    parser.add_argument(
        "--evaluations", type=float, default=2.6e5, help="evaluations of a film, for the estimate (default 2.6e5)"
    )
    parser.add_argument("--batches", nargs="+", default=[f"{n}x{films}" for n, films in SIZES], metavar="CELLSxFILMS")
    parser.add_argument(
        "--l2-share", nargs="+", type=float, default=[arrays.L2_SHARE], help="see weiss.arrays.L2_SHARE"
    )
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--full", type=int, default=0, metavar="FILMS", help="simulate so many films as well")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--out", type=Path, default=TABLES / "tdgl_gpu.md")
    arguments = parser.parse_args(argv)
    try:
        arrays.select_device("gpu", "simulate")
    except UserError as error:
        print(f"benchmarks/tdgl_gpu.py: {error}", file=sys.stderr)
        return 2
    xp = arrays.namespace("gpu")
    sizes = [tuple(int(part) for part in batch.split("x")) for batch in arguments.batches]
    speed, launch, rows = bandwidth(xp), launch_time(xp, arguments.stages, arguments.repeats), []
    for share in arguments.l2_share:
        arrays.L2_SHARE = share
        for n, films in sizes:
            for ragged in (False, True) if films > 1 else (False,):
                rows.append(measure(xp, n, films, arguments.stages, ragged, speed, launch, arguments.repeats))
                print(_line(rows[-1], arguments.evaluations), flush=True)
    kernels = breakdown(xp, *max(sizes, key=lambda size: size[0] ** 2 * size[1]), speed, arguments.repeats)
    real = full(arguments.full) if arguments.full else None

    head = (
        "| film | films | at once | stages | µs an evaluation | launching | of copy bandwidth, all from memory "
        "| with cache | s a film | films/s |"
    )
    memory = f"{EVALUATION * 4} bytes a cell and evaluation from memory, {LEAST * 4} where the L2 cache keeps the rest"
    alone = ", ".join(f"{name} {us:.2f} µs a film ({share:.0%})" for name, (us, share) in kernels.items())
    note = (
        f"{_device(xp)}, copy {speed / 1e12:.2f} TB/s, {1e6 * launch:.0f} µs to launch a stage; "
        f"s = {arguments.stages}; {memory}; a film of {arguments.evaluations:.2g} evaluations; "
        f"each kernel over the largest batch: {alone}"
    )
    if real:
        note += (
            f"; {real['films']} real films: {real['s_per_film']:.2f} s a film, "
            f"{real['evaluations_per_film']:.2g} evaluations, {real['crossed']} crossed"
        )
    write_table(arguments.out, head, [_line(row, arguments.evaluations) for row in rows], note)
    if arguments.json:
        print(
            json.dumps(
                {
                    "device": _device(xp),
                    "copy_bytes_per_s": speed,
                    "launch_s_per_stage": launch,
                    "rows": [asdict(row) for row in rows],
                    "kernels_us_per_film": kernels,
                    "full": real,
                }
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
