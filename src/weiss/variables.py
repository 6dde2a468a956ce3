"""How a model says what it keeps of a film; every model has a module `stored` in these words (see `weiss.models`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """How one quantity of a film is stored.

    Attributes
    ----------
    dims : tuple of str
        Dimensions within one film; empty for a single number or word.
    dtype : str
        NumPy type, or "str".
    units, long_name : str
        As written into the files.
    """

    dims: tuple[str, ...]
    dtype: str
    units: str
    long_name: str


@dataclass(frozen=True)
class Ending:
    """Which films came to the end their model means them to have; others may not be learned from.

    Attributes
    ----------
    good : tuple of str
        Words of the variable `status` of such films.
    done, failed : str
        What they did, and what the others did: "12 films <done>.", "3 films <failed>: …".
    films : str
        What they are called.
    """

    good: tuple[str, ...]
    done: str
    failed: str
    films: str = "films"


@dataclass(frozen=True)
class Coordinate:
    """Values along one dimension of the arrays of a group of films.

    Attributes
    ----------
    values : sequence of float, int or str
    dtype : str
        NumPy type, or "str".
    units, long_name : str
    """

    values: object
    dtype: str
    units: str
    long_name: str
