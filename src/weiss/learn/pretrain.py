"""Pretraining on images made by formulas: a network learns which formula drew an image.

Formula-driven supervised learning (Kataoka et al., arXiv:2101.08515 and 2206.09132) needs no pictures from outside. The
images are rendered as they are needed, on the device of the training; nothing but the network is kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import SGD

from weiss import paths
from weiss.atomic import atomic_json, atomic_write
from weiss.errors import UserError
from weiss.learn import checkpoint, evaluate
from weiss.learn.formula import chance, kind_of_images
from weiss.learn.networks import build
from weiss.learn.networks.regressor import Regressor
from weiss.learn.records import PRETRAIN_OUTPUTS, RESULT, RESUME, clear, is_finished, sha256_of
from weiss.learn.reproducible import reproducible, torch_device
from weiss.learn.trainer import (
    memory_full,
    memory_told,
    not_finite,
    own_randomness,
    say,
    seed_chance,
    streams,
    versions,
)
from weiss.learn.version import PRETRAIN_VERSION

if TYPE_CHECKING:
    from weiss.study import Pretraining, Study

COLUMNS = ("epoch", "learning_rate", "loss", "accuracy", "held_out_accuracy")

HELD_OUT_SHARE = 0.1
"""Images that are never trained on, as a share of those of an epoch; at least one of every category."""


@dataclass(frozen=True)
class Settings:
    """How a network is pretrained: momentum SGD on the cross entropy, a linear warm-up, then half a cosine to zero.

    Attributes
    ----------
    kind : str
        Kind of images, one of `weiss.learn.formula.KINDS`.
    categories : int
        Formulas to tell apart.
    images, epochs : int
        Images of an epoch, all of them new, and epochs.
    batch : int
        Most images in one step.
    learning_rate, momentum, weight_decay : float
        Highest learning rate; momentum and weight decay of SGD, the latter on all weights.
    warmup_epochs : int
        Epochs in which the learning rate rises.
    """

    kind: str
    categories: int
    images: int
    epochs: int
    batch: int
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup_epochs: int

    @classmethod
    def read(cls, values: Mapping[str, object], where: str) -> Settings:
        """Take the settings of a pretraining out of a study.

        Raises
        ------
        UserError
            A key is unknown or missing, there are fewer than two categories, a step would hold a single image, of
            which batch normalisation cannot take the variance, or the warm-up is longer than the whole.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise UserError(f"unknown keys {', '.join(unknown)}", where, f"known keys: {', '.join(sorted(known))}")
        if missing := sorted(known - set(values)):
            raise UserError(f"keys missing: {', '.join(missing)}", where)
        settings = cls(**values)  # type: ignore[arg-type]
        if settings.categories < 2:
            raise UserError(f"nothing to tell apart among {settings.categories} categories", where, "give at least 2")
        if settings.batch < 1 or settings.images // settings.steps < 2:
            raise UserError(
                f"a step would see one image only ({settings.images} images in batches of {settings.batch})",
                where,
                "use batch >= 2 and more images",
            )
        if not 0 <= settings.warmup_epochs <= settings.epochs or settings.epochs < 1:
            raise UserError(
                f"{settings.warmup_epochs} epochs of warm-up do not fit into {settings.epochs} epochs",
                where,
                "use epochs >= 1 and a shorter warm-up",
            )
        return settings

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.images // self.batch)

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0 over all epochs."""
        rising, every = self.warmup_epochs * self.steps, self.epochs * self.steps
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return self.learning_rate * (1 + math.cos(math.pi * (step - rising) / (every - rising))) / 2


def run(study: Study, pretraining_id: str, results: Path, device: str = "cpu", threads: int = 1) -> None:
    """Pretrain one network, or go on where it was interrupted.

    On a CPU an interrupted pretraining ends in the same files, byte for byte (timings in result.json aside), as one
    that ran through, given the same number of threads.

    Parameters
    ----------
    study : Study
    pretraining_id : str
        Which of the study's pretrainings.
    results : Path
        Results folder; the pretraining's folder is written into it.
    device : {"cpu", "gpu"}
    threads : int
        CPU threads.

    Raises
    ------
    UserError
        There is no such pretraining, its settings make no sense, or the loss stops being finite.
    """
    if pretraining_id not in study.pretrainings:
        raise UserError(
            f"no pretraining named {pretraining_id!r} in this study", str(study.path), "see `weiss plan` for the names"
        )
    job = study.pretrainings[pretraining_id]
    folder = paths.pretraining(results, study.name, job.id)
    if is_finished(folder, job.digest, PRETRAIN_OUTPUTS):
        say(f"{job.id}: finished already, nothing to do")
        return
    settings = Settings.read(job.settings, f"{study.path}: learn.pretraining.{job.name}")
    identity = {"digest": job.digest, "architecture": job.architecture}
    where = torch_device(device)
    told = memory_told(f"pretraining {job.id}", f"lower learn.pretraining.{job.name}.batch")
    with told, reproducible(where, threads), own_randomness(where):
        trainer = Trainer.new(job, settings, where)
        clear(folder, PRETRAIN_OUTPUTS)
        if content := checkpoint.resume_point(folder / RESUME, identity):
            trainer = trainer.resumed(content, folder / RESUME) or Trainer.new(job, settings, where)
        while len(trainer.history) < settings.epochs:
            started = time.perf_counter()
            trainer.epoch()
            seconds = time.perf_counter() - started
            trainer.seconds += seconds
            checkpoint.save(folder / RESUME, identity | trainer.content())
            say(trainer.line(job.id, seconds))
        finish(study, job, trainer, folder, threads)


@dataclass
class Images:
    """Images to be rendered, with their categories; everything lies on the device that renders.

    Attributes
    ----------
    kind : module
        What renders them.
    numbers : Tensor, (N, Q) float64
        What the kind's `vary` drew.
    categories : Tensor, (N,) int64
    window : int
        Side of the images, pixels.
    """

    kind: ModuleType
    numbers: Tensor
    categories: Tensor
    window: int

    @classmethod
    def draw(
        cls, kind: ModuleType, table: Tensor, count: int, window: int, generator: torch.Generator, device: torch.device
    ) -> Images:
        """Draw `count` images, all categories equally often (to one), in shuffled order.

        Parameters
        ----------
        kind : module
        table : Tensor, (C, P)
            Numbers of the categories.
        count, window : int
        generator : torch.Generator
            CPU generator; the only source of chance.
        device : torch.device
            Where the images are rendered.
        """
        rounds = -(-count // len(table))
        categories = torch.cat([torch.randperm(len(table), generator=generator) for _ in range(rounds)])[:count]
        return cls(kind, kind.vary(table[categories], generator).to(device), categories.to(device), window)

    def batches(self, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Render in `count` batches whose sizes differ by one at most: images (n, window, window) of ±1, categories."""
        parts = zip(self.numbers.tensor_split(count), self.categories.tensor_split(count), strict=True)
        for numbers, categories in parts:
            yield self.kind.render(numbers, self.window), categories


@dataclass
class Trainer:
    """A network in pretraining, with everything a resumed pretraining needs.

    Attributes
    ----------
    model, optimiser
        The network and momentum SGD.
    settings : Settings
    kind : module
        What makes the images.
    table : Tensor, (C, P)
        Numbers of the categories, on the CPU.
    held_out : Images
        Images that are never trained on.
    seed, window : int
    device : torch.device
    history : list of dict
        One row per epoch, with `COLUMNS`.
    seconds : float
        Time spent in epochs.
    restarts : int
        How often the pretraining was resumed.
    """

    model: Regressor
    optimiser: SGD
    settings: Settings
    kind: ModuleType
    table: Tensor
    held_out: Images
    seed: int
    window: int
    device: torch.device
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    restarts: int = 0

    @classmethod
    def new(cls, job: Pretraining, settings: Settings, device: torch.device) -> Trainer:
        """A pretraining before its first step. Seeds torch's global generators; call it inside `own_randomness`."""
        kind = kind_of_images(settings.kind)
        table = kind.categories(job.seed, settings.categories)
        held_out = max(settings.categories, round(HELD_OUT_SHARE * settings.images))
        initial, _, own = streams(job.seed)
        model = build(job.architecture, settings.categories, seed=initial).to(device)
        seed_chance(own, device)
        return cls(
            model=model,
            optimiser=SGD(
                model.parameters(),
                lr=settings.rate(0),
                momentum=settings.momentum,
                weight_decay=settings.weight_decay,
            ),
            settings=settings,
            kind=kind,
            table=table,
            held_out=Images.draw(
                kind, table, held_out, job.window, chance("held out", settings.kind, job.seed), device
            ),
            seed=job.seed,
            window=job.window,
            device=device,
        )

    def epoch(self) -> None:
        """Train for one epoch on new images, then look how many held-out images are recognised.

        Raises
        ------
        UserError
            The loss or the weights are no longer finite numbers.
        """
        settings, number = self.settings, len(self.history) + 1
        steps, first_step = settings.steps, len(self.history) * settings.steps
        generator = chance("epoch", settings.kind, self.seed, number)
        images = Images.draw(self.kind, self.table, settings.images, self.window, generator, self.device)
        losses = torch.empty(steps, device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        self.model.train()
        for step, (batch, categories) in enumerate(images.batches(steps)):
            self.optimiser.param_groups[0]["lr"] = settings.rate(first_step + step)
            scores = self.model(batch)
            loss = nn.functional.cross_entropy(scores, categories)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            losses[step] = loss.detach() * len(batch)
            correct += (scores.detach().argmax(dim=1) == categories).sum()
        # Looked at once per epoch: a look per step would make a GPU wait for the host every time.
        step_losses = losses.cpu().double()
        if bad := torch.nonzero(~torch.isfinite(step_losses)).flatten().tolist():
            raise not_finite("the loss", number, first_step + bad[0] + 1, "pretraining")
        if not evaluate.finite(self.model):
            raise not_finite("a weight", number, first_step + steps, "pretraining")
        row = (
            number,
            settings.rate(first_step),
            float(step_losses.sum()) / settings.images,
            int(correct) / settings.images,
            self.recognised(self.held_out),
        )
        self.history.append(dict(zip(COLUMNS, row, strict=True)))

    @torch.inference_mode()
    def recognised(self, images: Images) -> float:
        """Share of images given the right category."""
        self.model.eval()
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        for batch, categories in images.batches(-(-len(images.categories) // self.settings.batch)):
            correct += (self.model(batch).argmax(dim=1) == categories).sum()
        return int(correct) / len(images.categories)

    def content(self) -> dict[str, Any]:
        """What the resume checkpoint holds besides the pretraining's identity."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "cpu_rng": torch.get_rng_state(),
            "gpu_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "history": self.history,
            "seconds": self.seconds,
            "restarts": self.restarts,
        }

    def resumed(self, content: dict[str, Any], path: Path) -> Trainer | None:
        """Take over a checkpoint's state; None, with a message, if it is not whole."""
        try:
            self.model.load_state_dict(content["model"])
            self.optimiser.load_state_dict(content["optimiser"])
            torch.set_rng_state(content["cpu_rng"])
            if self.device.type == "cuda" and content["gpu_rng"] is not None:
                torch.cuda.set_rng_state(content["gpu_rng"], self.device)
            self.history = content["history"]
            self.seconds, self.restarts = content["seconds"], content["restarts"] + 1
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            if memory_full(error):
                raise
            checkpoint.discard(path, "is not a whole checkpoint of this pretraining")
            return None
        say(f"going on after epoch {len(self.history)}")
        return self

    def line(self, name: str, seconds: float) -> str:
        """Progress in one line."""
        row = self.history[-1]
        return (
            f"{name}  epoch {row['epoch']}/{self.settings.epochs}  lr {row['learning_rate']:.3g}  "
            f"loss {row['loss']:.4f}  recognised {row['accuracy']:.4f}  held out {row['held_out_accuracy']:.4f}  "
            f"(chance {1 / self.settings.categories:.4f})  {seconds:.1f} s"
        )


def finish(study: Study, job: Pretraining, trainer: Trainer, folder: Path, threads: int) -> None:
    """Write the outputs, result.json last; then the resume checkpoint goes."""
    settings, last = trainer.settings, trainer.history[-1]
    rows = [[row[column] for column in COLUMNS] for row in trainer.history]
    atomic_write(folder / "epochs.csv", evaluate.table(COLUMNS, rows))
    checkpoint.save(
        folder / "weights.pt",
        {
            "state_dict": {
                name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
                for name, value in trainer.model.net.state_dict().items()
            },
            "architecture": job.architecture,
            "digest": job.digest,
            "window": job.window,
            "kind": settings.kind,
        },
    )
    result = {
        "id": job.id,
        "study": study.name,
        "digest": job.digest,
        "architecture": job.architecture,
        "seed": job.seed,
        "window": job.window,
        "settings": asdict(settings),
        "parameters": evaluate.parameters_of(trainer.model),
        "images_seen": settings.epochs * settings.images,
        "held_out_images": len(trainer.held_out.categories),
        "loss": last["loss"],
        "accuracy": last["accuracy"],
        "held_out_accuracy": last["held_out_accuracy"],
        "chance": 1 / settings.categories,
        "versions": versions(pretrain=PRETRAIN_VERSION),
        "files": {name: sha256_of(folder / name) for name in PRETRAIN_OUTPUTS},
        "timing": {
            "seconds": trainer.seconds,
            "seconds_per_epoch": trainer.seconds / settings.epochs,
            "restarts": trainer.restarts,
            "device": torch.cuda.get_device_name(trainer.device) if trainer.device.type == "cuda" else "cpu",
            "threads": threads,
        },
    }
    atomic_json(folder / RESULT, result)
    (folder / RESUME).unlink(missing_ok=True)
    say(
        f"{job.id}: {settings.epochs} epochs; {last['held_out_accuracy']:.4f} of the held-out images recognised "
        f"(chance {result['chance']:.4f})"
    )
