"""What trainings of every kind share: the loop, resume checkpoints, the course kept, and how a failure is told."""

from __future__ import annotations

import platform
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from weiss import __version__
from weiss.errors import UserError
from weiss.learn import checkpoint

SAVE_SHARE = 0.02
"""Most of the time that writing resume checkpoints may take: after an epoch one is due if the last took no more than
this share of the time trained since. That time is what a kill costs."""

FIRST_SAVE = 1.0
"""Seconds a checkpoint is taken to need before one was written: a training of less than a minute writes none."""


@dataclass(kw_only=True)
class Trainer(ABC):
    """A network in training, with everything a resumed training needs. One kind of training each inherits from it.

    Attributes
    ----------
    model, optimiser, scheduler
        The network, what changes its weights, what lowers the learning rate.
    generator : torch.Generator
        Draws what an epoch learns from.
    device : torch.device
    history : list of dict
        One row per epoch, with epoch and step among its entries.
    best : dict
        Weights of the epoch with the lowest validation error.
    seconds : float
        Time spent in epochs.
    restarts : int
        How often the training was resumed.
    unsaved, save_took : float
        Time spent in epochs since the last resume checkpoint, and seconds that one took to write.
    """

    model: nn.Module
    optimiser: Optimizer
    scheduler: LRScheduler
    generator: torch.Generator
    device: torch.device
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    restarts: int = 0
    unsaved: float = 0.0
    save_took: float = FIRST_SAVE

    @property
    def kept(self) -> nn.Module:
        """The part of the model whose weights are the result."""
        return self.model

    @abstractmethod
    def stop_reason(self) -> str | None:
        """Why training ends after the epochs so far, or None if it goes on."""

    def until_done(self, epoch: Callable[[], None], save: Callable[[], None], line: Callable[[float], str]) -> str:
        """Train epoch by epoch until it is time to stop; returns why.

        Parameters
        ----------
        epoch : Callable
            Trains for one epoch.
        save : Callable
            Writes the resume checkpoint. Called after an epoch, as often as `SAVE_SHARE` allows.
        line : Callable
            Words for the epoch just done, given its seconds.
        """
        while (reason := self.stop_reason()) is None:
            started = time.perf_counter()
            epoch()
            took = time.perf_counter() - started
            self.seconds += took
            self.unsaved += took
            if self.save_took <= SAVE_SHARE * self.unsaved:
                started = time.perf_counter()
                save()
                self.save_took, self.unsaved = time.perf_counter() - started, 0.0
            say(line(took))
        return reason

    def keep_best(self) -> None:
        """Take the present weights for the best."""
        self.best = {name: value.detach().clone() for name, value in self.kept.state_dict().items()}

    def best_weights(self) -> dict[str, torch.Tensor]:
        """`best` on the CPU in plain memory order, whatever the device and layout it was trained in."""
        # Interned: a pickle refers to a name that it has seen as the same object, and names read back are others.
        return {
            sys.intern(name): value.cpu().clone(memory_format=torch.contiguous_format)
            for name, value in self.best.items()
        }

    def content(self) -> dict[str, Any]:
        """What the resume checkpoint holds besides the training's identity."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "draws_rng": self.generator.get_state(),
            "cpu_rng": torch.get_rng_state(),
            "gpu_rng": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "history": self.history,
            "best": self.best_weights(),
            "seconds": self.seconds,
            "restarts": self.restarts,
        }

    def resumed(self, content: dict[str, Any], path: Path) -> Trainer | None:
        """Take over a checkpoint's state; None, with a message, if it is not whole."""
        try:
            self.model.load_state_dict(content["model"])
            self.optimiser.load_state_dict(content["optimiser"])
            self.scheduler.load_state_dict(content["scheduler"])
            self.generator.set_state(content["draws_rng"])
            torch.set_rng_state(content["cpu_rng"])
            if self.device.type == "cuda" and content["gpu_rng"] is not None:
                torch.cuda.set_rng_state(content["gpu_rng"], self.device)
            self.history, self.best = content["history"], content["best"]
            self.seconds, self.restarts = content["seconds"], content["restarts"] + 1
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            if memory_full(error):
                raise
            checkpoint.discard(path, "is not a whole checkpoint of this training")
            return None
        say(f"going on after epoch {len(self.history)}")
        return self

    def timing(self, threads: int) -> dict[str, Any]:
        """Where and how fast it trained, for result.json."""
        return {
            "seconds": self.seconds,
            "seconds_per_epoch": self.seconds / len(self.history),
            "restarts": self.restarts,
            "device": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu",
            "threads": threads,
        }


def say(text: str) -> None:
    """One line to stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def memory_full(error: Exception) -> bool:
    """Whether an error is how CUDA and its libraries say that a GPU's memory is full."""
    return any(sign in str(error) for sign in ("out of memory", "ALLOC_FAILED", "STATUS_NOT_INITIALIZED"))


@contextmanager
def memory_told(where: str, fix: str) -> Iterator[None]:
    """Turn what CUDA and its libraries say when memory is full into one line.

    Parameters
    ----------
    where, fix : str
        What ran, and what to lower.

    Raises
    ------
    UserError
        A GPU's memory was full.
    """
    try:
        yield
    except RuntimeError as error:
        if not memory_full(error):
            raise
        raise UserError("the memory of the GPU is full", where, fix) from error


def own_randomness(device: torch.device) -> Any:
    """A context in which torch's global generators may be seeded and used, and after which they are as before."""
    return torch.random.fork_rng(devices=[device.index] if device.type == "cuda" else [])


def seed_chance(seed: int, device: torch.device) -> None:
    """Seed torch's global generators, of which networks draw their dropout; call it inside `own_randomness`."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def streams(seed: int) -> tuple[int, int, int]:
    """Independent seeds for the initial weights, what epochs draw, and the networks' own chance (dropout)."""
    first, second, third = np.random.SeedSequence(seed).generate_state(3, np.uint64) >> np.uint64(1)
    return int(first), int(second), int(third)


def not_finite(what: str, epoch: int, step: int, where: str = "training") -> UserError:
    """The one line a diverged training ends with."""
    return UserError(f"{what} is not a finite number in epoch {epoch}, step {step}", where, "lower the learning rate")


def check_finite_losses(losses: list[torch.Tensor], epoch: int, first_step: int) -> torch.Tensor:
    """The losses of an epoch's steps as float64 on the CPU; raises UserError if one is not a finite number.

    Looked at once per epoch: a look per step would make a GPU wait for the host every time.
    """
    found = torch.stack(losses).cpu().double()
    if bad := torch.nonzero(~torch.isfinite(found)).flatten().tolist():
        raise not_finite("the training loss", epoch, first_step + bad[0] + 1)
    return found


def versions(**learned: int) -> dict[str, str | int]:
    """What computed this; `learned` names the version of the learning."""
    packages = {name: version(name) for name in ("torch", "torchvision", "numpy", "scikit-learn")}
    return {"weiss": __version__, **learned, "python": platform.python_version(), **packages}
