"""The thermal field and Heun's scheme.

Reference values: the known answers that come with Random123 1.14 (tests/kat_vectors, lines "philox4x32 10"); the
strength of Brown's field and the diffusion that follows from it (Brown, Phys. Rev. 130, 1677 (1963)); the Langevin
function; the precession of one moment in a field, which has a closed form (Mallinson, IEEE Trans. Magn. 23, 2003
(1987)).
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physics.gpu_on_host import build, launcher
from physics.test_gpu_kernels import compile_for
from weiss.arrays import select_device
from weiss.errors import SimulationError, UserError
from weiss.llg import noise
from weiss.llg.constants import BOLTZMANN, GAMMA0, MU0
from weiss.llg.drivers import Series
from weiss.llg.drivers.thermal import MOST_NOISE, thermal
from weiss.llg.equation import Equation
from weiss.llg.film import Film, Films
from weiss.llg.mesh import Mesh
from weiss.llg.terms.thermal import ThermalField

GRAIN = Film(Ms=8e5, alpha=1.0, temperature=300.0)
"""With cells of `CELL`: grains of 100 nm³ that do not feel each other."""

CELL = (5e-9, 5e-9, 4e-9)


def grains(count: int, *films: Film, precision: str = "float64") -> Films:
    """Films of count × count grains."""
    return Films(Mesh((count, count, 1), CELL), films, demag="none", precision=precision)


def along(axis: int, films: Films) -> np.ndarray:
    """Everything along one axis."""
    m = np.zeros(films.shape, films.dtype)
    m[:, axis] = 1
    return m


def run(films: Films, m: np.ndarray, times: list[float], dt: float | np.ndarray, **start: float) -> list[Series]:
    """Results in the order of the batch."""
    return [result for _, result in sorted(thermal(Equation(films), m, times, dt, **start), key=lambda pair: pair[0])]


# --- random numbers --------------------------------------------------------------------------------------------------

KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[np.uint64]:
    return [np.uint64(int(word, 16)) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN, ids=["zeros", "ones", "digits of pi"])
def test_philox_gives_the_known_answers(counter: str, key: str, answer: str) -> None:
    assert list(noise.philox(*words(counter), *words(key))) == words(answer)


def normals(seed: int, step: int, cells: int = 500, dtype: type = np.float64) -> np.ndarray:
    """Standard normals of one film and step, (3, cells, cells)."""
    out = np.empty((1, 3, 1, cells, cells), dtype)
    amplitude, one = np.ones((1, 1, cells), dtype), np.ones(1)
    noise.fill(np, amplitude, one, noise.key(seed)[None], np.array([step]), out, np.ones(1, bool))
    return out[0, :, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_normal(dtype: type) -> None:
    """Moments up to the fourth and both tails of 750,000 numbers, within four standard errors."""
    z = normals(1, 7, dtype=dtype).astype(np.float64).ravel()
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert np.mean(z**power) == pytest.approx(moment, abs=4 * math.sqrt(variance / z.size)), power
    for limit in (1.0, 3.0):
        tail = math.erfc(limit / math.sqrt(2)) / 2
        bound = 4 * math.sqrt(tail / z.size)
        assert np.mean(z > limit) == pytest.approx(tail, abs=bound)
        assert np.mean(z < -limit) == pytest.approx(tail, abs=bound)


def test_numbers_are_independent() -> None:
    """Components, neighbours, successive steps and seeds, and steps 2³² apart, do not know of each other."""
    z = normals(1, 7)
    pairs = [(z[0], z[1]), (z[0], z[2]), (z[1], z[2]), (z[:, :, 1:], z[:, :, :-1]), (z[:, 1:], z[:, :-1])]
    pairs += [(z, normals(seed, step)) for seed, step in [(1, 8), (2, 7), (1, 7 + 2**32)]]
    for a, b in pairs:
        for p, q in [(a, b), (a**2 - 1, b**2 - 1)]:
            scale = math.sqrt(np.mean(p**2) * np.mean(q**2))
            assert abs(np.mean(p * q)) / scale < 4 / math.sqrt(a.size)


def test_both_precisions_have_the_same_numbers() -> None:
    np.testing.assert_allclose(normals(3, 5, 100, np.float32), normals(3, 5, 100), atol=5e-6)


# --- on a GPU --------------------------------------------------------------------------------------------------------


@pytest.fixture
def cupy() -> ModuleType:
    """CuPy; skips, saying why, where it has no GPU."""
    try:
        select_device("gpu", "simulate")
    except UserError as error:
        pytest.skip(str(error))
    import cupy

    return cupy


def batch(dtype: type) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
    """Amplitude, scale, keys and steps of three films, and the shape of their field."""
    shape = (3, 3, 2, 5, 70)
    amplitude = np.random.default_rng(0).random((3, 10, 70)).astype(dtype)
    keys, steps = np.stack([noise.key(seed) for seed in (5, 6, 5)]), np.array([1, 2**32 + 3, 2**40])
    return amplitude, np.array([1.0, 2.0, 3.0]), keys, steps, shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("varies", [True, False])
def test_the_kernel_of_the_gpu_gives_the_same_numbers(dtype: type, varies: bool, tmp_path: Path) -> None:
    """Compiled for the CPU: to rounding, and films that are not live are left alone."""
    amplitude, scale, keys, steps, shape = batch(dtype)
    amplitude = amplitude if varies else np.repeat(amplitude[:, :1, :1], 70, axis=2)
    live = np.array([True, False, True])
    kernel = launcher(build(noise.source(), noise.options(np.dtype(dtype)), tmp_path), "noise")
    here, there = np.full(shape, 9, dtype), np.full(shape, 9, dtype)
    noise.fill(np, amplitude, scale, keys, steps, here, live)
    noise._fill_on_gpu(np, kernel, amplitude, scale, keys, steps, there, live)
    np.testing.assert_allclose(there, here, atol=2e-5 if dtype is np.float32 else 1e-13)
    assert (here[1] == 9).all() and (there[1] == 9).all() and (here[[0, 2]] != 9).all()


@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_compiles(architecture: int, dtype: type) -> None:
    """To machine code of A100 and H100."""
    assert b".text.noise" in compile_for(architecture, noise.source(), noise.options(np.dtype(dtype)))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_devices_have_the_same_noise(cupy: ModuleType, dtype: type) -> None:
    """To rounding."""
    amplitude, scale, keys, steps, shape = batch(dtype)
    here, there = np.zeros(shape, dtype), cupy.zeros(shape, dtype)
    noise.fill(np, amplitude, scale, keys, steps, here, np.ones(3, bool))
    noise.fill(cupy, cupy.asarray(amplitude), scale, keys, steps, there, np.ones(3, bool))
    np.testing.assert_allclose(there.get(), here, atol=2e-5 if dtype is np.float32 else 1e-13)


@pytest.mark.gpu
def test_both_devices_run_alike(cupy: ModuleType) -> None:
    """A hundred steps in double precision."""
    films = grains(8, GRAIN, dataclasses.replace(GRAIN, seed=4, B=(0.1, 0, 0)))
    m, equation = along(0, films), Equation(films, "gpu")
    there = [result for _, result in thermal(equation, cupy.asarray(m), [2e-11], 2e-13)]
    for one, other in zip(there, run(films, m, [2e-11], 2e-13), strict=True):
        np.testing.assert_allclose(one.m, other.m, atol=1e-9)


# --- Brown's field ---------------------------------------------------------------------------------------------------


def test_the_field_has_the_strength_of_brown() -> None:
    """2 α kB T/(γ0 µ0 Ms V Δt) in every cell, with its own Ms, T and α; none in vacuum and none at 0 K."""
    rng, shape = np.random.default_rng(0), (1, 40, 40)
    Ms = rng.uniform(5e5, 1e6, shape)
    Ms[:, :, :10] = 0
    alpha, temperature = rng.uniform(0.01, 1, shape), rng.uniform(1, 600, shape)
    temperature[:, :10] = 0
    films = grains(40, Film(Ms=Ms, alpha=alpha, temperature=temperature, gamma0=2.3e5))
    field, dt, live = ThermalField(films, np), 1e-13, np.ones(1, bool)
    square, h, steps = np.zeros(shape), np.empty(films.shape), 400
    for step in range(steps):
        field.field(np.array([step]), np.array([dt]), h, live)
        square += (h[0] ** 2).mean(axis=0) / steps
    assert (square[(Ms == 0) | (temperature == 0)] == 0).all()
    hot = (Ms > 0) & (temperature > 0)
    volume = math.prod(CELL)
    expected = 2 * alpha[hot] * BOLTZMANN * temperature[hot] / (2.3e5 * MU0 * Ms[hot] * volume * dt)
    ratio = square[hot] / expected
    error = math.sqrt(2 / (3 * steps))
    assert ratio.mean() == pytest.approx(1, abs=4 * error / math.sqrt(ratio.size))
    assert ratio.std() == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize("alpha", [0.1, 1.0])
def test_free_moments_forget_their_direction(alpha: float) -> None:
    """Without a field ⟨m·m(0)⟩ = exp(−2 D t) with D = γ0 α kB T/((1+α²) µ0 Ms V): the diffusion on a sphere."""
    films = grains(160, dataclasses.replace(GRAIN, alpha=alpha))
    diffusion = GAMMA0 * alpha * BOLTZMANN * 300 / ((1 + alpha**2) * MU0 * 8e5 * math.prod(CELL))
    times = np.array([0.1, 0.3, 0.6]) / (2 * diffusion)
    (result,) = run(films, along(0, films), list(times), times[0] / 60)
    expected = np.exp(-2 * diffusion * times)
    variance = (1 + 2 * np.exp(-6 * diffusion * times)) / 3 - expected**2  # ⟨cos²⟩ relaxes with 6 D
    assert (abs(result.mean[:, 0] - expected) < 4 * np.sqrt(variance / 160**2)).all()


def test_grains_in_a_field_follow_langevin() -> None:
    """⟨m_z⟩ = coth x − 1/x = 0.30352 with x = Ms V B/(kB T), within three standard errors.

    The averages over time of 1600 grains are independent, so their scatter gives the error whatever the correlation
    time is. Damping 1, where a factor 1+α² put wrong would be one of 2 in the temperature.
    """
    films = grains(40, dataclasses.replace(GRAIN, B=(0, 0, 0.05)))
    x = 8e5 * math.prod(CELL) * 0.05 / (BOLTZMANN * 300)
    expected = 1 / math.tanh(x) - 1 / x
    assert expected == pytest.approx(0.30352, abs=5e-6)
    equation, dt = Equation(films), 3e-13
    times = 6e-10 + 2e-11 * np.arange(150)
    ((_, result),) = thermal(equation, along(0, films), times, dt, states=True)
    averages = result.states[:, 2, 0].mean(axis=0)
    error = averages.std() / 40
    assert 0.001 < error < 0.005
    assert averages.mean() == pytest.approx(expected, abs=3 * error)


def test_every_spin_wave_has_its_share() -> None:
    """Equipartition in chains with exchange: ⟨|m_x + i m_y|²⟩ of wave k is 2 kB T/(µ0 Ms V (H + H_exchange(k))).

    The rows of the mesh are chains that intergrain = 0 sets apart. In the short waves the step of 0.1/ω makes an error
    of order (ω Δt)², 1 %.
    """
    nx, rows, T, B, A = 16, 250, 5.0, 1.0, 1.3e-11
    grain = np.arange(rows).reshape(1, rows, 1) * np.ones((1, 1, nx), int)
    mesh = Mesh((nx, rows, 1), (5e-9,) * 3, (True, True, True))
    film = Film(Ms=8e5, A=A, alpha=0.5, temperature=T, B=(0, 0, B), grains=grain, intergrain=0.0)
    films = Films(mesh, (film,), demag="none", precision="float64")
    times = 6e-11 + 1e-11 * np.arange(15)
    ((_, result),) = thermal(Equation(films), along(2, films), times, 1e-13, states=True)
    waves = np.fft.fft(result.states[:, 0, 0] + 1j * result.states[:, 1, 0], axis=2) / nx
    k = 2 * np.pi * np.fft.fftfreq(nx)
    H = (B + 2 * A / 8e5 * (2 - 2 * np.cos(k)) / 5e-9**2) / MU0
    share = (abs(waves) ** 2).mean(axis=0) * nx * MU0 * 8e5 * mesh.volume * H / (2 * BOLTZMANN * T)
    assert share.mean() == pytest.approx(1, abs=0.02)
    assert (abs(share.mean(axis=0) - 1) < 4 * share.std(axis=0) / math.sqrt(rows) + 0.01).all()


# --- Heun's scheme ---------------------------------------------------------------------------------------------------


def test_heun_is_of_second_order() -> None:
    """One moment in a field, without noise: φ = ω t/(1+α²), tan θ/2 falls with exp(−α ω t/(1+α²))."""
    B, alpha, end = 0.5, 0.1, 1e-10
    films = grains(1, Film(Ms=8e5, alpha=alpha, B=(0, 0, B)))
    turned = GAMMA0 * B / MU0 * end / (1 + alpha**2)
    theta = 2 * math.atan(math.exp(-alpha * turned))
    expected = [math.sin(theta) * math.cos(turned), math.sin(theta) * math.sin(turned), math.cos(theta)]
    errors = []
    for steps in (100, 200, 400):
        (result,) = run(films, along(0, films), [end], end / steps)
        errors.append(np.linalg.norm(result.mean[0] - expected))
    assert result.steps == 400 and errors[-1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.05)


def mixed(precision: str) -> list[Film]:
    """Films that differ in everything."""
    rng, shape = np.random.default_rng(1), (1, 6, 6)
    Ms = rng.uniform(5e5, 1e6, shape)
    Ms[:, 2:4, 1:3] = 0
    return [
        Film(Ms=Ms, A=1e-11, alpha=0.3, temperature=300.0, seed=1),
        Film(Ms=8e5, A=5e-12, Ku1=1e5, alpha=rng.uniform(0.1, 1, shape), temperature=500.0, seed=2, B=(0.1, 0, 0)),
        Film(Ms=6e5, alpha=0.5, temperature=rng.uniform(0, 300, shape), seed=3, gamma0=2.3e5),
    ]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_film_is_the_same_in_any_batch(precision: str) -> None:
    """To the bit: alone, and in two batches of different order, with a step of its own."""
    members, dt = mixed(precision), np.array([1e-13, 2e-13, 3e-13])

    def results(order: list[int]) -> list[Series]:
        films = grains(6, *(members[k] for k in order), precision=precision)
        return run(films, along(0, films), [3e-12, 1e-11], dt[order])

    together = results([0, 1, 2])
    for order in ([2, 0, 1], [0], [1], [2]):
        for k, result in zip(order, results(order), strict=True):
            np.testing.assert_array_equal(result.m, together[k].m)
            np.testing.assert_array_equal(result.mean, together[k].mean)
            assert result.steps == together[k].steps
    assert [result.steps for result in together] == [100, 50, 10 + 24]
    np.testing.assert_allclose(np.linalg.norm(together[0].m, axis=0), members[0].Ms > 0, atol=1e-6)


def test_a_run_goes_on_as_if_never_interrupted() -> None:
    """To the bit; another seed, and another step number, give another run."""
    films = grains(8, GRAIN, dataclasses.replace(GRAIN, seed=1))
    whole = run(films, along(0, films), [1e-11, 2e-11], 2e-13)
    half = run(films, along(0, films), [1e-11], 2e-13)
    m = np.stack([result.m for result in half])
    before = {"start": half[0].t[-1], "steps": half[0].steps}
    rest = run(films, m, [2e-11], 2e-13, **before)
    for one, other in zip(rest, whole, strict=True):
        np.testing.assert_array_equal(one.m, other.m)
        assert (one.t[-1], one.steps) == (other.t[-1], other.steps) == (2e-11, 100)
        np.testing.assert_array_equal(one.mean[0], other.mean[1])
    assert abs(whole[0].m - whole[1].m).max() > 0.1
    before["steps"] += 1
    other = run(films, m, [2e-11], 2e-13, **before)
    assert abs(other[0].m - rest[0].m).max() > 0.01


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "dt", "words"),
    [
        ([], 1e-13, "at least one time"),
        ([2e-12, 1e-12], 1e-13, "do not grow"),
        ([-1e-12], 1e-13, "do not grow"),
        ([math.nan], 1e-13, "finite"),
        ([1e-12], 0.0, "a time step of 0 s"),
        ([1e-12], math.nan, "a time step of nan s"),
    ],
)
def test_what_makes_no_sense_is_refused(times: list[float], dt: float, words: str) -> None:
    films = grains(2, GRAIN)
    with pytest.raises(UserError, match=words):
        run(films, along(0, films), times, dt)


def test_a_step_in_which_noise_turns_too_far_is_refused() -> None:
    """The error names the film and a step that will do, which then does."""
    films = grains(2, dataclasses.replace(GRAIN, temperature=0.1), GRAIN)
    with pytest.raises(UserError, match=r"film 1: in a step of 1e-10 s .* at most (\S+) s") as caught:
        run(films, along(0, films), [1e-10], 1e-10)
    longest = float(str(caught.value).split("at most ")[1].split()[0])
    turn = ThermalField(films, np).turn[1] * math.sqrt(longest)
    assert turn == pytest.approx(MOST_NOISE, rel=0.05)


def test_a_step_in_which_the_field_turns_too_far_stops_the_run() -> None:
    films = grains(2, GRAIN, Film(Ms=8e5, B=(0, 0, 100.0)))
    with pytest.raises(SimulationError, match=r"film 1: the field turns m by \S+ rad .*; take a shorter step"):
        run(films, along(0, films), [1e-12], 1e-13)


def test_a_field_that_is_not_finite_stops_the_run() -> None:
    films = grains(2, GRAIN, dataclasses.replace(GRAIN, B_of_time=lambda t: (0, 0, math.nan if t > 5e-13 else 0)))
    with pytest.raises(SimulationError, match="film 1: the field is not finite at t = 1e-12 s"):
        run(films, along(0, films), [1e-13, 1e-12], 1e-13)
