"""Tensors on disk: written whole or not at all, read without running code, identical bytes for identical content."""

from __future__ import annotations

import io
import sys
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from weiss.atomic import atomic_write, set_aside
from weiss.errors import UserError
from weiss.learn.networks.regressor import read_tensors


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a dict of tensors and plain values atomically.

    Raises
    ------
    UserError
        The disk is full or the folder cannot be written.
    """
    # Into memory first: torch puts the name of the file it writes to, here a random one, into its bytes.
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    atomic_write(path, buffer.getbuffer())


def resume_point(path: Path, identity: Mapping[str, str | None]) -> dict[str, Any] | None:
    """Read the resume checkpoint of a training, if there is one that belongs to it.

    Parameters
    ----------
    path : Path
        The checkpoint; it need not exist.
    identity : mapping
        Entries the checkpoint must hold to belong to this training (its digest, for one).

    Returns
    -------
    dict or None
        None if there is nothing to go on from. A checkpoint that cannot be read or belongs to another training is set
        aside with a message, never silently used or lost.
    """
    if not path.exists():
        return None
    try:
        # Torch itself does not compare the checksums in the file.
        with zipfile.ZipFile(path) as archive:
            sound = archive.testzip() is None
        content = read_tensors(path) if sound else None
    except (UserError, zipfile.BadZipFile, OSError, EOFError, zlib.error):
        content = None
    if content is None:
        return discard(path, "cannot be read")
    if other := [key for key, value in identity.items() if content.get(key) != value]:
        return discard(path, f"belongs to another training ({', '.join(other)} differ)")
    return content


def discard(path: Path, why: str) -> None:
    """Set a checkpoint aside and say so."""
    aside = set_aside(path)
    print(
        f"{path}: {why}; kept as {aside.name if aside else 'nothing'}, training starts anew",
        file=sys.stderr,
        flush=True,
    )
