"""The micromagnetic kernels of the GPU as far as a machine without one can prove them: NVRTC compiles them, and built
for the CPU they agree with the terms' plain array versions and with the functions of `vectors.cpu`."""

from __future__ import annotations

import functools
import types
from pathlib import Path

import numpy as np
import pytest

from physics import llg_gpu_checks as checks
from physics.gpu_on_host import HEAD, build, launcher
from physics.llg_gpu_checks import BOUNDARIES, CELL, LIVE, batch, local, magnetisation
from physics.test_gpu_kernels import compile_for
from weiss.llg import equation, fused
from weiss.llg.drivers.relax import relax
from weiss.llg.equation import Equation
from weiss.llg.mesh import Mesh
from weiss.llg.vectors import cpu, gpu

PRECISIONS = ["float32", "float64"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the host's libraries lie."""
    return tmp_path_factory.mktemp("llg-kernels")


@pytest.fixture(autouse=True)
def on_host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernels run on the CPU, with NumPy for CuPy."""
    monkeypatch.setattr(fused, "kernel", lambda text, flags: launcher(build(text, flags, folder), "local"))
    monkeypatch.setattr(
        gpu, "kernel", lambda name, dtype: launcher(build(gpu.source(), gpu.options(dtype), folder), name)
    )


# --- the fused kernel ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("periodic", BOUNDARIES)
def test_field_agrees_with_the_plain_terms(periodic: tuple[bool, bool, bool]) -> None:
    """Uniform films and varied ones in one batch."""
    checks.field_agrees(np, "svsv", Mesh((6, 5, 4), CELL, periodic), "float64")


@pytest.mark.parametrize(
    ("kinds", "cells", "periodic"),
    [
        ("ss", (6, 5, 4), (False, True, False)),
        ("sss", (6, 5, 1), (True, True, False)),
        ("vsv", (7, 1, 1), (False, False, True)),
        ("s", (1, 3, 1), (True, False, False)),
        ("sv", (300, 19, 2), (True, False, False)),
    ],
)
def test_field_of_other_meshes(kinds: str, cells: tuple[int, int, int], periodic: tuple[bool, bool, bool]) -> None:
    """Uniform films alone; thin films, lines and columns; rows that do not fill the last tile."""
    checks.field_agrees(np, kinds, Mesh(cells, CELL, periodic), "float32")


@pytest.mark.parametrize("name", ["exchange", "anisotropy", "dmi", "zeeman"])
def test_every_term_agrees_by_itself(name: str) -> None:
    """No small field hides behind a large one."""
    checks.term_agrees(np, name)


@pytest.mark.parametrize(("precision", "precess"), [("float32", True), ("float64", True), ("float32", False)])
def test_torque_with_a_term_that_has_no_snippet(precision: str, precess: bool) -> None:
    """dm/dt, and the field beside it."""
    checks.torque_agrees(np, precision, precess)


def test_a_film_does_not_feel_its_batch() -> None:
    """Bit for bit, also where another one in the batch differs from cell to cell."""
    checks.batch_is_not_felt(np)


def test_what_is_not_a_number_is_passed_on() -> None:
    """To where the driver sees it."""
    checks.not_a_number_is_passed_on(np)


def test_arrays_the_kernel_cannot_walk_are_refused() -> None:
    """A transposed field would be read as if it were not, and a field of another precision as noise."""
    films = batch("s", Mesh((4, 4, 1), CELL), "float32")
    m, everyone = magnetisation(films), np.ones(1, bool)
    for wrong in (m.swapaxes(3, 4), m.astype(float)):
        with pytest.raises(ValueError, match="GPU kernels take"):
            local(np, films).field(wrong, np.zeros(1), np.empty_like(m), everyone)
        with pytest.raises(ValueError, match="GPU kernels take"):
            gpu.copy(wrong, m, everyone)


def test_a_line_of_parameters_that_makes_no_sense_is_refused() -> None:
    """A slip in a snippet."""
    with pytest.raises(ValueError, match=r"axis\(3\)"):
        fused.parameters("// parameters: first, axis(3)\n")


# --- fields of vectors -----------------------------------------------------------------------------------------------


def test_both_modules_have_the_same_functions() -> None:
    """So that the integrators need not ask."""

    def public(module: object) -> set[str]:
        return {
            name
            for name, value in vars(module).items()
            if callable(value) and not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        }

    assert public(cpu) <= public(gpu)


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_vectors_agree_with_the_cpu(dtype: str) -> None:
    """Everything the integrators and the minimiser ask for."""
    checks.vectors_agree(np, dtype)


def test_measures_with_one_share_and_with_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a sum hardly depends on its order, and the kernels take any number of shares."""
    fields, Ms = checks.random("float64", 4), checks.values("float64", 27)
    few = gpu.compare(*fields, Ms, LIVE)
    for name, value in (("MOST_SHARES", 1), ("CELLS_PER_THREAD", 1)):
        with monkeypatch.context() as context:
            context.setattr(gpu, name, value)
            np.testing.assert_allclose(gpu.compare(*fields, Ms, LIVE), few, rtol=1e-12)


# --- films -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["minimise", "lbfgs"])
def test_films_relax_on_the_kernels_as_on_the_cpu(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole run with the GPU's kernels under the equation and the drivers: energies, and one launch a field."""
    device = types.ModuleType("cupy")
    vars(device).update({name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    device.asarray = functools.partial(np.array, order="C")  # another memory, in which all lies contiguous
    monkeypatch.setattr(gpu, "THREADS", 1)  # a dozen cells need no more
    films = batch("ss", Mesh((4, 3, 1), CELL, (True, True, False)), "float64")
    m = magnetisation(films)
    here = dict(relax(Equation(films), m, method, torque_T=1e-2))
    monkeypatch.setattr(equation, "namespace", lambda name: device)
    there = Equation(films, "gpu")
    found = dict(relax(there, m, method, torque_T=1e-2))
    assert sorted(found) == [0, 1]
    for k, film in found.items():
        assert film.status == here[k].status == "relaxed"
        assert film.energies == pytest.approx(here[k].energies, rel=1e-6, abs=1e-6 * abs(here[k].energies["total"]))
    assert there.local.launches == there.evaluations.max() > 10


# --- compiled for the GPU --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_kernels_compile(architecture: int, precision: str) -> None:
    """To machine code of A100 and H100: the functions of `vectors.gpu`, and the fused kernel of films of every kind."""
    code = compile_for(architecture, gpu.source(), gpu.options(np.dtype(precision)))
    for name in HEAD.findall(gpu.source()):
        assert f".text.{name}".encode() in code
    for kinds in ("ss", "sv"):
        kernel = local(np, batch(kinds, Mesh((64, 64, 2), CELL), precision))
        for rate in (fused.FIELD, fused.TORQUE, fused.DESCENT):
            code = compile_for(architecture, kernel._text, (*kernel._options, f"-DRATE={rate}"))
            assert b".text.local" in code


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_array_goes_to_local_memory(precision: str) -> None:
    """Which would cost more traffic than the fields."""
    kernel = local(np, batch("sv", Mesh((64, 64, 2), CELL), precision))
    given = (gpu.source(), gpu.options(np.dtype(precision))), (kernel._text, (*kernel._options, "-DRATE=1"))
    for text, flags in given:
        assert ".local" not in compile_for(90, text, flags, ptx=True).decode()
