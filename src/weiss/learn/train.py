"""The training loop: one readable pass from the gathered films to a tested network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from weiss import paths
from weiss.atomic import atomic_json, atomic_write
from weiss.errors import UserError
from weiss.figures.quantities import quantity
from weiss.learn import checkpoint, evaluate, films
from weiss.learn.films import Films
from weiss.learn.networks import PRETRAINED, build, weights_file
from weiss.learn.networks.regressor import Regressor
from weiss.learn.recipe import Recipe, best_epoch, stop_reason
from weiss.learn.records import OUTPUTS, PRETRAIN_OUTPUTS, RESULT, RESUME, clear, is_finished, sha256_of
from weiss.learn.reproducible import reproducible, torch_device
from weiss.learn.scales import entry as scales_entry
from weiss.learn.scales import learned
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
from weiss.learn.version import LEARN_VERSION
from weiss.learn.weights import study_folder
from weiss.models import learned_in
from weiss.patterns.crops import batch_sizes, cut_batches, draw_crops

if TYPE_CHECKING:
    from weiss.study import Study, Training

PREDICT_BATCH = {"cpu": 64, "cuda": 256}
"""Windows at a time in validation and test, by kind of device; it changes speed and memory, no result. On a CPU the
layers of more no longer fit the caches."""


def run(study: Study, training_id: str, results: Path, device: str = "cpu", threads: int = 1) -> None:
    """Train one network, or go on where it was interrupted.

    On a CPU an interrupted training ends in the same files, byte for byte (timings in result.json aside), as one
    that ran through, given the same number of threads.

    Parameters
    ----------
    study : Study
    training_id : str
        Which of the study's trainings.
    results : Path
        Results folder; the dataset is read from it and the training's folder written into it.
    device : {"cpu", "gpu"}
    threads : int
        CPU threads.

    Raises
    ------
    UserError
        The training or its dataset does not exist or is unsound, seeds of training, validation and test overlap,
        the weights file is unusable, the GPU's memory is full, or the loss stops being finite.
    """
    if training_id not in study.trainings:
        raise UserError(
            f"no training named {training_id!r} in this study", str(study.path), "see `weiss plan` for the names"
        )
    training = study.trainings[training_id]
    folder = paths.training(results, study.name, training_id)
    if is_finished(folder, training.digest):
        say(f"{training_id}: finished already, nothing to do")
        return
    check_disjoint(training)
    recipe = Recipe.read(training.recipe, f"{study.path}: {training_id}")
    start, weights = start_weights(study, training, recipe, results)
    scales = learned_in(study.groups[training.data].model, training.targets)
    identity = {
        "digest": training.digest,
        "network": training.network,
        "weights_sha256": None if weights is None else sha256_of(weights),
    } | scales_entry(scales)
    where = torch_device(device)
    told = memory_told(f"training {training_id}", "lower learn.trainings_per_job or recipe.batch")
    with told, reproducible(where, threads), own_randomness(where):
        leave_out = study.config["learn"]["uncrossed"] == "leave_out"
        data = load_splits(training, paths.dataset(results, study.name, training.data), where, leave_out, scales)
        new = partial(Trainer.new, training, recipe, weights, len(data["train"]), where, scales)
        trainer = new()
        clear(folder)
        if content := checkpoint.resume_point(folder / RESUME, identity):
            trainer = trainer.resumed(content, folder / RESUME) or new()
        reason = learn(
            trainer,
            training,
            data,
            save=lambda: checkpoint.save(folder / RESUME, identity | trainer.content()),
        )
        finish(study, training, start, identity, trainer, data, reason, folder, threads)


def learn(trainer: Trainer, training: Training, data: dict[str, Films], save: Callable[[], None]) -> str:
    """Train epoch by epoch until the recipe says stop; returns why.

    Parameters
    ----------
    trainer : Trainer
    training : Training
    data : dict of str to Films
        From `load_splits`.
    save : Callable
        Writes the resume checkpoint.
    """
    return trainer.until_done(
        epoch=lambda: trainer.epoch(data["train"], data["validate"], training.window),
        save=save,
        line=lambda took: trainer.line(training, took, data["validate"].units),
    )


def check_disjoint(training: Training) -> None:
    """Stop if a film or seed serves two purposes.

    Raises
    ------
    UserError
        Two of training, validation and test share a seed or a film, or one of them has no film: the test error
        would be worth nothing.
    """
    seeds = {
        "train": training.train_seeds,
        "validate": training.validate_seeds,
        "test": training.test_seeds,
    }
    for first, second in (("train", "validate"), ("train", "test"), ("validate", "test")):
        shared = set(seeds[first]) & set(seeds[second])
        if shared or set(training.points[first]) & set(training.points[second]):
            named = f"seeds {sorted(shared)}" if shared else "films"
            raise UserError(
                f"{first} and {second} share {named}", f"training {training.id}", "use other seeds for one of them"
            )
    for purpose in seeds:
        if not training.points[purpose]:
            raise UserError(
                f"no film to {purpose} with", f"training {training.id}", f"give learn.seeds.{purpose} a seed"
            )


def load_splits(
    training: Training,
    dataset: Path,
    device: torch.device,
    leave_out: bool = False,
    scales: Sequence[float] | None = None,
) -> dict[str, Films]:
    """The films to train, validate and test with; `leave_out` and `scales` as for `films.load`."""
    asked = (training.targets, training.window, device, leave_out, scales)
    return {purpose: films.load(dataset, training.points[purpose], *asked) for purpose in ("train", "validate", "test")}


def start_weights(study: Study, training: Training, recipe: Recipe, results: Path) -> tuple[str, Path | None]:
    """What a training starts from.

    Returns
    -------
    str
        "random", "imagenet", "file" or the id of a pretraining.
    Path or None
        File of the weights.

    Raises
    ------
    UserError
        The file is missing or damaged, or the pretraining is not that of the study.
    """
    if training.pretraining is not None:
        return training.pretraining, pretrained_weights(study, training.pretraining, results)
    named = recipe.weights
    if named is None:
        return "random", None
    if named == PRETRAINED:
        return "imagenet", weights_file(training.architecture, named, study_folder(study))
    # A relative path starts at the study file.
    return "file", weights_file(training.architecture, str(study.path.parent / named))


def pretrained_weights(study: Study, pretraining_id: str, results: Path) -> Path:
    """The weights a pretraining of the study left.

    Raises
    ------
    UserError
        They are missing, unreadable or of another pretraining.
    """
    path = paths.pretraining(results, study.name, pretraining_id) / "weights.pt"
    if not path.is_file():
        raise UserError("no pretrained weights", str(path), "pretrain it first (`weiss pretrain`)")
    if not is_finished(path.parent, study.pretrainings[pretraining_id].digest, PRETRAIN_OUTPUTS):
        raise UserError("damaged, or of another pretraining", str(path), "pretrain it again (`weiss pretrain`)")
    return path


@dataclass(kw_only=True)
class Trainer(AnyTrainer):
    """A network that learns from crops.

    Attributes
    ----------
    model, optimiser, scheduler
        The network, momentum SGD, the falling learning rate.
    recipe : Recipe
    samples, steps : int
        Crops and steps of an epoch.
    scales : tuple of float
        What the targets are learned in multiples of.
    history : list of dict
        One row per epoch: epoch, step, learning_rate, train_mae (the loss: the mean over targets, each in multiples of
        its scale), validate_mae (a list, one per target, in its unit).
    """

    model: Regressor
    recipe: Recipe
    samples: int
    steps: int
    scales: tuple[float, ...]

    @classmethod
    def new(
        cls,
        training: Training,
        recipe: Recipe,
        weights: Path | None,
        n_films: int,
        device: torch.device,
        scales: Sequence[float] | None = None,
    ) -> Trainer:
        """A training before its first step. Seeds torch's global generators; call it inside `own_randomness`."""
        samples, steps = recipe.epoch_size(n_films)
        initial, crops, chance = streams(training.seed)
        model = build(training.architecture, len(training.targets), seed=initial, weights=weights).to(device)
        seed_chance(chance, device)
        optimiser = SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
        return cls(
            model=model,
            optimiser=optimiser,
            scheduler=StepLR(optimiser, step_size=recipe.decay_steps, gamma=recipe.decay),
            recipe=recipe,
            generator=torch.Generator().manual_seed(crops),
            device=device,
            samples=samples,
            steps=steps,
            scales=tuple(scales or (1.0,) * len(training.targets)),
        )

    @property
    def kept(self) -> nn.Module:
        """The network without what adapts a pattern to it."""
        return self.model.net

    def stop_reason(self) -> str | None:
        """Why training ends after the epochs so far, or None if it goes on."""
        return stop_reason(self.errors, self.recipe)

    @property
    def errors(self) -> list[float]:
        """Validation error of every epoch: the mean over targets, each in multiples of its scale."""
        each = np.array([row["validate_mae"] for row in self.history])
        return learned(each, self.scales).mean(axis=1).tolist() if self.history else []

    def epoch(self, train: Films, validate: Films, window: int) -> None:
        """Train for one epoch, validate, and remember the weights if they are the best so far.

        Raises
        ------
        UserError
            The loss, the weights or the validation error are no longer finite numbers.
        """
        number, first_step = len(self.history) + 1, self.history[-1]["step"] if self.history else 0
        learning_rate = self.optimiser.param_groups[0]["lr"]
        sizes = batch_sizes(self.samples, self.steps)
        draws = draw_crops(self.generator, len(train), train.shape, window, self.samples)
        losses = []
        self.model.train()
        for images, film in cut_batches(train.patterns, draws, window, sizes):
            loss = nn.functional.l1_loss(self.model(images), train.targets[film])
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            self.scheduler.step()
            losses.append(loss.detach())
        step_losses = check_finite_losses(losses, number, first_step)
        if not evaluate.finite(self.model):
            raise not_finite("a weight", number, first_step + self.steps)
        errors = evaluate.centre_errors(self.model, validate, window, PREDICT_BATCH[self.device.type])
        if not np.isfinite(errors).all():
            raise not_finite("the validation error", number, first_step + self.steps)
        self.history.append(
            {
                "epoch": number,
                "step": first_step + self.steps,
                "learning_rate": learning_rate,
                "train_mae": float((step_losses * torch.tensor(sizes)).sum() / self.samples),
                "validate_mae": errors.tolist(),
            }
        )
        if best_epoch(self.errors) == number:
            self.keep_best()

    def line(self, training: Training, seconds: float, units: Sequence[str]) -> str:
        """Progress in one line; `units` are those of the targets."""
        row, errors = self.history[-1], self.errors
        each = "  ".join(
            f"{name} {told(error, unit)}"
            for name, error, unit in zip(training.targets, row["validate_mae"], units, strict=True)
        )
        best = best_epoch(errors)
        return (
            f"{training.id}  epoch {row['epoch']}/{self.recipe.max_epochs}  step {row['step']}  "
            f"lr {row['learning_rate']:.3g}  train {row['train_mae']:.4f}  validate {errors[-1]:.4f} ({each})  "
            f"best {errors[best - 1]:.4f} in epoch {best}  {seconds:.1f} s"
        )


def told(error: float, unit: str) -> str:
    """An error as a line of progress says it."""
    return f"{error:.4f}" if unit == "1" else quantity(error, unit)


def finish(
    study: Study,
    training: Training,
    start: str,
    identity: dict[str, str | None],
    trainer: Trainer,
    data: dict[str, Films],
    reason: str,
    folder: Path,
    threads: int,
) -> None:
    """Test the best weights and write the outputs, result.json last; then the resume checkpoint goes."""
    trainer.model.load_net(trainer.best, RESUME)
    predicted = evaluate.rotated_predictions(
        trainer.model, data["test"], training.window, PREDICT_BATCH[trainer.device.type]
    )
    best = best_epoch(trainer.errors)
    atomic_write(folder / "epochs.csv", epochs_table(trainer, training.targets))
    atomic_write(folder / "predictions.csv", evaluate.predictions_table(predicted, data["test"], training.targets))
    checkpoint.save(
        folder / "best.pt",
        {
            "state_dict": trainer.best_weights(),
            "network": training.architecture,
            "targets": list(training.targets),
            "window": training.window,
            "digest": training.digest,
        }
        | scales_entry(trainer.scales),
    )
    result = {
        "name": training.id,
        "study": study.name,
        "data": training.data,
        "network": training.network,
        "architecture": training.architecture,
        "start": start,
        "n_data": training.n_data,
        "repeat": training.repeat,
        "seed": training.seed,
        "window": training.window,
        "targets": list(training.targets),
        "parameters": evaluate.parameters_of(trainer.model),
        "train_seeds": list(training.train_seeds),
        "validate_seeds": list(training.validate_seeds),
        "test_seeds": list(training.test_seeds),
        "train_films": len(data["train"]),
        "validate_films": len(data["validate"]),
        "test_films": len(data["test"]),
        "left_out": {purpose: part.left_out for purpose, part in data.items()},
        "epochs": len(trainer.history),
        "steps": trainer.history[-1]["step"],
        "best_epoch": best,
        "validate_mae": trainer.errors[best - 1],
        "stop_reason": reason,
        "digest": training.digest,
        "weights_sha256": identity["weights_sha256"],
        "recipe": dict(training.recipe),
        "versions": versions(learn=LEARN_VERSION),
        "files": {name: sha256_of(folder / name) for name in OUTPUTS},
        "timing": trainer.timing(threads),
    }
    result |= scales_entry(trainer.scales)
    result |= evaluate.scores(predicted, data["test"], data["train"], training.targets)
    atomic_json(folder / RESULT, result)
    (folder / RESUME).unlink(missing_ok=True)
    say(
        f"{training.id}: {reason} after {len(trainer.history)} epochs; test error "
        + ", ".join(
            f"{name} {told(result[f'test_mae_{name}'], unit)} (median {told(result[f'baseline_mae_{name}'], unit)})"
            for name, unit in zip(training.targets, data["test"].units, strict=True)
        )
    )


def epochs_table(trainer: Trainer, targets: Sequence[str]) -> bytes:
    """The course of the training as CSV: the error of each target in its unit, errors over all targets as learned.

    No times: the bytes are reproducible.
    """
    rows = [
        [row["epoch"], row["step"], row["learning_rate"], row["train_mae"], error, *row["validate_mae"]]
        for row, error in zip(trainer.history, trainer.errors, strict=True)
    ]
    header = [
        "epoch",
        "step",
        "learning_rate",
        "train_mae",
        "validate_mae",
        *(f"validate_mae_{name}" for name in targets),
    ]
    return evaluate.table(header, rows)
