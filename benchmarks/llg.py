"""What a micromagnetic film costs: against magnum.np and NeuralMag beside it in the same run, and against the floor.

    python benchmarks/llg.py                     # right-hand sides and picoseconds on a CPU: the table of docs/llg.md
    python benchmarks/llg.py --quick --json      # 256², one thread, within a minute; ends with one line of JSON
    python benchmarks/llg.py --relax             # which driver relaxes random films with the fewest fields
    python benchmarks/llg.py --domains           # whether drivers and the equation itself give the same domains
    python benchmarks/llg.py --device gpu        # one large film and batches on a GPU, with the roofline beside them

The peers are measured where they are installed: `pip install '.[peers]'`. Each runs in a process of its own
(`llg_peers.py`) and takes turns with ours, so that other work on the machine meets all alike; the median of the rounds
counts, in processor time where there is one thread.
"""

from __future__ import annotations

import os

# One thread means one; libraries look at this when they are loaded. Ours spreads its work itself.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy
from llg_peers import ALPHA, EDGE, MS, PEERS, A, state
from shared import ROOT, TABLES, processor, write_table

from weiss import __version__
from weiss.arrays import select_device
from weiss.errors import UserError
from weiss.llg import states
from weiss.llg.drivers.relax import METHODS, RELAXED, Relaxed, relax
from weiss.llg.drivers.series import series
from weiss.llg.equation import Equation
from weiss.llg.film import Film, Films
from weiss.llg.grains import Ku1_per_cell
from weiss.llg.mesh import Mesh
from weiss.llg.observables.domains import width_from_walls
from weiss.llg.observables.walls import wall_density
from weiss.llg.version import SIM_VERSION

VERSIONS = f"weiss {__version__} (solver version {SIM_VERSION}), numba {numba.__version__}, SciPy {scipy.__version__}"

SIZES, QUICK_SIZES = (64, 256, 512), (256,)
JSON_OF = (256, "float32", 1)
"""Cells a side, precision and threads of the numbers in the line of JSON."""

ROUNDS, QUICK_ROUNDS = 7, 5
ROUND_S = 0.3
"""Shortest time of one round."""

RUN_S = 2e-12
"""Time that is integrated, in s."""

# The films of Watanabe et al. 2024, Table 1, with a DMI and a dispersion from the middle of the ranges.
WATANABE = {"Ms": 1.5e6, "A": 31e-12, "Ku1": 1.6e6, "D_bulk": 0.5e-3}
DISPERSION = 0.1

HBM_BYTES_PER_S = {"H200": 4.8e12, "H100 PCIe": 2.0e12, "H100": 3.35e12, "A100": 2.0e12}
"""Memory bandwidth from the makers' data sheets; the first name found in the device's counts."""

MUMAX3 = 1.98e9
"""Cells × evaluations a second of mumax³ on an H100 at 2048², from its own table bench/gpus.txt."""


def _environment(name: str, precision: str, threads: int, device: str) -> dict[str, str]:
    """What the peers' libraries look at when they are loaded."""
    found = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
    found |= {"NM_DTYPE": precision, "NM_BACKEND": name.split("-")[-1]}
    found |= {"NM_DEVICE": "cuda", "JAX_PLATFORMS": "cuda"} if device == "gpu" else {"JAX_PLATFORMS": "cpu"}
    if threads == 1:
        found["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return found


class Peer:
    """A process that waits for orders; see `llg_peers.py`."""

    def __init__(self, name: str, precision: str, cells: int, threads: int, device: str) -> None:
        self.name = name
        script = str(ROOT / "benchmarks" / "llg_peers.py")
        self.process = subprocess.Popen(
            [sys.executable, script, name, precision, str(cells), str(threads), device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **_environment(name, precision, threads, device)},
        )
        self.hello: dict[str, Any] | None = None

    def ready(self) -> bool:
        """Wait until it has compiled what it compiles; false where it cannot run."""
        if self.hello is None:
            line = self.process.stdout.readline()
            self.hello = json.loads(line) if line else {"fault": "it stopped"}
            if "fault" in self.hello:
                print(f"{self.name} is left out: {self.hello['fault']}", file=sys.stderr)
        return "version" in self.hello

    def ask(self, order: str) -> dict[str, float]:
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """The same film, asked in the same way."""

    name = "weiss"

    def __init__(self, precision: str, cells: int, threads: int, demag: str = "open") -> None:
        periodic = (demag == "film", demag == "film", False)
        films = Films(
            Mesh((cells, cells, 1), (EDGE,) * 3, periodic), (Film(MS, A, alpha=ALPHA),), demag, (0, 0, 0), precision
        )
        self.equation = Equation(films, threads=threads)
        self.m = state((cells, cells)).reshape(films.shape).astype(precision)
        self.out, self.t, self.live = np.empty_like(self.m), np.zeros(1), np.ones(1, bool)
        self._rhs(3)

    def _rhs(self, count: int) -> None:
        for _ in range(count):
            self.equation.torque(self.m, self.t, self.out, self.live)

    def ask(self, order: str) -> dict[str, float]:
        what, amount = order.split()
        wall, cpu, steps = time.perf_counter(), time.process_time(), None
        if what == "rhs":
            self._rhs(int(amount))
        else:
            ((_, result),) = series(self.equation, self.m, [float(amount)])
            steps = result.steps
        return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "steps": steps}


@dataclass(frozen=True)
class Row:
    """One setting: seconds of everyone for a right-hand side (`rhs`) and for `RUN_S` of time (`run`), by name."""

    cells: int
    precision: str
    threads: int
    rhs: dict[str, float]
    run: dict[str, float]

    def ratio(self, what: str) -> float | None:
        """How many times as long the fastest peer takes; None without one."""
        seconds = getattr(self, what)
        peers = [value for name, value in seconds.items() if name not in ("weiss", "scipy")]
        return min(peers) / seconds["weiss"] if peers else None


def measure(
    cells: int, precision: str, threads: int, names: Sequence[str], rounds: int, runs: bool
) -> tuple[Row, dict[str, str]]:
    """Let everyone take turns."""
    peers = [Peer(name, precision, cells, threads, "cpu") for name in names]
    everyone: list[Any] = [Ours(precision, cells, threads), *(peer for peer in peers if peer.ready())]
    clock = "cpu_s" if threads == 1 else "wall_s"
    counts = {}
    for one in everyone:
        taken = one.ask("rhs 3")[clock] / 3
        counts[one.name] = max(1, round(ROUND_S / taken))
    rhs: dict[str, list[float]] = {one.name: [] for one in everyone}
    run: dict[str, list[float]] = {one.name: [] for one in everyone if one.name != "scipy"}
    for _ in range(rounds):
        for one in everyone:
            rhs[one.name].append(one.ask(f"rhs {counts[one.name]}")[clock] / counts[one.name])
    for _ in range(3 if runs else 0):
        for one in everyone:
            if one.name in run:
                run[one.name].append(one.ask(f"run {RUN_S}")[clock])
    versions = {peer.name: peer.hello["version"] for peer in peers if "version" in (peer.hello or {})}
    for peer in peers:
        peer.close()
    middle = {name: statistics.median(values) for name, values in rhs.items()}
    return Row(cells, precision, threads, middle, {n: statistics.median(v) for n, v in run.items() if v}), versions


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e3 * seconds:.3g}"


def _times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.1f} ×"


def cpu_table(rows: Sequence[Row], names: Sequence[str], versions: dict[str, str], out: Path) -> None:
    """Write the table of a CPU."""
    everyone = ["weiss", *names]
    head = "| cells | precision | threads | " + " | ".join(f"{name}, ms" for name in everyone)
    head += " | ratio | 1 ps: weiss, ms | best peer, ms | ratio |"
    lines = []
    for row in rows:
        cells = " | ".join(_milliseconds(row.rhs.get(name)) for name in everyone)
        peers = [value for name, value in row.run.items() if name != "weiss"]
        ours, best = (
            None if value is None else 1e-12 / RUN_S * value
            for value in (row.run.get("weiss"), min(peers, default=None))
        )
        lines.append(
            f"| {row.cells}² | {row.precision} | {row.threads} | {cells} | {_times(row.ratio('rhs'))} "
            f"| {_milliseconds(ours)} | {_milliseconds(best)} | {_times(row.ratio('run') if row.run else None)} |"
        )
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    note = (
        "One right-hand side: exchange, open demagnetising field and torque of one layer; scipy is the demagnetising "
        "field alone. Processor time on one thread, wall time on several; ratios are to the fastest peer. Then a "
        f"picosecond at a tolerance of 1e-5 (Dormand–Prince here; magnum.np's RKF45, NeuralMag's dopri5). "
        f"{said or 'no peers'}; {processor()}"
    )
    write_table(out, head, lines, note, VERSIONS)


def random_films(cells: int, seeds: Sequence[int], alpha: float = 0.1) -> tuple[Films, np.ndarray]:
    """Films of Watanabe et al. with a dispersion of Ku1, and random start states."""
    mesh = Mesh((cells, cells, 1), (EDGE,) * 3, (True, True, False))
    films = [
        Film(**{**WATANABE, "Ku1": Ku1_per_cell(mesh, WATANABE["Ku1"], DISPERSION, seed)}, alpha=alpha)
        for seed in seeds
    ]
    return Films(mesh, tuple(films), "film"), np.stack([states.random(mesh, seed) for seed in seeds])


@dataclass(frozen=True)
class Relaxation:
    """One film that was relaxed: driver's result, seconds, domain width in m and energy in J/m²."""

    result: Relaxed
    seconds: float
    width: float
    energy: float


@contextmanager
def mapping(processes: int) -> Iterator[Callable[..., Any]]:
    """`map`, over so many processes if there are several."""
    if processes == 1:
        yield map
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield pool.map


def relaxations(cells: int, seeds: Sequence[int], method: str, torque_T: float, device: str) -> list[Relaxation]:
    """Relax films as one batch; seconds are processor time on a CPU, shares of the wall time on a GPU."""
    films, start = random_films(cells, seeds)
    clock = time.process_time if device == "cpu" else time.perf_counter
    equation, began = Equation(films, device), clock()
    results = [film for _, film in relax(equation, start, method, torque_T)]
    seconds, area = (clock() - began) / len(seeds), films.mesh.size[0] * films.mesh.size[1]
    return [
        Relaxation(film, seconds, width_from_walls(film.m, films.mesh), film.energies["total"] / area)
        for film in results
    ]


def relax_rows(
    cells: int, count: int, methods: Sequence[str], torques: Sequence[float], device: str, processes: int
) -> Iterator[str]:
    """Relax the same films with every method; one line of the table for each. On a CPU every film is its own batch."""
    seeds = [[seed] for seed in range(count)] if device == "cpu" else [list(range(count))]
    with mapping(processes) as run:
        for torque_T in torques:
            for method in methods:
                one = partial(relaxations, cells, method=method, torque_T=torque_T, device=device)
                films = [film for batch in run(one, seeds) for film in batch]
                fields = [film.result.evaluations for film in films]
                yield (
                    f"| {method} | {cells}² | {count} | {torque_T:g} "
                    f"| {sum(film.result.status == RELAXED for film in films)} "
                    f"| {min(fields)} | {statistics.median(fields):.0f} | {max(fields)} "
                    f"| {statistics.median(film.seconds for film in films):.2f} "
                    f"| {1e3 * np.mean([film.energy for film in films]):.4f} "
                    f"| {1e9 * np.mean([film.width for film in films]):.1f} |"
                )


def domains_of(cells: int, way: tuple[str, float, float], seed: int) -> tuple[float, float, int]:
    """Wall length per area in 1/m, energy in J/m² and evaluations of one film at rest.

    A way is a method, and the damping and the time in s for which the film follows the equation before.
    """
    method, alpha, settle = way
    films, m = random_films(cells, [seed], alpha)
    equation, evaluations = Equation(films), 0
    if settle:
        ((_, settled),) = series(equation, m, [settle])
        m, evaluations = settled.m[None], settled.evaluations
    ((_, film),) = relax(equation, m, method, 1e-3)
    area = films.mesh.size[0] * films.mesh.size[1]
    return wall_density(film.m, films.mesh), film.energies["total"] / area, evaluations + film.evaluations


WAYS = (("lbfgs", 0.1, 0.0), ("minimise", 0.1, 0.0), ("lbfgs", 0.5, 1e-9), ("lbfgs", 0.1, 1e-9))


def domains_table(arguments: argparse.Namespace) -> None:
    """Write the table of domains."""
    rows = []
    with mapping(arguments.processes) as run:
        for way in WAYS:
            found = np.array(list(run(partial(domains_of, arguments.cells, way), range(arguments.films))))
            method, alpha, settle = way
            name = f"{1e9 * settle:g} ns at α {alpha:g}, then {method}" if settle else method
            error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
            mean = found.mean(axis=0)
            rows.append(
                f"| {name} | {arguments.films} | {1e-6 * mean[0]:.2f} ± {1e-6 * error[0]:.2f} "
                f"| {1e3 * mean[1]:.4f} ± {1e3 * error[1]:.4f} | {mean[2]:.0f} |"
            )
    film = ", ".join(f"{name} {value:g}" for name, value in WATANABE.items())
    note = (
        f"{arguments.cells}² films from random states: {film} (SI), σ {DISPERSION} of Ku1 by cell, 4 nm cells, "
        f"periodic, film kernel, float32, to 1e-3 T; means and their standard errors. {processor()}"
    )
    head = "| way | films | wall per area, 1/µm | energy, mJ/m² | fields a film |"
    write_table(arguments.out or TABLES / "llg_domains.md", head, rows, note, VERSIONS)


RELAX_HEAD = (
    "| method | cells | films | torque, T | relaxed | fewest fields | median | most | seconds a film | energy, mJ/m² "
    "| domain width, nm |"
)


def relax_table(arguments: argparse.Namespace, device: str) -> None:
    """Write the table of the drivers."""
    processes = arguments.processes if device == "cpu" else 1
    shared = (arguments.methods, arguments.torques, device, processes)
    rows = list(relax_rows(arguments.cells, arguments.films, *shared))
    film = ", ".join(f"{name} {value:g}" for name, value in WATANABE.items())
    note = (
        f"Films from random states: {film} (SI), σ {DISPERSION} of Ku1 by cell, 4 nm cells, periodic, film kernel, "
        f"float32. Seconds: processor time of the median film on a CPU, its share of the batch's wall time on a GPU; "
        f"{processor()}"
    )
    write_table(arguments.out or TABLES / f"llg_relax_{device}.md", RELAX_HEAD, rows, note, VERSIONS)


def gpu_rate(cells: int, count: int, demag: str, seconds: float = 2.0) -> float:
    """Cells × evaluations a second of a batch on the GPU."""
    import cupy

    periodic = (demag == "film", demag == "film", False)
    mesh = Mesh((cells, cells, 1), (EDGE,) * 3, periodic)
    films = Films(mesh, (Film(MS, A, alpha=ALPHA),) * count, demag)
    equation = Equation(films, "gpu")
    m = cupy.asarray(np.broadcast_to(state((cells, cells)).reshape(1, 3, 1, cells, cells), films.shape).astype("f4"))
    out, t, live = cupy.empty_like(m), np.zeros(count), np.ones(count, bool)

    def spent(evaluations: int) -> float:
        cupy.cuda.Device().synchronize()
        began = time.perf_counter()
        for _ in range(evaluations):
            equation.torque(m, t, out, live)
        cupy.cuda.Device().synchronize()
        return time.perf_counter() - began

    spent(3)
    evaluations = max(3, round(seconds / (spent(10) / 10) / 3))
    return mesh.count * count * evaluations / statistics.median(spent(evaluations) for _ in range(3))


BYTES = {"film": 228, "open": 536}
"""Bytes that go through memory for one cell and evaluation in float32, one layer, with nothing kept in the cache: the
transforms there and back of three components, padded and pruned where the film is open, the tensor, and the local terms
(m and the demagnetising field in, the field or dm/dt out). docs/llg.md has the parts."""


def gpu_table(out: Path | None) -> None:
    """Write the table of a GPU."""
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    bandwidth = next((value for part, value in HBM_BYTES_PER_S.items() if part in name), None)
    peer_rates = {}
    for cells in (256, 512, 2048):
        peer = Peer("magnumnp", "float32", cells, 1, "gpu")
        if peer.ready():
            peer.ask("rhs 10")
            peer_rates[cells] = cells**2 * 30 / peer.ask("rhs 30")["wall_s"]
        peer.close()
    rows = []
    for cells, count in ((2048, 1), (256, 64), (512, 16)):
        for demag in ("open", "film"):
            rate = gpu_rate(cells, count, demag)
            floor = None if bandwidth is None else bandwidth / BYTES[demag]
            peer = peer_rates.get(cells) if demag == "open" else None
            rows.append(
                f"| {count} × {cells}² | {demag} | {rate:.3g} | {'–' if floor is None else f'{rate / floor:.0%}'} "
                f"| {'–' if peer is None else f'{peer:.3g}'} | {'–' if peer is None else _times(rate / peer)} "
                f"| {_times(rate / MUMAX3) if cells == 2048 else '–'} |"
            )
    head = "| films | demag | cells × evaluations / s | of the memory's limit | magnum.np | ratio | to mumax³, H100 |"
    note = f"float32, exchange and demagnetising field; memory's limit: {BYTES} bytes a cell and evaluation. {name}"
    write_table(out or TABLES / "llg_gpu.md", head, rows, note, f"{VERSIONS}, CuPy {cupy.__version__}")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="256² in float32 on one thread")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--relax", action="store_true", help="compare the drivers instead")
    parser.add_argument("--domains", action="store_true", help="compare the domains that ways to rest lead to instead")
    parser.add_argument("--cells", type=int, default=512, help="side of the films that are relaxed")
    parser.add_argument("--films", type=int, default=100, help="how many are relaxed")
    parser.add_argument("--sizes", nargs="+", type=int, help="sides of the films whose right-hand sides are timed")
    parser.add_argument("--threads", nargs="+", type=int, help="numbers of threads they are timed with")
    parser.add_argument("--processes", type=int, default=1, help="films relaxed side by side on a CPU")
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=tuple(METHODS), help="how")
    parser.add_argument("--torques", nargs="+", type=float, default=(1e-3, 1e-4), help="largest torques left, in T")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--out", type=Path, help="where the table goes")
    arguments = parser.parse_args(argv)
    try:
        device = select_device(arguments.device, "simulate")
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.domains:
        domains_table(arguments)
        return 0
    if arguments.relax:
        relax_table(arguments, device)
        return 0
    if device == "gpu":
        gpu_table(arguments.out)
        return 0
    # The one that compiles for half a minute is left out of the quick run.
    names = [name for name in PEERS if not (arguments.quick and name == "neuralmag-torch")]
    cores = len(os.sched_getaffinity(0))
    settings = [
        (cells, precision, threads)
        for cells in arguments.sizes or (QUICK_SIZES if arguments.quick else SIZES)
        for precision in (("float32",) if arguments.quick else ("float32", "float64"))
        for threads in arguments.threads or ((1,) if arguments.quick else (1, cores))
    ]
    rows, versions = [], {}
    for cells, precision, threads in settings:
        rounds = QUICK_ROUNDS if arguments.quick else ROUNDS
        row, found = measure(cells, precision, threads, names, rounds, not arguments.quick)
        rows.append(row)
        versions |= found
        print(f"{cells}² {precision} {threads}: {row.rhs}", file=sys.stderr, flush=True)
    name = "llg_quick.md" if arguments.quick else "llg.md"
    cpu_table(rows, names, versions, arguments.out or TABLES / name)
    if arguments.json:
        row = next(row for row in rows if (row.cells, row.precision, row.threads) == JSON_OF)
        ratio = row.ratio("rhs")
        found = {"rhs_ms": 1e3 * row.rhs["weiss"], "rhs_ratio_vs_best_peer": ratio, "peers": versions}
        found["left_out"] = sorted(set(PEERS) - set(versions))
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
