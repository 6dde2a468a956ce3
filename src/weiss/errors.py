"""Errors a user can act on: one line that says what, where, and how to mend it."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right: a malformed study, a missing file, a full disk.

    Parameters
    ----------
    what : str
        What is wrong and what was expected.
    where : str, optional
        File, and key or row in it.
    fix : str, optional
        What to do about it.
    """

    def __init__(self, what: str, where: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        line = f"{where}: {what}" if where else what
        if fix:
            line = f"{line}; {fix}"
        super().__init__(" ".join(line.split()))


class SimulationError(Exception):
    """A film whose fields stopped being finite, or whose driver could not end.

    Parameters
    ----------
    index : int
        Position of the film in the batch handed to the solver.
    message : str
        What happened, with the time and the step.
    """

    def __init__(self, index: int, message: str) -> None:
        self.index, self.message = index, message
        super().__init__(f"film {index}: {message}")
