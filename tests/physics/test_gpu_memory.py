"""Batches that memory does not hold: split, said in a line, and with the films they would have given."""

from __future__ import annotations

import types

import numpy as np
import pytest

from physics.films import film
from weiss.errors import UserError
from weiss.tdgl import batches, hysteresis, rhs, rhs_gpu, simulate

FILMS = [(film(J, D, 8, quarter=60.0, loop_samples=11), 1) for J in (1.0, 2.0) for D in (0.4, 0.8, 1.2)]


def device_for(films: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give "gpu" a stand-in that has memory for so many films; returns the batches that were tried."""
    tried: list[int] = []

    class OutOfMemoryError(MemoryError):
        """As CuPy's."""

    def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if len(shape) == 3 and shape[0] > films:
            raise OutOfMemoryError("Out of memory allocating 1,024 bytes.")
        return np.empty(shape, dtype)

    device = types.ModuleType("device")
    vars(device).update({name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    device.empty = empty
    choose = lambda name: device if name == "gpu" else np  # noqa: E731
    for module in (batches, hysteresis):
        monkeypatch.setattr(module, "namespace", choose)
    prepare = batches.prepare

    def counted(batch: list) -> batches.Films:
        tried.append(len(batch))
        return prepare(batch)

    monkeypatch.setattr(batches, "prepare", counted)
    return tried


def same(results: dict, expected: dict) -> None:
    assert sorted(results) == sorted(expected)
    for i, one in expected.items():
        np.testing.assert_array_equal(results[i].m, one.m)
        np.testing.assert_array_equal(results[i].loop_m, one.loop_m)


def test_a_batch_that_does_not_fit_is_halved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six films where two fit: three, then one at a time; every film comes once, as it would have come anyway."""
    device_for(6, monkeypatch)
    expected = dict(simulate(FILMS, device="gpu"))
    monkeypatch.undo()
    tried = device_for(2, monkeypatch)
    results = list(simulate(FILMS, device="gpu"))
    assert len(results) == len(FILMS)
    same(dict(results), expected)
    assert tried == [6, 3, 1, 1, 1, 3, 1, 1, 1]
    said = [line for line in capsys.readouterr().err.splitlines() if "memory" in line]
    assert said[0] == (
        "weiss: simulate: 6 films ran out of memory (Out of memory allocating 1,024 bytes.): 6 start again, 3 at a time"
    )
    assert len(said) == 3


def test_films_that_finished_are_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that runs out when half of the films are done costs the other half only."""
    tried = device_for(6, monkeypatch)
    run, runs = batches._run_whole, []

    def breaks_once(films, indices, device):  # type: ignore[no-untyped-def]
        runs.append(list(indices))
        for count, item in enumerate(run(films, indices, device)):
            if count == 3 and len(runs) == 1:
                raise MemoryError
            yield item

    monkeypatch.setattr(batches, "_run_whole", breaks_once)
    results = [i for i, _ in simulate(FILMS, device="gpu")]
    assert sorted(results) == list(range(6))
    assert tried == [6, 3]
    assert runs[1] == sorted(results[3:])


def test_a_single_film_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line: which film, and what to do."""
    device_for(0, monkeypatch)
    with pytest.raises(UserError, match=r"a single film of 8 × 8 cells in float32 does not fit.*allocating 1,024"):
        list(simulate(FILMS[:1], device="gpu"))


def test_a_batch_that_cannot_fit_is_split_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The device's estimate is asked before anything is allocated."""
    tried = device_for(6, monkeypatch)
    device = hysteresis.namespace("gpu")
    plain = rhs.kernels(device)
    knowing = types.SimpleNamespace(**vars(plain), most_films=lambda ny, nx, dtype: 4)
    monkeypatch.setattr(batches.rhs, "kernels", lambda xp: knowing)
    assert len(list(simulate(FILMS, device="gpu"))) == 6
    assert tried == [4, 2]
    assert "6 films do not fit the memory together: 4 at a time" in capsys.readouterr().err


def test_the_estimate_follows_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A film's arrays times the films fit what is free; never none, never more than a launch takes."""
    dtype = np.dtype(np.float32)
    field = 256 * 256 * 4
    each = rhs_gpu.bytes_per_film(256, 256, dtype)
    assert 25 * field < each < 40 * field
    for free, expected in ((0, 1), (80e9, 8300), (1e15, rhs_gpu.MOST_SLOTS)):
        monkeypatch.setattr(rhs_gpu, "room", lambda free=free: int(free))
        most = rhs_gpu.most_films(256, 256, dtype)
        assert most == pytest.approx(expected, rel=0.1)
        assert most == 1 or most * each < free
