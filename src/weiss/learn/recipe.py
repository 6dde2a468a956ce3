"""How a network is trained: the numbers of the recipe, the learning rate they give, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from weiss.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """Momentum SGD on the mean absolute error, the learning rate falling in steps (Mamada et al. 2023, section II.C.2).

    Attributes
    ----------
    learning_rate : float
        Initial learning rate.
    momentum : float
        Momentum of SGD (not printed in the source).
    batch : int
        Most crops in one step.
    max_epochs : int
        Epochs after which training ends in any case.
    patience : int
        Training ends after this many epochs in a row that brought no new lowest validation error.
    decay, decay_steps : float, int
        The learning rate is multiplied by `decay` after every `decay_steps` steps.
    steps_per_epoch : int or None
        Steps of `batch` crops in an epoch; None: as many as show every training film `crops_per_film` times.
    crops_per_film : int
        See `steps_per_epoch`.
    weights : str or None
        File of weights to start from, or "pretrained" (see `weiss.learn.networks`); None: from scratch.
    """

    learning_rate: float
    momentum: float
    batch: int
    max_epochs: int
    patience: int
    decay: float
    decay_steps: int
    steps_per_epoch: int | None = None
    crops_per_film: int = 1
    weights: str | None = None

    @classmethod
    def read(cls, values: Mapping[str, object], where: str) -> Recipe:
        """Take a resolved recipe out of a study.

        Raises
        ------
        UserError
            A key is unknown or missing: a recipe half understood would train something else than was asked for.
        """
        known = {field.name for field in fields(cls)}
        required = {field.name for field in fields(cls)} - {"steps_per_epoch", "crops_per_film", "weights"}
        if unknown := sorted(set(values) - known):
            raise UserError(
                f"unknown recipe keys {', '.join(unknown)}", where, f"known keys: {', '.join(sorted(known))}"
            )
        if missing := sorted(required - set(values)):
            raise UserError(f"recipe keys missing: {', '.join(missing)}", where)
        return cls(**values)  # type: ignore[arg-type]

    def epoch_size(self, films: int) -> tuple[int, int]:
        """Crops and steps of one epoch with `films` training films.

        Raises
        ------
        UserError
            A step would hold a single crop, of which batch normalisation cannot take the variance.
        """
        if self.steps_per_epoch is not None:
            samples, steps = self.steps_per_epoch * self.batch, self.steps_per_epoch
        else:
            samples = films * self.crops_per_film
            steps = -(-samples // self.batch)
        if samples // steps < 2:
            raise UserError(
                f"a training step would see one crop only ({samples} crops in {steps} steps)",
                "recipe",
                "use batch >= 2 and more films or crops_per_film",
            )
        return samples, steps


def stop_reason(errors: Sequence[float], recipe: Recipe) -> str | None:
    """Why training ends after these epochs, or None if it goes on.

    Parameters
    ----------
    errors : sequence of float
        Validation error of every epoch so far.
    recipe : Recipe
        Its `patience` and `max_epochs` decide.

    Returns
    -------
    "patience", "max_epochs" or None
    """
    if errors and len(errors) - best_epoch(errors) >= recipe.patience:
        return "patience"
    if len(errors) >= recipe.max_epochs:
        return "max_epochs"
    return None


def best_epoch(errors: Sequence[float]) -> int:
    """Number (from 1) of the first epoch with the lowest validation error."""
    return min(range(len(errors)), key=errors.__getitem__) + 1
