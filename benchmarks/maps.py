"""What a map costs: windows a second, against a loop over windows in the same run and against what the GPU can do.

    python benchmarks/maps.py                    # the table of docs/maps.md: every network, precision and batch
    python benchmarks/maps.py --networks reg     # some of them
    python benchmarks/maps.py --quick --json     # the small network, within a minute; ends with one line of JSON
    python benchmarks/maps.py --device cpu       # one core, even where there is a GPU

The loop is Algorithm 1 of Mamada et al. (arXiv 2305.14764) as one would write it down: cut a window, ask the network,
go on. Weights are random: they change no time. On a GPU a row is the map of a whole 512² film, read after a small one
that does not count; on a core it is evenly spread cells of one, in processor time, so that other work on the machine
counts little.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from shared import TABLES, origin, processor, write_table
from torch.utils.flop_counter import FlopCounterMode

from weiss import __version__
from weiss.errors import UserError
from weiss.learn.networks import build
from weiss.learn.networks.names import NAMES
from weiss.learn.networks.regressor import Regressor
from weiss.learn.predict import BLOCK
from weiss.learn.reproducible import torch_device
from weiss.maps.network import PRECISIONS, reader
from weiss.maps.sliding import slide
from weiss.patterns.windows import grid_of, window_at

CELLS, WINDOW, TARGETS = 512, 64, 2
CPU_BATCHES, GPU_BATCHES = (32, 256), (256, 1024, 4096)
ROUNDS = 5
LOOP_WINDOWS = 32
SECONDS = 1.0
"""Shortest time a round is given; it ends with the map or the stretch of the loop that reaches it."""

PAPER_S = 500.0
"""For a 512² film, on an RTX A4000."""

PEAKS = {
    "H200": {"float32": 66.9, "tf32": 494.7, "float16": 989.4, "bfloat16": 989.4},
    "H100 PCIe": {"float32": 51.2, "tf32": 378.0, "float16": 756.0, "bfloat16": 756.0},
    "H100": {"float32": 66.9, "tf32": 494.7, "float16": 989.4, "bfloat16": 989.4},
    "A100": {"float32": 19.5, "tf32": 156.0, "float16": 312.0, "bfloat16": 312.0},
}
"""TFLOP/s of dense products, from the makers' data sheets; the first name found in the device's counts."""

VERSIONS = f"weiss {__version__}, torch {torch.__version__}"
HEAD = (
    "| network | precision | batch | windows/s | s per 512² film | GFLOP a window | TFLOP/s | of the peak | GB "
    "| times the loop | less than the paper |"
)


@dataclass(frozen=True)
class Row:
    """One network in one precision and batch.

    Attributes
    ----------
    network, precision : str
    batch : int
    windows_per_s, loop_windows_per_s : float
        Of the map and of the loop; medians of rounds taken in turn.
    tera : float
        TFLOP/s.
    peak : float or None
        Share of the device's peak, where that is known.
    gigabytes : float or None
        Most GPU memory in use.
    """

    network: str
    precision: str
    batch: int
    windows_per_s: float
    loop_windows_per_s: float
    tera: float
    peak: float | None
    gigabytes: float | None

    @property
    def film_s(self) -> float:
        """Seconds for every cell of a 512² film."""
        return CELLS**2 / self.windows_per_s

    @property
    def ratio_vs_loop(self) -> float:
        """How many times as many windows a second as the loop."""
        return self.windows_per_s / self.loop_windows_per_s


def pattern() -> np.ndarray:
    """A film of random cells ±1: what it shows changes no time."""
    return np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (CELLS, CELLS))


def network(name: str, device: torch.device) -> Regressor:
    """A network with random weights, always the same."""
    return build(name, TARGETS, seed=1).eval().to(device)


def flops(module: Regressor, device: torch.device) -> float:
    """Floating-point operations of a window: two for each product of convolutions and matrices."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.ones((1, WINDOW, WINDOW), device=device))
    return float(counter.get_total_flops())


def loop(module: Regressor, film: np.ndarray, cells: np.ndarray, device: torch.device) -> np.ndarray:
    """Algorithm 1, one window at a time.

    Parameters
    ----------
    module : Regressor
    film : ndarray, shape (ny, nx)
    cells : ndarray of int, shape (n, 2)
        Row and column of each window.
    device : torch.device

    Returns
    -------
    ndarray of float32, shape (n, targets)
    """
    read = np.empty((len(cells), TARGETS), np.float32)
    with torch.inference_mode():
        for k, (i, j) in enumerate(cells):
            window = torch.from_numpy(window_at(film, i, j, WINDOW).astype(np.float32)).to(device)
            read[k] = module(window[None])[0].cpu().numpy()
    return read


def rate(work: Callable[[], int], clock: Callable[[], float], seconds: float) -> float:
    """Windows a second of `work`, which returns how many it read, called until `seconds` are over."""
    began, done, spent = clock(), 0, 0.0
    while spent < seconds:
        done += work()
        spent = clock() - began
    return done / spent


def measure(name: str, precision: str, batch: int, device: torch.device, seconds: float) -> Row:
    """Time the map and the loop in turn."""
    on_gpu = device.type == "cuda"
    module, film = network(name, device), pattern()
    read = reader(module, precision, batch if on_gpu else BLOCK)
    # As many windows as fill one batch: all that a core needs, and a warm-up of the same shapes on a GPU.
    few = max(1, CELLS // math.ceil(math.sqrt(batch)))
    stride = 1 if on_gpu else few
    cells = np.random.default_rng(2).integers(0, CELLS, (LOOP_WINDOWS, 2))

    def mapped(stride: int = stride) -> int:
        slide(read, film, WINDOW, stride, batch, device)
        return grid_of(CELLS, stride).size ** 2

    def looped() -> int:
        return len(loop(module, film, cells, device))

    # A core's other work is not counted; a GPU's own time is only seen on the wall.
    clock = time.perf_counter if on_gpu else time.process_time
    mapped(few), looped()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    rates = [(rate(mapped, clock, seconds), rate(looped, clock, seconds)) for _ in range(ROUNDS)]
    fast, slow = (statistics.median(values) for values in zip(*rates, strict=True))
    tera = fast * flops(module, device) / 1e12
    return Row(
        name,
        precision,
        batch,
        fast,
        slow,
        tera,
        tera / peak if (peak := peak_of(device, precision)) else None,
        torch.cuda.max_memory_allocated(device) / 1e9 if on_gpu else None,
    )


def peak_of(device: torch.device, precision: str) -> float | None:
    """TFLOP/s the device can do, None if it is not in the table."""
    if device.type != "cuda":
        return None
    known = [peaks for name, peaks in PEAKS.items() if name in torch.cuda.get_device_name(device)]
    return known[0][precision] if known else None


def _line(row: Row) -> str:
    peak = "–" if row.peak is None else f"{100 * row.peak:.1f} %"
    memory = "–" if row.gigabytes is None else f"{row.gigabytes:.2f}"
    work = row.tera * 1e3 / row.windows_per_s
    return (
        f"| {row.network} | {row.precision} | {row.batch} | {row.windows_per_s:.4g} | {row.film_s:.4g} | {work:.3g} "
        f"| {row.tera:.3g} | {peak} | {memory} | {row.ratio_vs_loop:.3g} × | {PAPER_S / row.film_s:.2g} × |"
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "gpu"), help="default: the GPU, if torch finds one")
    parser.add_argument("--quick", action="store_true", help="one small network, within a minute")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--networks", nargs="+", choices=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, metavar="NAME", help=", ".join(PRECISIONS))
    parser.add_argument("--batches", nargs="+", type=int, metavar="N", help="windows at once")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="shortest time of one of the rounds (default 1)")
    parser.add_argument("--out", type=Path, help="where the table goes (default benchmarks/tables)")
    arguments = parser.parse_args(argv)
    arguments.device = arguments.device or ("gpu" if torch.cuda.is_available() else "cpu")
    on_gpu = arguments.device == "gpu"
    arguments.networks = arguments.networks or (["mod"] if arguments.quick else NAMES)
    if arguments.precisions is None:
        arguments.precisions = PRECISIONS if on_gpu and not arguments.quick else ("float32",)
    if arguments.batches is None:
        batches = GPU_BATCHES if on_gpu else CPU_BATCHES
        arguments.batches = [1024 if on_gpu else 256] if arguments.quick else batches
    if not on_gpu and set(arguments.precisions) != {"float32"}:
        parser.error("a CPU maps in float32 alone")
    return arguments


def run(arguments: argparse.Namespace, device: torch.device) -> None:
    """Measure, write the table, and end with JSON if asked."""
    on_gpu = device.type == "cuda"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = []
    try:
        for name in arguments.networks:
            for precision in arguments.precisions:
                for batch in arguments.batches:
                    rows.append(measure(name, precision, batch, device, arguments.seconds))
                    print(_line(rows[-1]), flush=True)
    finally:
        torch.set_num_threads(threads)
    machine = torch.cuda.get_device_name(device) if on_gpu else f"one core of {processor()}"
    how = (
        "a whole film a round"
        if on_gpu
        else "seconds of a film extrapolated from evenly spread cells of it, times are the core's"
    )
    note = (
        f"Random weights, {WINDOW}² windows, folded networks in channels-last order; {how}; medians of {ROUNDS} rounds "
        f"in turn with the loop, in one run. The paper took about {PAPER_S:.0f} s a film on an RTX A4000. {machine}"
    )
    out = arguments.out or TABLES / ("maps_quick.md" if arguments.quick else "maps.md")
    write_table(out, HEAD, [_line(row) for row in rows], note, VERSIONS)
    if arguments.json:
        best = max(rows, key=lambda row: row.windows_per_s)
        found = {
            "windows_per_s": best.windows_per_s,
            "ratio_vs_loop": best.ratio_vs_loop,
            "seconds_per_film": best.film_s,
            "extrapolated": not on_gpu,
            "network": best.network,
            "precision": best.precision,
            "batch": best.batch,
            "rows": [asdict(row) for row in rows],
            "machine": machine,
            "origin": origin(VERSIONS),
        }
        print(json.dumps(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Run; return the exit code."""
    arguments = _arguments(argv)
    try:
        device = torch_device(arguments.device)
    except UserError as error:
        print(f"benchmarks/maps.py: {error}", file=sys.stderr)
        return 2
    run(arguments, device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
