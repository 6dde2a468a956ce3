"""The GPU's kernels, compiled as C++ and run on the CPU: their arithmetic and indexing, without a GPU."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from weiss.tdgl import rhs_gpu

SHIM = Path(__file__).with_name("gpu_on_host.h")
HEAD = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\w+\) )?(\w+)\(')


def compiler() -> str:
    """The C++ compiler, or a skipped test; with WEISS_REQUIRE_COMPILER=1 a failed one."""
    found = shutil.which(os.environ.get("CXX", "g++"))
    if found is None:
        reason = "no C++ compiler (g++) is installed"
        if os.environ.get("WEISS_REQUIRE_COMPILER") == "1":
            pytest.fail(f"WEISS_REQUIRE_COMPILER=1, but {reason}")
        pytest.skip(f"{reason} (WEISS_REQUIRE_COMPILER=1 makes this a failure)")
    return found


def _glue(source: str) -> str:
    """One function for each kernel that Python can call by name; a kernel with a barrier says so."""
    heads = list(HEAD.finditer(source))
    ends = [head.start() for head in heads[1:]] + [len(source)]
    lines = []
    for head, end in zip(heads, ends, strict=True):
        barriers = "true" if "__syncthreads" in source[head.end() : end] else "false"
        lines.append(
            f'extern "C" int host_{head[1]}(const unsigned* grid, unsigned threads, int count, const int* sizes, '
            f"void** values) {{ return launch({head[1]}, {barriers}, grid, threads, count, sizes, values); }}"
        )
    return "\n".join(lines)


def build(source: str, flags: tuple[str, ...], folder: Path) -> ctypes.CDLL:
    """Compile CUDA source for the host."""
    name = hashlib.sha256("\n".join((source, *flags)).encode()).hexdigest()[:16]
    text, library = folder / f"{name}.cpp", folder / f"{name}.so"
    if not library.exists():
        text.write_text(f"{source}\n{_glue(source)}\n")
        fixed = ("-std=c++20", "-O1", "-Wall", "-Werror", "-Wno-unknown-pragmas", "-ffp-contract=off")
        defines = tuple(flag for flag in flags if flag.startswith("-D"))
        command = [compiler(), *fixed, *defines, "-include", str(SHIM), "-shared", "-fPIC"]
        done = subprocess.run([*command, "-o", str(library), str(text)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


def launcher(library: ctypes.CDLL, name: str) -> Callable[..., None]:
    """A kernel to call as CuPy's: ``kernel(grid, block, arguments)``, with NumPy arrays for the device's."""

    def kernel(grid: tuple[int, int], block: tuple[int], arguments: tuple) -> None:
        cells = [
            np.array(value.ctypes.data, np.uintp) if isinstance(value, np.ndarray) else np.array(value)
            for value in arguments
        ]
        sizes = (ctypes.c_int * len(cells))(*(cell.itemsize for cell in cells))
        values = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
        fault = getattr(library, f"host_{name}")((ctypes.c_uint * 2)(*grid), block[0], len(cells), sizes, values)
        faults = {1: "number of arguments", -1: "a barrier that is not in its own text"}
        assert fault == 0, f"{name}: {faults.get(fault, f'wrong size of argument {fault - 2}')}"

    return kernel


def kernels_on_host(folder: Path, module: ModuleType = rhs_gpu) -> Callable[[str, Any], Callable[..., None]]:
    """What `kernel` of `rhs_gpu` or `avalanche_gpu` is on a GPU."""
    return lambda name, form: launcher(build(module.source(), module.options(form), folder), name)
