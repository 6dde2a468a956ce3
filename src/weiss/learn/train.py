"""The training loop: one readable pass from the gathered films to a tested network."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR

from weiss import __version__, paths
from weiss.atomic import atomic_json, atomic_write, remove_stale_temporaries
from weiss.errors import UserError
from weiss.learn import checkpoint, evaluate, films
from weiss.learn.films import Films
from weiss.learn.networks import PRETRAINED, build, weights_file
from weiss.learn.networks.regressor import Regressor
from weiss.learn.recipe import Recipe, best_epoch, stop_reason
from weiss.learn.reproducible import reproducible, torch_device
from weiss.learn.version import LEARN_VERSION
from weiss.patterns.crops import cut, draw_crops

if TYPE_CHECKING:
    from weiss.study import Study, Training

OUTPUTS = ("epochs.csv", "predictions.csv", "best.pt")
"""What a finished training leaves beside result.json, which is written last and vouches for them."""

RESULT, RESUME = "result.json", "last.pt"

PREDICT_BATCH = 256
"""Windows at a time in validation and test; it changes speed and memory, no result."""


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
        the weights file is unusable, or the loss stops being finite.
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
    weights = start_weights(study, training, recipe)
    identity = {
        "digest": training.digest,
        "network": training.network,
        "weights_sha256": None if weights is None else sha256_of(weights),
    }
    where = torch_device(device)
    with reproducible(where, threads), own_randomness(where):
        data = load_splits(training, paths.dataset(results, study.name, training.data), where)
        trainer = Trainer.new(training, recipe, weights, len(data["train"]), where)
        clear(folder)
        if content := checkpoint.resume_point(folder / RESUME, identity):
            trainer = trainer.resumed(content, folder / RESUME) or Trainer.new(
                training, recipe, weights, len(data["train"]), where
            )
        while (reason := stop_reason(trainer.errors, recipe)) is None:
            started = time.perf_counter()
            trainer.epoch(data["train"], data["validate"], training.window)
            trainer.seconds += time.perf_counter() - started
            checkpoint.save(folder / RESUME, identity | trainer.content())
            say(trainer.line(training, time.perf_counter() - started))
        finish(study, training, recipe, identity, trainer, data, reason, folder, threads)


def say(text: str) -> None:
    """One line to stderr, at once."""
    print(text, file=sys.stderr, flush=True)


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


def load_splits(training: Training, dataset: Path, device: torch.device) -> dict[str, Films]:
    """The films to train, validate and test with."""
    return {
        purpose: films.load(dataset, training.points[purpose], training.targets, training.window, device)
        for purpose in ("train", "validate", "test")
    }


def start_weights(study: Study, training: Training, recipe: Recipe) -> Path | None:
    """The weights file the recipe names; a relative path starts at the study file."""
    named = recipe.weights
    if named is not None and named != PRETRAINED:
        named = str(study.path.parent / named)
    return weights_file(training.network, named)


def own_randomness(device: torch.device) -> Any:
    """A context in which torch's global generators may be seeded and used, and after which they are as before."""
    return torch.random.fork_rng(devices=[device.index] if device.type == "cuda" else [])


def streams(seed: int) -> tuple[int, int, int]:
    """Independent seeds for the initial weights, the crops, and the networks' own chance (dropout)."""
    first, second, third = np.random.SeedSequence(seed).generate_state(3, np.uint64) >> np.uint64(1)
    return int(first), int(second), int(third)


@dataclass
class Trainer:
    """A network in training, with everything a resumed training needs.

    Attributes
    ----------
    model, optimiser, scheduler
        The network, momentum SGD, the falling learning rate.
    recipe : Recipe
    generator : torch.Generator
        Draws the crops.
    device : torch.device
    samples, steps : int
        Crops and steps of an epoch.
    history : list of dict
        One row per epoch: epoch, step, learning_rate, train_mae, validate_mae (a list, one per target).
    best : dict
        Weights of the epoch with the lowest validation error, on the CPU.
    seconds : float
        Time spent in epochs.
    restarts : int
        How often the training was resumed.
    """

    model: Regressor
    optimiser: SGD
    scheduler: StepLR
    recipe: Recipe
    generator: torch.Generator
    device: torch.device
    samples: int
    steps: int
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    restarts: int = 0

    @classmethod
    def new(
        cls, training: Training, recipe: Recipe, weights: Path | None, n_films: int, device: torch.device
    ) -> Trainer:
        """A training before its first step. Seeds torch's global generators; call it inside `own_randomness`."""
        samples, steps = recipe.epoch_size(n_films)
        initial, crops, chance = streams(training.seed)
        model = build(training.network, len(training.targets), seed=initial, weights=weights).to(device)
        torch.default_generator.manual_seed(chance)
        if device.type == "cuda":
            torch.cuda.manual_seed(chance)
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
        )

    @property
    def errors(self) -> list[float]:
        """Validation error of every epoch, the mean over targets."""
        return [float(np.mean(row["validate_mae"])) for row in self.history]

    def epoch(self, train: Films, validate: Films, window: int) -> None:
        """Train for one epoch, validate, and remember the weights if they are the best so far.

        Raises
        ------
        UserError
            The loss, the weights or the validation error are no longer finite numbers.
        """
        number, first_step = len(self.history) + 1, self.history[-1]["step"] if self.history else 0
        learning_rate = self.optimiser.param_groups[0]["lr"]
        draws = draw_crops(self.generator, len(train), train.shape, window, self.samples).to(self.device)
        batches = draws.split(self.steps)
        losses = torch.empty(self.steps, device=self.device)
        self.model.train()
        for index, batch in enumerate(batches):
            images = cut(train.patterns, batch, window).float()
            loss = nn.functional.l1_loss(self.model(images), train.targets[batch.film])
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            self.scheduler.step()
            losses[index] = loss.detach()
        # Looked at once per epoch: a look per step would make a GPU wait for the host every time.
        step_losses = losses.cpu().double()
        if bad := torch.nonzero(~torch.isfinite(step_losses)).flatten().tolist():
            raise not_finite("the training loss", number, first_step + bad[0] + 1)
        if not evaluate.finite(self.model):
            raise not_finite("a weight", number, first_step + self.steps)
        errors = evaluate.centre_errors(self.model, validate, window, PREDICT_BATCH)
        if not np.isfinite(errors).all():
            raise not_finite("the validation error", number, first_step + self.steps)
        sizes = torch.tensor([len(batch.film) for batch in batches], dtype=torch.float64)
        self.history.append(
            {
                "epoch": number,
                "step": first_step + self.steps,
                "learning_rate": learning_rate,
                "train_mae": float((step_losses * sizes).sum() / sizes.sum()),
                "validate_mae": errors.tolist(),
            }
        )
        if best_epoch(self.errors) == number:
            self.best = {
                name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
                for name, value in self.model.net.state_dict().items()
            }

    def content(self) -> dict[str, Any]:
        """What the resume checkpoint holds besides the training's identity."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "crops_rng": self.generator.get_state(),
            "cpu_rng": torch.get_rng_state(),
            "gpu_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "history": self.history,
            "best": self.best,
            "seconds": self.seconds,
            "restarts": self.restarts,
        }

    def resumed(self, content: dict[str, Any], path: Path) -> Trainer | None:
        """Take over a checkpoint's state; None, with a message, if it is not whole."""
        try:
            self.model.load_state_dict(content["model"])
            self.optimiser.load_state_dict(content["optimiser"])
            self.scheduler.load_state_dict(content["scheduler"])
            self.generator.set_state(content["crops_rng"])
            torch.set_rng_state(content["cpu_rng"])
            if self.device.type == "cuda" and content["gpu_rng"] is not None:
                torch.cuda.set_rng_state(content["gpu_rng"], self.device)
            self.history, self.best = content["history"], content["best"]
            self.seconds, self.restarts = content["seconds"], content["restarts"] + 1
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError):
            checkpoint.discard(path, "is not a whole checkpoint of this training")
            return None
        say(f"going on after epoch {len(self.history)}")
        return self

    def line(self, training: Training, seconds: float) -> str:
        """Progress in one line."""
        row, errors = self.history[-1], self.errors
        each = "  ".join(
            f"{name} {error:.4f}" for name, error in zip(training.targets, row["validate_mae"], strict=True)
        )
        best = best_epoch(errors)
        return (
            f"{training.id}  epoch {row['epoch']}/{self.recipe.max_epochs}  step {row['step']}  "
            f"lr {row['learning_rate']:.3g}  train {row['train_mae']:.4f}  validate {errors[-1]:.4f} ({each})  "
            f"best {errors[best - 1]:.4f} in epoch {best}  {seconds:.1f} s"
        )


def not_finite(what: str, epoch: int, step: int) -> UserError:
    """The one line a diverged training ends with."""
    return UserError(
        f"{what} is not a finite number in epoch {epoch}, step {step}", "training", "lower the learning rate"
    )


def finish(
    study: Study,
    training: Training,
    recipe: Recipe,
    identity: dict[str, str | None],
    trainer: Trainer,
    data: dict[str, Films],
    reason: str,
    folder: Path,
    threads: int,
) -> None:
    """Test the best weights and write the outputs, result.json last; then the resume checkpoint goes."""
    trainer.model.load_net(trainer.best, RESUME)
    predicted = evaluate.rotated_predictions(trainer.model, data["test"], training.window, PREDICT_BATCH)
    best = best_epoch(trainer.errors)
    atomic_write(folder / "epochs.csv", epochs_table(trainer, training.targets))
    atomic_write(folder / "predictions.csv", evaluate.predictions_table(predicted, data["test"], training.targets))
    checkpoint.save(
        folder / "best.pt",
        {
            "state_dict": trainer.best,
            "network": training.network,
            "targets": list(training.targets),
            "window": training.window,
            "digest": training.digest,
        },
    )
    result = {
        "name": training.id,
        "study": study.name,
        "data": training.data,
        "network": training.network,
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
        "epochs": len(trainer.history),
        "steps": trainer.history[-1]["step"],
        "best_epoch": best,
        "validate_mae": trainer.errors[best - 1],
        "stop_reason": reason,
        "digest": training.digest,
        "weights_sha256": identity["weights_sha256"],
        "recipe": dict(training.recipe),
        "versions": versions(),
        "files": {name: sha256_of(folder / name) for name in OUTPUTS},
        "timing": {
            "seconds": trainer.seconds,
            "seconds_per_epoch": trainer.seconds / len(trainer.history),
            "restarts": trainer.restarts,
            "device": torch.cuda.get_device_name(trainer.device) if trainer.device.type == "cuda" else "cpu",
            "threads": threads,
        },
    } | evaluate.scores(predicted, data["test"], data["train"], training.targets)
    atomic_json(folder / RESULT, result)
    (folder / RESUME).unlink(missing_ok=True)
    say(
        f"{training.id}: {reason} after {len(trainer.history)} epochs; test error "
        + ", ".join(
            f"{name} {result[f'test_mae_{name}']:.4f} (median {result[f'baseline_mae_{name}']:.4f})"
            for name in training.targets
        )
    )


def epochs_table(trainer: Trainer, targets: Sequence[str]) -> bytes:
    """The course of the training as CSV, errors in the targets' units. No times: the bytes are reproducible."""
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


def versions() -> dict[str, str | int]:
    """What computed this."""
    packages = {name: version(name) for name in ("torch", "torchvision", "numpy", "scikit-learn")}
    return {"weiss": __version__, "learn": LEARN_VERSION, "python": platform.python_version(), **packages}


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_finished(folder: Path, digest: str) -> bool:
    """Whether the folder holds this very training, complete and undamaged, and nothing left to go on from."""
    try:
        result = json.loads((folder / RESULT).read_bytes())
        return (
            result["digest"] == digest
            and not (folder / RESUME).exists()
            and all(result["files"][name] == sha256_of(folder / name) for name in OUTPUTS)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def clear(folder: Path) -> None:
    """Take away what an older or broken training left, so that nothing of it can pass for this one."""
    for name in (RESULT, *OUTPUTS):
        (folder / name).unlink(missing_ok=True)
    remove_stale_temporaries(folder / name for name in (RESULT, RESUME, *OUTPUTS))
