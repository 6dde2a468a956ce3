"""Digests: hashes of the very values a job uses. What changes one makes that job run again, and nothing else does."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from weiss.errors import UserError


def canonical_json(obj: Any) -> str:
    """Write plain values as JSON in the one form that digests are taken of: sorted keys, no spaces, finite numbers."""
    return json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest_of(obj: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of `canonical_json`."""
    return hashlib.sha256(canonical_json(obj).encode()).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's contents, read once as long as its size and time stay."""
    status = path.stat()
    return _file_digest(path, status.st_size, status.st_mtime_ns)


@cache
def _file_digest(path: Path, _size: int, _modified: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_digest(expected: str | None, actual: str, what: str) -> None:
    """Stop a job that was planned from another version of the study file.

    Parameters
    ----------
    expected : str or None
        The digest the job was planned with; None skips the check (a job started by hand).
    actual : str
        The digest as the file stands now.
    what : str
        Name of the job, for the message.

    Raises
    ------
    weiss.errors.UserError
        If they differ.
    """
    if expected is not None and expected != actual:
        raise UserError(
            f"the study changed since this job was planned (digest {expected} is now {actual})",
            what,
            "run snakemake again",
        )
