"""One peer of `benchmarks/llg.py` in a process of its own, started by it: waits for orders on stdin, answers in JSON.

A film of n² cells of 4 nm in one layer, exchange and demagnetising field, from the state `state` below. An order is
``rhs COUNT`` (so many right-hand sides) or ``run SECONDS`` (integrate so much time at a tolerance of 1e-5); the answer
holds processor and wall seconds. The first line says who answers, or why nobody can.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

PEERS = ("magnumnp", "neuralmag-torch", "neuralmag-jax", "scipy")
MS, A, ALPHA, EDGE = 8e5, 1.3e-11, 0.02, 4e-9
TOLERANCE = 1e-5


def state(shape: tuple[int, int]) -> np.ndarray:
    """A smooth state (3, ny, nx) that is far from equilibrium: a few stripes whose walls turn."""
    ny, nx = shape
    y, x = np.mgrid[:ny, :nx] / 64
    m = np.stack([np.cos(2 * np.pi * y), np.sin(2 * np.pi * (x + 0.3 * y)), 0.5 + np.cos(2 * np.pi * x)])
    return m / np.linalg.norm(m, axis=0)


@dataclass(frozen=True)
class Setting:
    """Who is asked for what."""

    name: str
    precision: str
    cells: int
    threads: int
    device: str


Timed = tuple[Callable[[int], None], Callable[[float], int | None]]


def magnumnp(peer: Setting) -> Timed:
    import magnumnp as mn
    import torch

    torch.set_num_threads(peer.threads)
    torch.set_default_dtype(getattr(torch, peer.precision))
    film = mn.State(mn.Mesh((peer.cells, peer.cells, 1), (EDGE, EDGE, EDGE)))
    film.material = {"Ms": MS, "A": A, "alpha": ALPHA}
    # The same axes as the others': x first.
    start = torch.as_tensor(state((peer.cells, peer.cells)).transpose(2, 1, 0)[:, :, None].copy(), dtype=film.dtype)
    film.m = start.to(film.device)
    solver = mn.LLGSolver([mn.DemagField(), mn.ExchangeField()], atol=TOLERANCE, rtol=TOLERANCE)

    def rhs(count: int) -> None:
        with torch.no_grad():
            for _ in range(count):
                out = solver.dm(film.t, film.m, state=film)
            float(out.sum())

    def run(seconds: float) -> int:
        before, film.m = film._step, start.to(film.device)
        with torch.no_grad():
            solver.step(film, seconds)
        return film._step - before

    return rhs, run


def neuralmag(peer: Setting) -> Timed:
    import neuralmag as nm

    film = nm.State(nm.Mesh([peer.cells, peer.cells], [EDGE] * 3, [0.0] * 3))
    film.material.Ms, film.material.A, film.material.alpha = MS, A, ALPHA
    # Its unknowns sit at the nodes: one more along each axis.
    start = state((peer.cells + 1, peer.cells + 1)).transpose(2, 1, 0).copy().astype(peer.precision)
    film.m = nm.VectorFunction(film, tensor=film.tensor(start))
    nm.ExchangeField().register(film, "exchange")
    nm.DemagField().register(film, "demag")
    nm.TotalField("exchange", "demag").register(film)
    solver = nm.LLGSolver(film)
    if peer.name.endswith("torch"):
        import torch

        torch.set_num_threads(peer.threads)
        function = solver._func

        def rhs(count: int) -> None:
            with torch.no_grad():
                for _ in range(count):
                    out = function(0.0, film.m.tensor)
                float(out.sum())
    else:
        import jax

        function = jax.jit(lambda m: solver._term.vector_field(0.0, m, []))

        def rhs(count: int) -> None:
            for _ in range(count):
                function(film.m.tensor).block_until_ready()

    def run(seconds: float) -> None:
        film.t, film.m.tensor = 0.0, film.tensor(start)
        solver.step(seconds)
        np.asarray(film.m.tensor.cpu() if peer.name.endswith("torch") else film.m.tensor)

    return rhs, run


def scipy_fft(peer: Setting) -> Timed:
    """The demagnetising field alone, as one would write it down with scipy.fft."""
    from scipy import fft

    dtype, padded = np.dtype(peer.precision), (2 * peer.cells, 2 * peer.cells)
    kernels = np.random.default_rng(0).random((4, 2 * peer.cells, peer.cells + 1)).astype(dtype)
    xx, yy, zz, xy = kernels
    m = state((peer.cells, peer.cells)).astype(dtype)

    def rhs(count: int) -> None:
        for _ in range(count):
            x, y, z = fft.rfft2(m, padded, workers=peer.threads)
            spectrum = np.stack([xx * x + xy * y, xy * x + yy * y, zz * z])
            fft.irfft2(spectrum, padded, workers=peer.threads)[:, : peer.cells, : peer.cells].copy()

    return rhs, lambda seconds: None


def main() -> None:
    name, precision, cells, threads, device = sys.argv[1:]
    peer = Setting(name, precision, int(cells), int(threads), device)
    if peer.threads == 1 and hasattr(os, "sched_setaffinity"):
        # JAX has no switch that keeps it to one thread; the others lose nothing by it.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    logging.disable(logging.INFO)
    builders = {"magnumnp": magnumnp, "scipy": scipy_fft, "neuralmag-torch": neuralmag, "neuralmag-jax": neuralmag}
    orders, answers = sys.stdin, sys.stdout
    # What the libraries print must not get between the answers.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            rhs, run = builders[peer.name](peer)
            rhs(3)
            hello = {"version": version(peer.name.split("-")[0])}
        except ImportError as error:
            hello = {"fault": str(error).splitlines()[0]}
        print(json.dumps(hello), file=answers, flush=True)
        for order in orders if "version" in hello else ():
            what, amount = order.split()
            wall, cpu = time.perf_counter(), time.process_time()
            steps = rhs(int(amount)) if what == "rhs" else run(float(amount))
            took = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "steps": steps}
            print(json.dumps(took), file=answers, flush=True)


if __name__ == "__main__":
    main()
