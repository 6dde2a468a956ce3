"""How a network of curves is trained: the numbers of the recipe, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from weiss.errors import UserError
from weiss.learn.recipe import best_epoch


@dataclass(frozen=True)
class Recipe:
    """Adam, the learning rate lowered at plateaus, watched for overfitting (Eagan, Copus and Iacocca 2025, Methods).

    Attributes
    ----------
    learning_rate : float
        Initial step size of Adam.
    batch : int
        Most films in one step.
    max_epochs, patience : int
        Training ends after so many epochs, or after so many in a row that brought no new lowest validation loss.
    reduce_factor, reduce_patience : float, int
        The learning rate is multiplied by the former after more than the latter epochs without a lower validation loss.
    dropout : float
        Share of the dense layers' numbers left out.
    loss : {"mse", "mae"}
    overfit_ratio, overfit_patience : float, int
        Training ends, too, after so many epochs in a row in which the validation loss was more than so many times the
        training loss and no new lowest. Both losses are taken without dropout, with the same weights.
    """

    learning_rate: float
    batch: int
    max_epochs: int
    patience: int
    reduce_factor: float
    reduce_patience: int
    dropout: float
    loss: str
    overfit_ratio: float
    overfit_patience: int

    @classmethod
    def read(cls, values: Mapping[str, object], where: str) -> Recipe:
        """Take a resolved recipe out of a study.

        Raises
        ------
        UserError
            A key is unknown or missing.
        """
        known = {field.name for field in fields(cls)}
        if wrong := sorted(known ^ set(values)):
            raise UserError(f"recipe keys unknown or missing: {', '.join(wrong)}", where)
        return cls(**values)  # type: ignore[arg-type]

    def sizes(self, films: int) -> list[int]:
        """Films in each step of an epoch: as equal as can be, and two at least, as batch normalisation needs.

        Raises
        ------
        UserError
            There are fewer than two films.
        """
        if films < 2:
            raise UserError(f"{films} film to train on", "recipe", "give at least two films")
        steps = min(-(-films // self.batch), films // 2)
        return [films // steps + (step < films % steps) for step in range(steps)]


def stop_reason(train: Sequence[float], validate: Sequence[float], recipe: Recipe) -> str | None:
    """Why training ends after these epochs, or None if it goes on.

    Parameters
    ----------
    train, validate : sequence of float
        Losses of every epoch so far.
    recipe : Recipe

    Returns
    -------
    "overfitting", "patience", "max_epochs" or None
    """
    if not validate:
        return None
    since_best = len(validate) - best_epoch(validate)
    last = min(recipe.overfit_patience, since_best)
    apart = [high > recipe.overfit_ratio * low for low, high in zip(train[-last:], validate[-last:], strict=True)]
    if last == recipe.overfit_patience and all(apart):
        return "overfitting"
    if since_best >= recipe.patience:
        return "patience"
    return "max_epochs" if len(validate) >= recipe.max_epochs else None
