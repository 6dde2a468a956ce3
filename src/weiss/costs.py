"""What simulations, trainings and maps cost: the constants behind the estimate of `weiss plan`, all in one place.

The estimate is for planning (is this an afternoon or a month?), good to a factor of two or so. Where a study has
already computed films, their recorded seconds replace the model (`weiss.plan`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from weiss import models

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
SECONDS_PER_EVALUATION = {
    "tdgl": {"cpu": (1.6e-5, 8.5e-9), "gpu": (1.0e-6, 4.0e-10)},
    # Seven films of 32² to 256², one layer, beside other work. The GPU's are provisional, to be measured.
    "llg": {"cpu": (1.6e-4, 7.8e-8), "gpu": (1.0e-6, 2.0e-10)},
}
FLOAT64_FACTOR = 2.0

# Micromagnetic films: evaluations of one relaxation (lbfgs) of 64² cells from a random state to 1e-4 T, and how they
# grow with the cells (larger films have slower modes). Seven films of 32² to 256² (Ms 1.5 MA/m, A 31 pJ/m, D 0.1 to
# 1 mJ/m²), off by up to 1.3; 'minimise' needs 2.5 times as many, at half the time each. Provisional guesses: the power
# of the torque, the step of a loop and the time step of a series.
LLG_EVALUATIONS = 500.0
LLG_POWER_OF_CELLS = 0.46
LLG_POWER_OF_TORQUE = -0.15
LLG_LOOP_STEP = 0.2  # one step of a loop, in relaxations from a random state
LLG_STEP = 1.0e-13  # s of a series between two evaluations of Dormand–Prince steps

# Chains: seconds of one wall for each site (16 to 21 implicit steps), and of one dispersion relation for each site and
# record (1 to 2 steps of order 8 between two records, and the transform). Measured on one core with other work on the
# machine; those of a GPU are provisional. Writing, verifying and gathering a chain's file takes 20 ms more,
# which is not in the estimate.
SECONDS_PER_SITE = {"cpu": 1.0e-6, "gpu": 1.0e-8}
SECONDS_PER_SITE_AND_RECORD = {"cpu": 1.3e-7, "gpu": 3.0e-9}

# Forward pass of one 64² window in 10⁹ multiply-adds; for torchvision networks their published figure scaled by area.
NETWORK_GMAC = {"mod": 0.002, "reg": 1.30, "mob": 0.018, "eff": 0.083, "mna": 0.026, "res": 0.345}
TRAINING_PASSES = 3.0  # forward and backward, in forward passes
GMAC_PER_SECOND = {"cpu": 20.0, "gpu": 5000.0}  # one core; one data-centre GPU
SECONDS_PER_WINDOW = {"cpu": 1.0e-4, "gpu": 1.0e-5}  # cropping, copying, launching
TYPICAL_EPOCHS = 30  # early stopping usually ends a training before max_epochs

# The same of networks of curves, of all kinds, for each place of a curve: the convolutions.
CURVE_GMAC_PER_PLACE = 5.8e-5
CURVE_TYPICAL_EPOCHS = 100

# Millions of weights; float32 in the checkpoint, thrice that (weights, best weights, momentum) while training.
NETWORK_MILLION_WEIGHTS = {"mod": 0.016, "reg": 52.2, "mob": 4.2, "eff": 10.7, "mna": 3.1, "res": 23.0}
CURVE_MILLION_WEIGHTS = 0.66

# Bytes on disk per number of m: as float32 it compresses to about 90 %, the pattern to a few hundredths of a byte.
FILM_BYTES_PER_NUMBER = 3.7
FILM_BYTES_FIXED = {"tdgl": 12_000, "llg": 25_000, "spsll": 8_000}
MAP_BYTES_PER_CELL = 8.0  # per target: the map and the truth as float32


def film_evaluations(model: str, params: Mapping[str, Any]) -> float:
    """Expected evaluations of one film.

    Parameters
    ----------
    model : str
    params : mapping
        Parameters and settings of a point of this model.

    Returns
    -------
    float
    """
    return {"llg": _llg_evaluations, "tdgl": _tdgl_evaluations}[model](params)


def _llg_evaluations(params: Mapping[str, Any]) -> float:
    if params["driver"] == "series":
        return 2 * params["series_time"] / (params["dt"] if params["temperature"] > 0 else 2 * LLG_STEP)
    evaluations = LLG_EVALUATIONS * (film_cells("llg", params) / 64**2) ** LLG_POWER_OF_CELLS
    evaluations *= (params["torque_T"] / 1.0e-4) ** LLG_POWER_OF_TORQUE
    evaluations = min(evaluations, params["max_evaluations"])
    settling = params["settle_time"] / LLG_STEP
    relaxations = LLG_LOOP_STEP * 2 * params["loop_steps"] if params["driver"] == "hysteresis" else 1
    return settling + evaluations * relaxations


def _tdgl_evaluations(params: Mapping[str, Any]) -> float:
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


def film_cells(model: str, params: Mapping[str, Any]) -> int:
    """Cells of one film."""
    return int(params["ny"] * params["nx"] * (params["layers"] if model == "llg" else 1))


def film_seconds(model: str, params: Mapping[str, Any], device: str) -> float:
    """Expected seconds of one film on one CPU core, or its share of a GPU with a full batch."""
    if model == "spsll":
        if params["what"] == "wall":
            return SECONDS_PER_SITE[device] * params["cells"]
        return SECONDS_PER_SITE_AND_RECORD[device] * params["cells"] * params["duration_s"] / params["sample_s"]
    fixed, per_cell = SECONDS_PER_EVALUATION[model][device]
    factor = FLOAT64_FACTOR if params["precision"] == "float64" else 1.0
    return film_evaluations(model, params) * (fixed + per_cell * film_cells(model, params) * factor)


def film_bytes(model: str, params: Mapping[str, Any]) -> float:
    """Expected size of one film on disk."""
    kinds, lengths = models.variables(model, params), models.stored(model).sizes(params)
    if model == "spsll":
        arrays = [kinds[name] for name in models.arrays(model, params)]
        return FILM_BYTES_FIXED[model] + sum(
            float(array.dtype[2:]) * math.prod(lengths[dim] for dim in array.dims) for array in arrays
        )
    numbers = math.prod(lengths[dim] for dim in kinds["m"].dims)
    samples = params["loop_samples"] if model == "tdgl" else lengths["record"]
    columns = 2 if model == "tdgl" else 7
    return FILM_BYTES_FIXED[model] + FILM_BYTES_PER_NUMBER * numbers + 8.0 * columns * samples


def basis(model: str) -> str:
    """What the estimate of a model's films is made from, in words."""
    if model == "spsll":
        walls, records = (f"{table['cpu']:.2g} s" for table in (SECONDS_PER_SITE, SECONDS_PER_SITE_AND_RECORD))
        return f"{walls} per site of a wall, {records} per site and record of a dispersion relation, on a core"
    cpu, gpu = (f"{SECONDS_PER_EVALUATION[model][device][1]:.2g} s" for device in ("cpu", "gpu"))
    rest = f"{cpu} per cell and evaluation on a core, {gpu} on a GPU with a full batch"
    if model == "llg":
        return (
            f"{LLG_EVALUATIONS:.2g} evaluations of a 64² film to 1e-4 T (× cells/64² to the {LLG_POWER_OF_CELLS:g}; "
            f"provisional), {rest}"
        )
    return (
        f"{EVALUATIONS:.2g} × √(J² + ({EVALUATIONS_DISORDER:g} · noise_scale · D)²) evaluations of a 64² film "
        f"(× quarter/10⁵ to the {EVALUATIONS_POWER_OF_QUARTER:g} "
        f"× cells/64² to the {EVALUATIONS_POWER_OF_CELLS:g}), {rest}"
    )


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


def curve_training_seconds(length: int, films: int, recipe: Mapping[str, Any], device: str) -> float:
    """Expected seconds of one training on curves of so many places."""
    each = SECONDS_PER_WINDOW[device] + CURVE_GMAC_PER_PLACE * length / GMAC_PER_SECOND[device]
    return min(recipe["max_epochs"], CURVE_TYPICAL_EPOCHS) * films * TRAINING_PASSES * each


def pretraining_seconds(network: str, window: int, settings: Mapping[str, Any], device: str) -> float:
    """Expected seconds of one pretraining with these settings, rendering included in the time of a window."""
    images = settings["epochs"] * settings["images"]
    return images * TRAINING_PASSES * window_seconds(network, window, device)
