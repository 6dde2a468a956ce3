"""Torch set up so that the same training gives the same numbers, and put back as it was afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.backends import cudnn

from weiss.errors import UserError


def torch_device(device: str) -> torch.device:
    """The torch device of "cpu" or "gpu".

    Raises
    ------
    UserError
        A GPU is asked for and torch finds none.
    """
    if device == "cpu":
        return torch.device("cpu")
    if device != "gpu":
        raise UserError(f"unknown device {device!r}, expected cpu or gpu")
    if not torch.cuda.is_available():
        raise UserError(
            "a GPU is asked for and torch finds none", fix="use --device cpu, or check the driver and the job's GPU"
        )
    return torch.device("cuda", torch.cuda.current_device())


@contextmanager
def full_precision() -> Iterator[None]:
    """On a GPU: float32 convolutions without the shortened TF32 mantissa, by a fixed algorithm."""
    with cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


@contextmanager
def reproducible(device: torch.device, threads: int) -> Iterator[None]:
    """Deterministic algorithms on `threads` CPU threads.

    On a CPU an operation without a deterministic algorithm is an error; on a GPU it is a warning, because
    some backward passes have none.
    """
    threads_before = torch.get_num_threads()
    strict_before = torch.are_deterministic_algorithms_enabled()
    warn_before = torch.is_deterministic_algorithms_warn_only_enabled()
    fill_before = torch.utils.deterministic.fill_uninitialized_memory
    if device.type == "cuda":
        # cuBLAS reads this once, when it is first used.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    # Every array here is written before it is read; filling each with NaN first only costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        with full_precision():
            yield
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(strict_before, warn_only=warn_before)
        torch.utils.deterministic.fill_uninitialized_memory = fill_before
