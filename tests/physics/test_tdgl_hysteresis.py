"""The driver: crossings, loops, and the fast integrator against the slow one and against scipy.

Sweeps here are shorter than the paper's, to be quick; both sides of a comparison run the same sweep. Full-rate
comparisons are in docs/tdgl.md, made by test_tdgl_reference.py.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import textwrap
import time
import types
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from physics.films import film
from weiss.errors import SimulationError
from weiss.tdgl import batches, hysteresis, simulate, sweep
from weiss.tdgl.loops import FilmResult, hermite

SHORT = {"quarter": 1000.0, "loop_samples": 101}


def run(films: list[tuple[dict, int]], **options: object) -> list[FilmResult]:
    """Simulate, and return the results in the order of the input."""
    results = dict(simulate(films, **options))  # type: ignore[arg-type]
    return [results[i] for i in range(len(films))]


@pytest.mark.parametrize("integrator", ["rkc", "euler"])
def test_uniform_film_follows_its_scalar_equation(integrator: str) -> None:
    """Without noise and from m = 0 the film stays uniform: m' = (1 - m²)(h + (A0 - γ a0) m), solved by scipy
    (DOP853)."""
    params = film(
        2.0, 0.0, 8, quarter=20.0, m_init=0.0, precision="float64", tolerance=1e-7, dt=5e-3, integrator=integrator
    )
    result = run([(params, 1)])[0]

    def slope(t: float, m: np.ndarray) -> np.ndarray:
        return (1 - m**2) * (sweep.field(t, 0.3, 20.0) + (1 - 0.095 * 2 * 5.9) * m)

    exact = solve_ivp(slope, (0, 100), [0.0], method="DOP853", rtol=1e-11, atol=1e-12, max_step=0.5, dense_output=True)
    t = np.linspace(0, 100, 500)
    seen = np.isfinite(result.loop_m)
    np.testing.assert_allclose(result.loop_m[seen], exact.sol(t[seen])[0], atol=5e-3 if integrator == "euler" else 2e-4)
    fine = np.linspace(60, 100, 400_001)
    crossing = fine[np.argmax(exact.sol(fine)[0] > 0)]
    assert result.status == "crossed"
    assert result.t_crossing == pytest.approx(crossing, abs=0.05)
    assert result.h_crossing == pytest.approx(sweep.field(crossing, 0.3, 20.0), abs=1e-3)


PAIRS = [(2.0, 0.2), (2.0, 1.0), (1.0, 1.2), (0.5, 1.6)]


@pytest.fixture(scope="module")
def reference() -> list[FilmResult]:
    """Films by float64 Euler, the field swept 100 times too fast.

    dt is 0.04: the paper's 0.1 is beyond Euler's stability in cells with a large anisotropy, and at (0.5, 1.6) it moves
    the crossing by 85 time units here.
    """
    settings = {**SHORT, "integrator": "euler", "precision": "float64", "dt": 0.04}
    return run([(film(J, D, 32, **settings), 1) for J, D in PAIRS], batch=len(PAIRS))


@pytest.mark.parametrize("pair", range(len(PAIRS)), ids=str)
def test_fast_integrator_agrees_with_the_reference(pair: int, reference: list[FilmResult]) -> None:
    """float32 stabilised steps: the same crossing, pattern and loop."""
    slow, fast = reference[pair], run([(film(*PAIRS[pair], 32, **SHORT), 1)])[0]
    assert fast.status == slow.status == "crossed"
    assert fast.t_crossing == pytest.approx(slow.t_crossing, abs=2)
    assert ((fast.m >= 0) == (slow.m >= 0)).mean() >= 0.975
    both = np.isfinite(fast.loop_m) & np.isfinite(slow.loop_m)
    # An avalanche that comes a few time units later is a large difference at one instant, and little over the loop.
    assert abs(fast.loop_m - slow.loop_m)[both].mean() < 0.01
    assert fast.evaluations < slow.evaluations / 4


def test_crossing_state_has_no_net_magnetisation() -> None:
    """The pattern is taken at ⟨m⟩ = 0, not at the end of the step that passed it."""
    for crossing in (1, 2):
        result = run([(film(2.0, 1.0, 32, **SHORT, crossing=crossing), 1)])[0]
        assert abs(result.m.mean(dtype=float)) < 2e-6
        low, high = (1000, 3000) if crossing == 1 else (3000, 5000)
        assert low < result.t_crossing < high
        assert np.sign(result.h_crossing) == (-1 if crossing == 1 else 1)


def test_magnetisation_stays_within_one_and_a_saturated_film_reverses() -> None:
    """H = 1.5 saturates a weakly disordered film; m = ±1 would be a fixed point it never leaves."""
    params = film(1.3, 0.1, 16, **{**SHORT, "H": 1.5})
    result = run([(params, 1)])[0]
    assert np.nanmax(result.loop_m) > 0.999999
    assert np.nanmax(abs(result.loop_m)) <= 1
    assert abs(result.m).max() < 1
    assert result.status == "crossed"


def test_film_that_never_reverses_says_so() -> None:
    """Strong pinning and a field too weak to reverse it: no crossing is invented."""
    params = film(0.5, 0.0, 16, **{**SHORT, "H": 0.05, "gamma_per_J": 0.0, "m_init": 0.0})
    result = run([(params, 1)])[0]
    assert result.status == "not crossed"
    assert np.isnan(result.t_crossing)
    assert np.isnan(result.h_crossing)
    assert np.isfinite(result.loop_m).all()


def _mixed(count: int) -> list[tuple[dict, int]]:
    pairs = [(2.0, 1.0), (1.0, 1.2), (0.5, 1.6), (1.6, 0.3)]
    return [(film(*pairs[i % 4], 16, quarter=100.0, loop_samples=51), 1 + i // 4) for i in range(count)]


def test_a_film_does_not_feel_its_batch() -> None:
    """The same film alone, in a batch of 7 and in one of 64, and in another process: bit for bit the same."""
    films = _mixed(64)
    alone = [run([film])[0] for film in films[:7]]
    together = {7: run(films[:7], batch=7), 64: run(films, batch=64), "threads": run(films[:7], threads=2)}
    for name, results in together.items():
        for i, single in enumerate(alone):
            for key, value in dataclasses.asdict(single).items():
                if key != "seconds":
                    np.testing.assert_array_equal(getattr(results[i], key), value, err_msg=f"{name} film {i} {key}")
    assert not np.array_equal(together[64][0].m, together[64][60].m)


def test_films_of_different_settings_may_be_handed_over_together() -> None:
    """Batches are made of films that share their settings; results come back under the right index."""
    films = [(film(2.0, 1.0, n, quarter=300.0, a0=a0, loop_samples=11), 1) for n in (8, 12) for a0 in (5.5, 6.2)]
    results = run(films, batch=4)
    for given, result in zip(films, results, strict=True):
        single = run([given])[0]
        np.testing.assert_array_equal(result.m, single.m)


def test_device_path_gives_the_same_films(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that CuPy takes (plain kernels, batched transforms), run by a stand-in for it, against the compiled
    one."""
    device = types.ModuleType("device")
    vars(device).update({name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    given = [({**params, "precision": "float64"}, seed) for params, seed in _mixed(5)]
    compiled = run(given)
    for module in (batches, hysteresis):
        monkeypatch.setattr(module, "namespace", lambda name: device)
    plain = run(given, device="gpu")
    for one, other in zip(plain, compiled, strict=True):
        assert one.t_crossing == pytest.approx(other.t_crossing, abs=1e-2)
        np.testing.assert_allclose(one.m, other.m, atol=1e-3)
        np.testing.assert_allclose(one.loop_m, other.loop_m, atol=1e-4)


def test_film_that_blows_up_is_named() -> None:
    """An anisotropy no step can resolve in the second of two films."""
    films = [(film(2.0, D, 8, quarter=50.0, loop_samples=11), 1) for D in (0.5, 1e38)]
    with np.errstate(all="ignore"), pytest.raises(SimulationError, match="not finite") as caught:
        run(films, batch=2)
    assert caught.value.index == 1
    with pytest.raises(SimulationError, match="not finite") as caught:
        run(films, threads=2)
    assert caught.value.index == 1


@pytest.mark.parametrize("integrator", ["rkc", "euler"])
def test_non_finite_state_stops(integrator: str) -> None:
    """(1 - m²) overflows float32 at once; clipping must not hide it."""
    given = film(2.0, 0.5, 8, quarter=50.0, integrator=integrator, loop_samples=11, m_init=1e30)
    with np.errstate(all="ignore"), pytest.raises(SimulationError, match="not finite"):
        run([(given, 1)])


def test_parameters_beyond_the_precision_are_refused() -> None:
    """D = 1e39 is infinite in float32."""
    films = [(film(2.0, D, 8, quarter=50.0, loop_samples=11), 1) for D in (0.5, 1e39)]
    with np.errstate(all="ignore"), pytest.raises(SimulationError, match="not finite in float32") as caught:
        run(films, batch=2)
    assert caught.value.index == 1


def test_hermite_reproduces_a_cubic() -> None:
    """Dense output of the loop is exact for cubics."""
    t = np.linspace(2, 5, 7)
    value, slope = (lambda x: x**3 - 4 * x), (lambda x: 3 * x**2 - 4)
    filled = hermite(t, (2, 5), (value(2), value(5)), (slope(2), slope(5)))
    np.testing.assert_allclose(filled, value(t), atol=1e-12)
    noisy = hermite(t, (2, 5), (0.9, 1.0), (3.0, -2.0))
    assert ((noisy >= 0.9) & (noisy <= 1.0)).all(), "a mean outside its ends would be a magnetisation beyond saturation"


def test_workers_die_with_a_killed_parent() -> None:
    """SIGKILL leaves no process behind that goes on simulating."""
    script = textwrap.dedent("""
        import multiprocessing, sys, threading, time
        sys.path.insert(0, "tests")
        from physics.films import film
        from weiss.tdgl import simulate

        def tell():
            while len(multiprocessing.active_children()) < 2:
                time.sleep(0.05)
            print(*(child.pid for child in multiprocessing.active_children()), flush=True)

        if __name__ == "__main__":
            threading.Thread(target=tell, daemon=True).start()
            list(simulate([(film(2.0, 1.0, 64), seed) for seed in (1, 2)], threads=2))
    """)
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(script)
        file.flush()
        root = Path(__file__).resolve().parents[2]
        parent = subprocess.Popen([sys.executable, file.name], stdout=subprocess.PIPE, text=True, cwd=root)
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        # Give them time to start: a worker is watching once it has imported the solver.
        time.sleep(5)
        assert len(workers) == 2
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
