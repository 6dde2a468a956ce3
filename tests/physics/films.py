"""Settings of small films the physics tests share."""

from __future__ import annotations

from typing import Any

PAPER = {
    "A0": 1.0,
    "gamma_per_J": 0.095,
    "H": 0.3,
    "quarter": 1.0e5,
    "kernel": "cutoff",
    "a0": 5.9,
    "noise_scale": 1.0,
    "m_limit": 1.0e-7,
    "m_init": 0.05,
    "crossing": 2,
    "integrator": "rkc",
    "avalanches": "windows",
    "tolerance": 3.0e-5,
    "max_stages": 200,
    "dt": 0.1,
    "precision": "float32",
    "loop_samples": 500,
}


def film(J: float, D: float, n: int = 32, **settings: Any) -> dict[str, Any]:
    """Parameters of an n × n film; by default everything as in the paper."""
    return {**PAPER, "ny": n, "nx": n, "J": J, "D": D, **settings}
