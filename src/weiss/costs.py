"""What simulations, trainings and maps cost: the constants behind the estimate of `weiss plan`, all in one place.

The estimate is for planning (is this an afternoon or a month?), good to a factor of two or so. Where a study has
already computed films, their recorded seconds replace the model (`weiss.plan`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# Evaluations of the default integrator for one film swept to its crossing, at 10⁵ time units a quarter and a tolerance
# of 1e-4: EVALUATIONS × √(J² + (DISORDER d)²), with d = noise_scale × D. A calm film costs what its walls' stiffness
# asks for, a rough one what its avalanches do. Fitted to 35 films (64² and 128², one of 256²; J 0.5 to 2, d 0.05 to
# 1.8, quarters of 10³ to 10⁵) and off by at most 1.7 there. Below J 0.5 cells flip one by one and a film costs no less:
# taken as J 0.5, the estimate is still half of what films at J 0.1 took.
EVALUATIONS = 7.0e4
EVALUATIONS_DISORDER = 2.0
EVALUATIONS_LEAST_J = 0.5
EVALUATIONS_POWER_OF_QUARTER = 0.62
EVALUATIONS_POWER_OF_CELLS = 0.03
EVALUATIONS_POWER_OF_TOLERANCE = -0.04
# With `avalanches: film` a larger film is seldom quiet all over. Five films: 1.2 to 2.2 at 64², 1.6 and 1.7 at 128².
WHOLE_FILM_FACTOR = 1.4
WHOLE_FILM_POWER_OF_CELLS = 0.3
EULER_TIME_TO_CROSSING = 4.2  # in quarters of the sweep

# Seconds of one evaluation of one float32 film: fixed, and per cell. Measured on one CPU core with other work on the
# machine, avalanches included: 0.05 ms at 64², 0.15 to 0.25 ms at 128², 0.5 to 0.6 ms at 256². Sweeps of 10³ to 10⁴
# time units a quarter are denser in avalanches: an evaluation takes up to three times as long there, and 400 calm 128²
# films took 1.2 to 1.7 times the estimate. Assumed for one GPU with a full batch.
SECONDS_PER_EVALUATION = {"cpu": (1.6e-5, 8.5e-9), "gpu": (1.0e-6, 4.0e-10)}
FLOAT64_FACTOR = 2.0

# Forward pass of one 64² window in 10⁹ multiply-adds; for torchvision networks their published figure scaled by area.
NETWORK_GMAC = {"mod": 0.002, "reg": 1.30, "mob": 0.018, "eff": 0.083, "mna": 0.026, "res": 0.345}
TRAINING_PASSES = 3.0  # forward and backward, in forward passes
GMAC_PER_SECOND = {"cpu": 20.0, "gpu": 5000.0}  # one core; one data-centre GPU
SECONDS_PER_WINDOW = {"cpu": 1.0e-4, "gpu": 1.0e-5}  # cropping, copying, launching
TYPICAL_EPOCHS = 30  # early stopping usually ends a training before max_epochs

# Millions of weights; float32 in the checkpoint, thrice that (weights, best weights, momentum) while training.
NETWORK_MILLION_WEIGHTS = {"mod": 0.016, "reg": 52.2, "mob": 4.2, "eff": 10.7, "mna": 3.1, "res": 23.0}

# Bytes on disk per cell: m as float32 compresses to about 90 %, the pattern to a few hundredths of a byte.
FILM_BYTES_PER_CELL = 3.7
FILM_BYTES_FIXED = 12_000
MAP_BYTES_PER_CELL = 8.0  # per target: the map and the truth as float32


def film_evaluations(params: Mapping[str, Any]) -> float:
    """Expected evaluations of one film.

    Parameters
    ----------
    params : mapping
        Parameters and settings of a ``tdgl`` point.

    Returns
    -------
    float
    """
    crossing = 1.0 if params["crossing"] == 2 else 0.5
    sweep = params["quarter"] / 1.0e5
    if params["integrator"] == "euler":
        return EULER_TIME_TO_CROSSING * 1.0e5 * sweep * crossing / params["dt"]
    disorder = params["noise_scale"] * max(params["D"], params.get("D_in", 0.0))
    exchange = max(params["J"], params.get("J_in", 0.0), EVALUATIONS_LEAST_J)
    cells = params["ny"] * params["nx"] / 64**2
    evaluations = EVALUATIONS * crossing * math.hypot(exchange, EVALUATIONS_DISORDER * disorder)
    evaluations *= sweep**EVALUATIONS_POWER_OF_QUARTER
    evaluations *= (params["tolerance"] / 1.0e-4) ** EVALUATIONS_POWER_OF_TOLERANCE
    evaluations *= cells**EVALUATIONS_POWER_OF_CELLS
    if params["avalanches"] == "film":
        evaluations *= WHOLE_FILM_FACTOR * cells**WHOLE_FILM_POWER_OF_CELLS
    return evaluations


def film_seconds(params: Mapping[str, Any], device: str) -> float:
    """Expected seconds of one film on one CPU core, or its share of a GPU with a full batch."""
    fixed, per_cell = SECONDS_PER_EVALUATION[device]
    factor = FLOAT64_FACTOR if params["precision"] == "float64" else 1.0
    return film_evaluations(params) * (fixed + per_cell * params["ny"] * params["nx"] * factor)


def film_bytes(cells: int, loop_samples: int) -> float:
    """Expected size of one film on disk."""
    return FILM_BYTES_FIXED + FILM_BYTES_PER_CELL * cells + 16.0 * loop_samples


def window_seconds(network: str, window: int, device: str) -> float:
    """Expected seconds to read one window."""
    gmac = NETWORK_GMAC[network] * (window / 64) ** 2
    return SECONDS_PER_WINDOW[device] + gmac / GMAC_PER_SECOND[device]


def training_seconds(network: str, window: int, films: int, recipe: Mapping[str, Any], device: str) -> float:
    """Expected seconds of one training.

    Parameters
    ----------
    network : str
    window : int
        Side of a crop in cells.
    films : int
        Films trained on.
    recipe : mapping
        Complete recipe.
    device : {"cpu", "gpu"}
    """
    steps = recipe["steps_per_epoch"]
    crops = steps * recipe["batch"] if steps else films * recipe["crops_per_film"]
    epochs = min(recipe["max_epochs"], TYPICAL_EPOCHS)
    return epochs * crops * TRAINING_PASSES * window_seconds(network, window, device)


def pretraining_seconds(network: str, window: int, settings: Mapping[str, Any], device: str) -> float:
    """Expected seconds of one pretraining with these settings, rendering included in the time of a window."""
    images = settings["epochs"] * settings["images"]
    return images * TRAINING_PASSES * window_seconds(network, window, device)
