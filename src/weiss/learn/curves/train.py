"""Training a network of curves: one readable pass from the gathered films to a tested network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.optim import Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from weiss import models, paths
from weiss.atomic import atomic_json, atomic_write
from weiss.curve_trainings import HELD_OUT
from weiss.figures.quantities import quantity
from weiss.learn import checkpoint, evaluate
from weiss.learn.curves import assess
from weiss.learn.curves.data import Curves, load_splits
from weiss.learn.curves.networks import build
from weiss.learn.curves.networks.base import Band, CurveNetwork, Shapes
from weiss.learn.curves.networks.names import KINDS
from weiss.learn.curves.predict import forward
from weiss.learn.curves.recipe import Recipe, stop_reason
from weiss.learn.recipe import best_epoch
from weiss.learn.records import OUTPUTS, RESULT, RESUME, clear, is_finished, sha256_of
from weiss.learn.reproducible import reproducible, torch_device
from weiss.learn.trainer import Trainer as AnyTrainer
from weiss.learn.trainer import (
    check_finite_losses,
    memory_told,
    not_finite,
    own_randomness,
    say,
    seed_chance,
    streams,
    versions,
)
from weiss.learn.version import CURVES_VERSION

if TYPE_CHECKING:
    from weiss.curve_trainings import CurveTraining
    from weiss.study import Study


def run(study: Study, training_id: str, results: Path, device: str = "cpu", threads: int = 1) -> None:
    """Train one network of curves, or go on where it was interrupted.

    On a CPU an interrupted training ends in the same files, byte for byte (timings in result.json aside), as one
    that ran through, given the same number of threads.

    Parameters
    ----------
    study : Study
    training_id : str
        Which of the study's trainings on curves.
    results : Path
        Results folder; datasets are read from it and the training's folder written into it.
    device : {"cpu", "gpu"}
    threads : int
        CPU threads.

    Raises
    ------
    UserError
        A dataset does not exist or is unsound, the GPU's memory is full, or the loss stops being finite.
    """
    training = study.curve_trainings[training_id]
    folder = paths.training(results, study.name, training_id)
    if is_finished(folder, training.digest):
        say(f"{training_id}: finished already, nothing to do")
        return
    recipe = Recipe.read(training.recipe, f"{study.path}: {training_id}")
    model = study.groups[training.data].model
    scales, band = models.learned_in(model, training.targets), band_of(study, training)
    identity, where = {"digest": training.digest}, torch_device(device)
    told = memory_told(f"training {training_id}", "lower recipe.batch or trainings_per_job")
    with told, reproducible(where, threads), own_randomness(where):
        data = load_splits(training, results, study.name, scales)
        new = partial(Trainer.new, training, recipe, data["train"], where, scales, band)
        trainer = new()
        clear(folder)
        if content := checkpoint.resume_point(folder / RESUME, identity):
            trainer = trainer.resumed(content, folder / RESUME) or new()
        train, validate = data["train"].to(where), data["validate"].to(where)
        # As many as validate, which is enough to tell overfitting: to judge all would take a third of an epoch.
        watched = train.sample(len(validate))
        reason = trainer.until_done(
            epoch=lambda: trainer.epoch(train, watched, validate),
            save=lambda: checkpoint.save(folder / RESUME, identity | trainer.content()),
            line=lambda took: trainer.line(training, took, validate.units),
        )
        # What is fitted beside the network takes its threads from elsewhere, and rounds by their number.
        with threadpool_limits(threads):
            finish(study, training, trainer, data, reason, folder, threads)


def band_of(study: Study, training: CurveTraining) -> Band | None:
    """The ideal band of the chains that are learned from, for networks that build on it."""
    if not KINDS[training.architecture].band:
        return None
    from weiss.spsll.settings import settings_of
    from weiss.spsll.stored import coordinates

    params = study.groups[training.data].points[0].params
    settings = settings_of(params)
    ka = np.asarray(coordinates(params)["k"].values) * settings.a
    return Band(gap=settings.gap_THz, X=settings.X_THz, ka=tuple(float(value) for value in ka))


def loss_of(predicted: Tensor, targets: Tensor, weights: Tensor, kind: str) -> Tensor:
    """Sum over targets of weight × mean error over films, (); of a curve, the mean error over films and along it.

    Parameters
    ----------
    predicted, targets : Tensor, (N, T) or (N, L)
    weights : Tensor, (T,); empty for a curve
    kind : {"mse", "mae"}
    """
    errors = (predicted - targets).square() if kind == "mse" else (predicted - targets).abs()
    return (errors.mean(dim=0) * weights).sum() if len(weights) else errors.mean()


@dataclass(kw_only=True)
class Trainer(AnyTrainer):
    """A network that learns from curves, or about them.

    Attributes
    ----------
    model, optimiser, scheduler
        The network, Adam, the learning rate that falls at plateaus.
    shapes : Shapes
    recipe : Recipe
    weights : Tensor, (T,)
        What the error of each target counts; empty for a network that answers a curve.
    scales : tuple of float
        What the targets are learned in multiples of.
    history : list of dict
        One row per epoch: epoch, step, learning_rate, train_loss, validate_loss (both without dropout, the former on
        as many training films as validate), validate_mae (a list, one per target, in its unit; of a curve
        one number).
    """

    model: CurveNetwork
    shapes: Shapes
    recipe: Recipe
    weights: Tensor
    scales: tuple[float, ...]

    @classmethod
    def new(
        cls,
        training: CurveTraining,
        recipe: Recipe,
        train: Curves,
        device: torch.device,
        scales: Sequence[float],
        band: Band | None,
    ) -> Trainer:
        """A training before its first step. Seeds torch's global generators; call it inside `own_randomness`."""
        recipe.sizes(len(train))
        initial, order, chance = streams(training.seed)
        shapes = Shapes(train.curves.shape[1], train.curves.shape[2], train.numbers.shape[1], len(training.targets))
        model = build(training.architecture, shapes, seed=initial, dropout=recipe.dropout, band=band)
        model.fit_scales(train.curves, train.numbers, train.targets)
        model = model.to(device)
        seed_chance(chance, device)
        optimiser = Adam(model.parameters(), lr=recipe.learning_rate)
        return cls(
            model=model,
            optimiser=optimiser,
            scheduler=ReduceLROnPlateau(optimiser, factor=recipe.reduce_factor, patience=recipe.reduce_patience),
            generator=torch.Generator().manual_seed(order),
            device=device,
            shapes=shapes,
            recipe=recipe,
            weights=torch.tensor(training.target_weights, device=device),
            scales=tuple(scales),
        )

    def losses(self, name: str) -> list[float]:
        """A column of the history."""
        return [row[name] for row in self.history]

    def stop_reason(self) -> str | None:
        """Why training ends after the epochs so far, or None if it goes on."""
        return stop_reason(self.losses("train_loss"), self.losses("validate_loss"), self.recipe)

    def epoch(self, train: Curves, watched: Curves, validate: Curves) -> None:
        """Train for one epoch, judge, and remember the weights if they are the best so far.

        Parameters
        ----------
        train, watched, validate : Curves
            Films to learn from; some of them, to tell overfitting by; films to judge by.

        Raises
        ------
        UserError
            The loss, the weights or the validation loss are no longer finite numbers.
        """
        number, first_step = len(self.history) + 1, self.history[-1]["step"] if self.history else 0
        rate, sizes, losses = self.optimiser.param_groups[0]["lr"], self.recipe.sizes(len(train)), []
        order = torch.randperm(len(train), generator=self.generator).to(self.device)
        self.model.train()
        for rows in order.split(sizes):
            predicted = self.model(train.curves[rows], train.numbers[rows])
            loss = loss_of(predicted, train.targets[rows], self.weights, self.recipe.loss)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            losses.append(loss.detach())
        last_step = first_step + len(sizes)
        check_finite_losses(losses, number, first_step)
        if not evaluate.finite(self.model):
            raise not_finite("a weight", number, last_step)
        self.model.eval()
        train_loss, _ = self.judge(watched)
        validate_loss, errors = self.judge(validate)
        if not np.isfinite([train_loss, validate_loss]).all():
            raise not_finite("the validation loss", number, last_step)
        self.history.append(
            {
                "epoch": number,
                "step": last_step,
                "learning_rate": rate,
                "train_loss": train_loss,
                "validate_loss": validate_loss,
                "validate_mae": errors,
            }
        )
        self.scheduler.step(validate_loss)
        if best_epoch(self.losses("validate_loss")) == number:
            self.keep_best()

    def judge(self, films: Curves) -> tuple[float, list[float]]:
        """Loss, and mean absolute error of each target (of a curve: along it) in its unit, without dropout."""
        predicted = forward(self.model, films.curves, films.numbers)
        loss = float(loss_of(predicted, films.targets, self.weights, self.recipe.loss))
        errors = (predicted - films.targets).abs().mean(dim=0).cpu().double().numpy()
        if not len(self.weights):
            return loss, [float(errors.mean())]
        return loss, (errors * np.asarray(self.scales)).tolist()

    def line(self, training: CurveTraining, seconds: float, units: Sequence[str]) -> str:
        """Progress in one line; `units` are those of the targets."""
        row, losses = self.history[-1], self.losses("validate_loss")
        names, best = training.targets or (training.answers,), best_epoch(losses)
        each = "  ".join(
            f"{name} {quantity(error, unit)}"
            for name, error, unit in zip(names, row["validate_mae"], units, strict=True)
        )
        return (
            f"{training.id}  epoch {row['epoch']}/{self.recipe.max_epochs}  lr {row['learning_rate']:.3g}  "
            f"train {row['train_loss']:.4g}  validate {row['validate_loss']:.4g} ({each})  "
            f"best {losses[best - 1]:.4g} in epoch {best}  {seconds:.1f} s"
        )


def finish(
    study: Study,
    training: CurveTraining,
    trainer: Trainer,
    data: dict[str, Curves],
    reason: str,
    folder: Path,
    threads: int,
) -> None:
    """Test the best weights and write the outputs, result.json last; then the resume checkpoint goes."""
    network = trainer.model
    network.load_state_dict(trainer.best)
    network = network.to("cpu").eval()
    band = band_of(study, training)
    tested = assess.run(assess.Task(study, training, network, band, data, trainer.scales, threads))
    kind, best = KINDS[training.architecture], best_epoch(trainer.losses("validate_loss"))
    atomic_write(folder / "epochs.csv", epochs_table(trainer, training))
    atomic_write(folder / "predictions.csv", tested.table)
    checkpoint.save(
        folder / "best.pt",
        {
            "state_dict": trainer.best_weights(),
            "network": training.architecture,
            "shapes": asdict(trainer.shapes),
            "curves": list(kind.curves),
            "numbers": list(kind.numbers),
            "targets": list(training.targets),
            "answers": training.answers,
            "scales": list(trainer.scales),
            "band": None if band is None else asdict(band) | {"ka": list(band.ka)},
            "digest": training.digest,
        },
    )
    result: dict[str, Any] = {
        "name": training.id,
        "study": study.name,
        "task": training.task,
        "data": training.data,
        "architecture": training.architecture,
        "targets": list(training.targets),
        "answers": training.answers,
        "n_data": training.n_data,
        "repeat": training.repeat,
        "seed": training.seed,
        "parameters": evaluate.parameters_of(network),
        **{f"{role}_chains": len(data[role]) for role in ("train", *HELD_OUT)},
        "left_out": {role: part.left_out for role, part in data.items()},
        "epochs": len(trainer.history),
        "steps": trainer.history[-1]["step"],
        "best_epoch": best,
        "validate_loss": trainer.losses("validate_loss")[best - 1],
        "stop_reason": reason,
        "digest": training.digest,
        "recipe": dict(training.recipe),
        "versions": versions(curves=CURVES_VERSION),
        "files": {name: sha256_of(folder / name) for name in OUTPUTS},
        "timing": trainer.timing(threads),
    }
    atomic_json(folder / RESULT, result | tested.scores)
    (folder / RESUME).unlink(missing_ok=True)
    say(f"{training.id}: {reason} after {len(trainer.history)} epochs; {tested.line}")


def epochs_table(trainer: Trainer, training: CurveTraining) -> bytes:
    """The course of the training as CSV; no times: the bytes are reproducible."""
    columns = ("epoch", "step", "learning_rate", "train_loss", "validate_loss")
    errors = [f"validate_mae_{name}" for name in training.targets] or ["validate_mae"]
    rows = [[*(row[name] for name in columns), *row["validate_mae"]] for row in trainer.history]
    return evaluate.table([*columns, *errors], rows)
