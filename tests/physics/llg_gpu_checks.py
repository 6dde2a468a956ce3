"""What the micromagnetic kernels of the GPU must do, for arrays of CuPy, or of NumPy where they run on the CPU.

The fields are compared with the terms' plain array versions on the host, all else with the functions of `vectors.cpu`.
"""

from __future__ import annotations

import functools
from itertools import product
from types import ModuleType

import numpy as np

from weiss.arrays import to_host
from weiss.llg import fused, terms
from weiss.llg.film import Film, Films
from weiss.llg.mesh import Mesh
from weiss.llg.parameters import pack
from weiss.llg.terms import Array, Term
from weiss.llg.vectors import cpu, gpu

LEFT_ALONE = 7.0

CELL = (2e-9, 3e-9, 4e-9)
BOUNDARIES = list(product((False, True), repeat=3))


def simple(seed: int) -> Film:
    """One value of everything."""
    rng = np.random.default_rng(seed)
    return Film(
        Ms=8e5 + 1e4 * seed,
        A=1.3e-11,
        Ku1=4e5,
        Ku2=1e5,
        axis=tuple(rng.standard_normal(3)),
        D_bulk=2e-3,
        D_interfacial=-1.5e-3,
        alpha=0.1 + 0.05 * seed,
        B=(0.01, -0.02, 0.03),
        B_of_time=lambda t: (1e9 * t, 0.0, -0.5 + seed),
    )


def varied(mesh: Mesh, seed: int) -> Film:
    """Every value another one in every cell, with vacuum, grains and cells without exchange."""
    rng = np.random.default_rng(seed)

    def one(scale: float) -> np.ndarray:
        return scale * rng.uniform(0.5, 1.5, mesh.shape)

    return Film(
        Ms=one(8e5) * (rng.random(mesh.shape) > 0.2),
        A=one(1e-11) * (rng.random(mesh.shape) > 0.1),
        Ku1=one(4e5),
        Ku2=one(1e5),
        axis=rng.standard_normal((3, *mesh.shape)),
        D_bulk=one(2e-3),
        D_interfacial=one(-1.5e-3),
        alpha=one(0.2),
        B=0.1 * rng.standard_normal((3, *mesh.shape)),
        intergrain=0.3,
        grains=rng.integers(0, 3, mesh.shape),
    )


def batch(kinds: str, mesh: Mesh, precision: str) -> Films:
    """Films by their letters: s for simple, v for varied; without demagnetising field."""
    films = tuple(simple(k) if kind == "s" else varied(mesh, k) for k, kind in enumerate(kinds))
    return Films(mesh, films, demag="none", precision=precision)


def magnetisation(films: Films, seed: int = 0) -> np.ndarray:
    """Random unit vectors, zero in vacuum."""
    m = np.random.default_rng(seed).standard_normal(films.shape)
    m /= np.linalg.norm(m, axis=1, keepdims=True)
    for index, film in enumerate(films.films):
        m[index] *= np.broadcast_to(np.asarray(film.Ms) > 0, films.mesh.shape)
    return m.astype(films.dtype)


def assert_close(got: Array, expected: np.ndarray) -> None:
    """To rounding of what is added up."""
    got = to_host(got)
    np.testing.assert_allclose(got, expected, rtol=0, atol=50 * np.finfo(got.dtype).eps * abs(expected).max())


# --- the fused kernel ------------------------------------------------------------------------------------------------


class Drift(Term):
    """A term without a snippet."""

    name = "drift"

    def field(self, m: Array, t: np.ndarray) -> Array:
        return 1e5 * m[:, ::-1]


def local(xp: ModuleType, films: Films, gamma0: np.ndarray | None = None, more: tuple[Term, ...] = ()) -> fused.Local:
    """The fused kernel of a batch."""
    alpha = xp.asarray(pack([film.alpha for film in films.films], films.mesh, films.dtype))
    gamma0 = np.array([film.gamma0 for film in films.films]) if gamma0 is None else gamma0
    return fused.Local([*terms.build(films, xp), *more], alpha, gamma0)


def plain_field(films: Films, m: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Sum of the terms' plain array versions, on the host."""
    return functools.reduce(np.add, (term.field(m, t) for term in terms.build(films, np)))


def field_agrees(xp: ModuleType, kinds: str, mesh: Mesh, precision: str) -> None:
    """All terms of a batch in one launch; films that are not live are left alone."""
    films = batch(kinds, mesh, precision)
    m, t = magnetisation(films), np.linspace(0, 1e-9, len(kinds))
    expected, out = plain_field(films, m, t), xp.full(films.shape, LEFT_ALONE, films.dtype)
    live = np.arange(len(kinds)) != 1
    kernel = local(xp, films)
    kernel.field(xp.asarray(m), t, out, live)
    assert_close(out[live], expected[live])
    assert (out[~live] == LEFT_ALONE).all()
    assert kernel.launches == 1, "one launch for the batch"


def term_agrees(xp: ModuleType, name: str) -> None:
    """One term alone, so that no small field hides behind a large one."""
    films = batch("sv", Mesh((5, 4, 3), CELL, (True, False, False)), "float64")
    m, t, out = magnetisation(films), np.array([0.0, 1e-9]), xp.empty(films.shape)
    here, there = (next(term for term in terms.build(films, array) if term.name == name) for array in (np, xp))
    kernel = fused.Local([there], xp.ones((2, 1, 5)), np.ones(2))
    assert kernel.fused == [there]
    kernel.field(xp.asarray(m), t, out, np.ones(2, bool))
    expected = here.field(m, t)
    for got, right in zip(out, expected, strict=True):
        assert_close(got, right)
    assert abs(expected).max(axis=(1, 2, 3, 4)).min() > 100


def torque_agrees(xp: ModuleType, precision: str, precess: bool) -> None:
    """dm/dt, and the field beside it, of a batch with a term that has no snippet."""
    films = batch("svv", Mesh((9, 6, 2), CELL, (True, True, False)), precision)
    m, t, live = magnetisation(films), np.zeros(3), np.array([True, False, True])
    drift, gamma0 = Drift(films, xp), np.array([2.2e5, 2e5, 1.8e5])
    H = plain_field(films, m, t) + Drift(films, np).field(m, t)
    alpha, expected = (
        pack([film.alpha for film in films.films], films.mesh, films.dtype),
        np.empty(films.shape, films.dtype),
    )
    cpu.torque(m, H, alpha, gamma0, precess, expected, np.ones(3, bool))
    kernel, there = local(xp, films, gamma0, (drift,)), xp.asarray(m)
    assert kernel.others == [drift]
    out, field, alone = (xp.full(films.shape, LEFT_ALONE, films.dtype) for _ in range(3))
    kernel.torque(there, t, out, live, precess, field)
    assert (out[~live] == LEFT_ALONE).all()
    for got, right in ((out, expected), (field, H)):
        assert_close(got[live], right[live])
    kernel.torque(there, t, alone, live, precess)
    np.testing.assert_array_equal(to_host(alone[live]), to_host(out[live]))
    assert kernel.launches == 2


def batch_is_not_felt(xp: ModuleType) -> None:
    """Bit for bit: alone, and in a batch of which another film differs from cell to cell."""
    mesh = Mesh((6, 5, 2), CELL, (True, False, True))
    films = batch("svs", mesh, "float32")
    m, t, out = xp.asarray(magnetisation(films)), np.linspace(0, 1e-9, 3), xp.empty(films.shape, np.float32)
    local(xp, films).torque(m, t, out, np.ones(3, bool))
    for k, film in enumerate(films.films):
        solo, alone = Films(mesh, (film,), demag="none"), xp.empty((1, *films.shape[1:]), np.float32)
        local(xp, solo).torque(m[k : k + 1].copy(), t[k : k + 1], alone, np.ones(1, bool))
        np.testing.assert_array_equal(to_host(alone[0]), to_host(out[k]))


def not_a_number_is_passed_on(xp: ModuleType) -> None:
    """To where the driver sees it."""
    films = batch("s", Mesh((4, 4, 1), CELL), "float32")
    m, out = xp.asarray(magnetisation(films)), xp.empty(films.shape, np.float32)
    m[0, :, 0, 1, 1] = np.nan
    local(xp, films).torque(m, np.zeros(1), out, np.ones(1, bool))
    got = to_host(out)[0, :, 0]
    assert np.isnan(got[:, 1, 1]).all() and np.isnan(got[:, 1, 2]).all()
    assert np.isfinite(got[:, 3, 3]).all()


# --- fields of vectors -----------------------------------------------------------------------------------------------

SHAPE = (3, 3, 3, 9, 70)
"""Three films whose cells need more than one block."""

LIVE = np.array([True, False, True])


def random(dtype: str, count: int, scale: float = 1.0) -> list[np.ndarray]:
    """Random fields; the first one of unit vectors, with vacuum."""
    rng = np.random.default_rng(3)
    fields = [scale * rng.standard_normal(SHAPE) for _ in range(count)]
    fields[0] /= np.linalg.norm(fields[0], axis=1, keepdims=True)
    fields[0][:, :, 1, 4, :5] = 0
    return [field.astype(dtype) for field in fields]


def values(dtype: str, rows: int) -> np.ndarray:
    """A packed parameter."""
    return np.random.default_rng(4).uniform(0.5, 2, (3, rows, SHAPE[-1])).astype(dtype)


def moved(xp: ModuleType, argument: object) -> object:
    """A field or a packed parameter, or a list of them, on the device; numbers for each film stay."""
    if isinstance(argument, list) and argument and isinstance(argument[0], np.ndarray):
        return [xp.array(field) for field in argument]
    return xp.array(argument) if isinstance(argument, np.ndarray) and argument.ndim > 1 else argument


def writes_alike(xp: ModuleType, name: str, *arguments: object) -> None:
    """A function that writes a field, of both modules; films that are not live are left alone."""
    outs = []
    for array, module in ((np, cpu), (xp, gpu)):
        given = [moved(array, argument) for argument in arguments]
        out = array.full(SHAPE, LEFT_ALONE, given[0].dtype)
        getattr(module, name)(*given, out, LIVE)
        assert (out[~LIVE] == LEFT_ALONE).all()
        outs.append(out)
    assert_close(outs[1], outs[0])


def measures(xp: ModuleType, name: str, *arguments: object, live: np.ndarray = LIVE) -> tuple[np.ndarray, np.ndarray]:
    """What a function that measures returns, of `vectors.gpu` and of `vectors.cpu`."""
    there = [moved(xp, argument) for argument in arguments]
    return getattr(gpu, name)(*there, live), getattr(cpu, name)(*arguments, live)


def clear_and_copy_agree(xp: ModuleType, dtype: str) -> None:
    """Of live films alone."""
    (m,), out = random(dtype, 1), xp.full(SHAPE, LEFT_ALONE, dtype)
    gpu.clear(out, LIVE)
    assert (out[LIVE] == 0).all() and (out[~LIVE] == LEFT_ALONE).all()
    writes_alike(xp, "copy", m)


def advance_agrees(xp: ModuleType, dtype: str, count: int) -> None:
    """One of seven slopes has no weight and must not be looked at; also in place."""
    m, *slopes = random(dtype, 1 + count, 1e10)
    weights = [0.3 * (-1) ** k * (k != 2) for k in range(count)]
    if count > 2:
        slopes[2][...] = np.nan
    arguments = m, slopes, weights, np.array([1e-11, 2e-11, 3e-11])
    writes_alike(xp, "advance", *arguments)
    there, expected = [moved(xp, argument) for argument in arguments], np.empty_like(m)
    cpu.advance(*arguments, expected, LIVE)
    gpu.advance(*there, there[0], LIVE)
    assert_close(there[0][LIVE], expected[LIVE])


def rotation_agrees(xp: ModuleType, dtype: str) -> None:
    """And is inf where a value is not finite."""
    slopes, dt = random(dtype, 7, 1e10), np.array([1e-11, 2e-11, 3e-11])
    weights = (0.1, 0.0, -0.3, 0.2, -0.1, 0.5, -0.4)
    np.testing.assert_allclose(*measures(xp, "rotation", slopes, weights, dt), rtol=20 * np.finfo(dtype).eps)
    for wrong in (np.nan, np.inf):
        slopes[3][2, 1, 2, 8, 69] = wrong
        got, _ = measures(xp, "rotation", slopes, weights, dt)
        assert np.isfinite(got[0]) and np.isnan(got[1]) and np.isinf(got[2])


def compare_and_largest_agree(xp: ModuleType, dtype: str, rows: int) -> None:
    """Sums to what the rounding of their summands allows; the same bits alone and in a batch; inf where not finite."""
    m0, H0, H1, step = random(dtype, 4, 1e5)
    m1 = (m0 + 1e-6 * step * (abs(m0).sum(axis=1, keepdims=True) > 0)).astype(dtype)
    m1 /= np.maximum(np.linalg.norm(m1, axis=1, keepdims=True), 1e-3).astype(dtype)
    H0, H1 = H0 + 2e5 * m0, H1 + 2e5 * m1
    Ms, eps = 1e6 * values(dtype, rows), np.finfo(dtype).eps
    got, expected = measures(xp, "compare", m0, H0, m1, H1, Ms)
    np.testing.assert_allclose(got, expected, rtol=200 * eps)
    assert np.isnan(got[1]).all()
    np.testing.assert_allclose(*measures(xp, "largest", m0, H0), rtol=20 * eps)
    only = [field[2:].copy() for field in (m0, H0, m1, H1, Ms)]
    alone, _ = measures(xp, "compare", *only, live=np.ones(1, bool))
    np.testing.assert_array_equal(alone[0], got[2])
    H1[0, 2, 0, 3, 3] = np.nan
    got, _ = measures(xp, "compare", m0, H0, m1, H1, Ms)
    assert np.isinf(got[0, 5])
    got, _ = measures(xp, "largest", m1, H1)
    assert np.isinf(got[0]) and np.isfinite(got[2])


def pairs_agree(xp: ModuleType, dtype: str, count: int) -> None:
    """`turn`, with a pair that has no weight and must not be looked at, and `remember`."""
    m0, H0, m1, H1 = random(dtype, 4, 1e5)
    m1 /= np.linalg.norm(m1, axis=1, keepdims=True)
    pairs = np.stack(random(dtype, count))
    weights = np.random.default_rng(5).standard_normal((3, 1 + count)) * 0.3
    weights[:, 0] *= 1e-5
    Ms, eps = values(dtype, 27), np.finfo(dtype).eps
    here, there = pairs.copy(), xp.array(pairs)
    expected = cpu.remember(m0, H0, m1, H1, Ms, here, 1, LIVE)
    got = gpu.remember(*(xp.array(field) for field in (m0, H0, m1, H1, Ms)), there, 1, LIVE)
    for k in (1, count // 2 + 1):
        assert_close(there[k], here[k])
    assert got.shape == expected.shape and np.isnan(got[1]).all()
    scale = np.repeat(
        [abs(expected[LIVE, a:b]).max() for a, b in ((6, 6 + count), (6 + count, None))], (count, 2 * count)
    )
    np.testing.assert_allclose(got[:, :6], expected[:, :6], rtol=500 * eps)
    assert (abs(got - expected)[LIVE, 6:] <= 500 * eps * scale).all()
    weights[:, 2], pairs[1] = 0, np.nan
    outs = [array.full(SHAPE, LEFT_ALONE, dtype) for array in (np, xp)]
    cpu.turn(m0, H0, pairs, weights, outs[0], LIVE)
    gpu.turn(xp.array(m0), xp.array(H0), xp.array(pairs), weights, outs[1], LIVE)
    assert_close(outs[1], outs[0])


def vectors_agree(xp: ModuleType, dtype: str) -> None:
    """All functions of `vectors.gpu` against those of `vectors.cpu`; parameters of one row, and of every cell."""
    clear_and_copy_agree(xp, dtype)
    for count in (0, 1, 7):
        advance_agrees(xp, dtype, count)
    rotation_agrees(xp, dtype)
    (m, H), tau = random(dtype, 2, 1e5), np.array([1e-5, 1e-6, 3e-6])
    writes_alike(xp, "descend", m, H, tau)
    for rows in (1, 27):
        for precess in (True, False):
            writes_alike(xp, "torque", m, H, values(dtype, rows), np.array([2e5, 1e5, 3e5]), precess)
        compare_and_largest_agree(xp, dtype, rows)
        np.testing.assert_allclose(*measures(xp, "mean", m, values(dtype, rows)), rtol=1e-12, atol=1e-14)
    for count in (4, 10):
        pairs_agree(xp, dtype, count)
