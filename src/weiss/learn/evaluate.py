"""How good a trained network is: predictions for test films under four rotations, and their errors."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, r2_score
from torch import nn

from weiss.learn.films import Films
from weiss.learn.predict import forward
from weiss.learn.scales import learned
from weiss.patterns.crops import quarter_turns
from weiss.patterns.windows import centre

ROTATIONS = (0, 90, 180, 270)
"""Degrees, counter-clockwise."""


def centre_errors(module: nn.Module, films: Films, window: int, batch: int) -> NDArray[np.float64]:
    """Mean absolute error of each target on the central window of every film: (T,), in the targets' units."""
    module.eval()
    images = centre(films.patterns, window)
    predicted = forward(module, images, images.device, batch, films.scales)
    return np.abs(predicted.cpu().numpy() - films.values).mean(axis=0)


def rotated_predictions(module: nn.Module, films: Films, window: int, batch: int) -> NDArray[np.float32]:
    """Predict the central window of every film under the four rotations: (F, 4, T), in the targets' units."""
    module.eval()
    images = quarter_turns(centre(films.patterns, window)).flatten(0, 1)
    predicted = forward(module, images, images.device, batch, films.scales)
    return predicted.cpu().numpy().reshape(len(ROTATIONS), len(films), -1).swapaxes(0, 1)


def scores(
    predicted: NDArray[np.float32], films: Films, train: Films, targets: Sequence[str]
) -> dict[str, float | str | None]:
    """Errors on the test films as flat entries, one set per target.

    Parameters
    ----------
    predicted : ndarray, (F, 4, T)
        From `rotated_predictions`.
    films, train : Films
        The test films, and the training films, whose median is the predictor to beat.
    targets : sequence of str
        Names of the targets.

    Returns
    -------
    dict
        `test_mae_<target>`: absolute error averaged over the four rotations and over films; `baseline_mae_<target>`:
        the same for always predicting the median of the training films; `test_r2_<target>`: coefficient of
        determination over all films and rotations (None where the true values are all equal); `unit_<target>`;
        and `test_mae`, `baseline_mae`, the means over targets of these errors as multiples of the targets' scales.
    """
    truth = np.repeat(films.values, len(ROTATIONS), axis=0)
    flat = predicted.reshape(truth.shape).astype(np.float64)
    median = np.broadcast_to(np.median(train.values, axis=0), truth.shape)
    errors = mean_absolute_error(truth, flat, multioutput="raw_values")
    baseline = mean_absolute_error(truth, median, multioutput="raw_values")
    found: dict[str, float | str | None] = {
        "test_mae": float(learned(errors, films.scales).mean()),
        "baseline_mae": float(learned(baseline, films.scales).mean()),
    }
    for column, name in enumerate(targets):
        varied = np.ptp(truth[:, column]) > 0
        found[f"test_mae_{name}"] = float(errors[column])
        found[f"baseline_mae_{name}"] = float(baseline[column])
        found[f"test_r2_{name}"] = float(r2_score(truth[:, column], flat[:, column])) if varied else None
        found[f"unit_{name}"] = films.units[column]
    return found


def predictions_table(predicted: NDArray[np.float32], films: Films, targets: Sequence[str]) -> bytes:
    """The predictions as CSV: one row per film and rotation, true values and predictions in the targets' units."""
    header = ["point", "seed", "rotation", *targets, *(f"{name}_pred" for name in targets)]
    rows = [
        [
            films.points[film],
            films.seeds[film],
            degrees,
            *(float(value) for value in films.values[film]),
            *(str(value) for value in predicted[film, turn]),
        ]
        for film in range(len(films))
        for turn, degrees in enumerate(ROTATIONS)
    ]
    return table(header, rows)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    """CSV bytes, every float in the shortest form that reads back as the same number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def parameters_of(module: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def finite(module: nn.Module) -> bool:
    """Whether every weight and running statistic is a finite number."""
    values = [value for value in module.state_dict().values() if value.is_floating_point()]
    # The norm is finite if all are, and one look at it does: a GPU would wait for the host at each of hundreds.
    return bool(torch.isfinite(nn.utils.get_total_norm(values)))
