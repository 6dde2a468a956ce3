"""ImageNet weights that networks start from: where they lie, whether they are sound, and how to fetch them.

Only `run` downloads, and only when asked to: compute nodes rarely reach the internet, and a training whose start
depends on a server could not be repeated. Everything else looks at files. Importing this module needs no torch.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import ssl
import urllib.error
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weiss import paths
from weiss.atomic import atomic_path, cannot_write
from weiss.errors import UserError
from weiss.learn.networks import PRETRAINED
from weiss.learn.networks.names import IMAGENET, WITH_IMAGENET_WEIGHTS, imagenet_name
from weiss.store import is_current

if TYPE_CHECKING:
    from weiss.study import Study, Training

__all__ = ["Needed", "folder_of", "imagenet_file", "needed", "require", "run", "state", "study_folder"]

State = Literal["ok", "missing", "damaged"]

TIMEOUT = 60.0
"""Seconds without an answer after which a download is given up: torch would wait for ever."""

_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    ConnectionError,
    TimeoutError,
)
"""What a download raises that has nothing to do with the disk."""


@dataclass(frozen=True)
class Needed:
    """One file of ImageNet weights that a study starts from.

    Attributes
    ----------
    architecture : str
    networks : tuple of str
        Labels of the networks of the study that start from it.
    path : Path
        Where it belongs.
    url : str
        Where it comes from.
    bytes : int or None
        Its size on disk; None if it is missing.
    state : {"ok", "missing", "damaged"}
    """

    architecture: str
    networks: tuple[str, ...]
    path: Path
    url: str
    bytes: int | None
    state: State


def folder_of(folder: str | None) -> Path:
    """The folder ImageNet weights lie in.

    Parameters
    ----------
    folder : str or None
        The folder a study names (`learn.weights_folder`); None for torch's own cache, `hub/checkpoints` in
        `$TORCH_HOME`, or else in `$XDG_CACHE_HOME/torch` or `~/.cache/torch`.
    """
    if folder is not None:
        return Path(os.path.expanduser(folder))
    cache = os.path.join(os.getenv("XDG_CACHE_HOME", "~/.cache"), "torch")
    return Path(os.path.expanduser(os.getenv("TORCH_HOME", cache))) / "hub" / "checkpoints"


def study_folder(study: Study) -> Path:
    """The folder of the ImageNet weights of a study; a relative one starts at the study file."""
    named = study.config["learn"]["weights_folder"]
    return folder_of(None) if named is None else study.path.parent / folder_of(named)


def imagenet_file(architecture: str, folder: str | Path | None = None) -> Path:
    """Where the ImageNet weights of a network belong.

    Parameters
    ----------
    architecture : str
        Network of the zoo.
    folder : path, optional
        Folder of such files; torch's cache by default.

    Raises
    ------
    UserError
        None are published for this network.
    """
    if architecture not in IMAGENET:
        raise UserError(
            f"there are no ImageNet weights for the network {architecture}",
            "weights",
            f"use null or a file; {', '.join(WITH_IMAGENET_WEIGHTS)} have some",
        )
    return folder_of(None if folder is None else str(folder)) / imagenet_name(architecture)


def state(path: Path) -> State:
    """Whether a file of ImageNet weights is there and has the checksum that its name ends in.

    Raises
    ------
    UserError
        It may not be read.
    """
    if not path.is_file():
        return "missing"
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", str(path), "check its permissions") from error
    return "ok" if digest.startswith(_checksum(path)) else "damaged"


def _checksum(path: Path) -> str:
    """First hexadecimal digits of the SHA-256 of a published file, as its name gives them."""
    return path.stem.rpartition("-")[2]


def needed(study: Study, trainings: Iterable[Training] | None = None) -> list[Needed]:
    """The files of ImageNet weights that trainings start from, and how they stand.

    Parameters
    ----------
    study : Study
    trainings : iterable of Training, optional
        Which of its trainings; all by default.

    Returns
    -------
    list of Needed
        One for each architecture, in the order of the study's networks.
    """
    networks: dict[str, dict[str, None]] = {}
    for training in study.trainings.values() if trainings is None else trainings:
        if training.recipe["weights"] == PRETRAINED:
            networks.setdefault(training.architecture, {})[training.network] = None
    return [_look(study_folder(study), architecture, tuple(labels)) for architecture, labels in networks.items()]


def _look(folder: Path, architecture: str, labels: tuple[str, ...]) -> Needed:
    path = imagenet_file(architecture, folder)
    found = state(path)
    size = None if found == "missing" else path.stat().st_size
    return Needed(architecture, labels, path, IMAGENET[architecture], size, found)


def require(study: Study, results: Path) -> None:
    """Stop if a training that is yet to run could not start for want of its ImageNet weights.

    Raises
    ------
    UserError
        Names every file that is missing or damaged.
    """
    waiting = [
        training
        for training in study.trainings.values()
        if training.recipe["weights"] == PRETRAINED
        and not is_current(paths.training(results, study.name, training.id) / "result.json", training.digest)
    ]
    _refuse_faults(study, needed(study, waiting))


def _refuse_faults(study: Study, files: Iterable[Needed]) -> None:
    faults = [f"{file.path} is {file.state} ({', '.join(file.networks)})" for file in files if file.state != "ok"]
    if faults:
        raise UserError(
            f"ImageNet weights: {'; '.join(faults)}",
            str(study.path),
            f"run `weiss weights {study.path} --fetch` on a machine with network, "
            "or name the folder they lie in as learn.weights_folder, or give these networks `repeats: 0`",
        )


def run(study: Study, fetch: bool = False) -> None:
    """Print the ImageNet weights a study needs and how they stand; fetch what is missing or damaged if asked to.

    Parameters
    ----------
    study : Study
    fetch : bool
        Download into the study's folder of weights. The checksum of each file is checked.

    Raises
    ------
    UserError
        A file is missing or damaged at the end, cannot be downloaded, or cannot be written.
    """
    files = needed(study)
    if not files:
        print(f"{study.name}: no network starts from ImageNet weights")
        return
    print(_text(files))
    if fetch:
        for file in files:
            if file.state != "ok":
                print(f"fetching {file.url}", flush=True)
                _fetch(file)
        files = needed(study)
        print(_text(files))
    _refuse_faults(study, files)


def _fetch(file: Needed) -> None:
    from torch.hub import download_url_to_file

    by_hand = f"download it on a machine with network and copy it to {file.path}"
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with atomic_path(file.path) as temporary:
            download_url_to_file(file.url, str(temporary), hash_prefix=_checksum(file.path))
    except _NETWORK_ERRORS as error:
        reason = str(error).strip("<>") or type(error).__name__
        raise UserError(f"cannot download {file.url}: {reason}", fix=by_hand) from error
    except RuntimeError as error:  # torch's word for another checksum
        raise UserError(
            f"what came from {file.url} does not have the SHA-256 {_checksum(file.path)}…",
            fix=f"try again, or {by_hand}",
        ) from error
    except OSError as error:
        raise cannot_write(error, file.path) from error
    finally:
        socket.setdefaulttimeout(before)


def _text(files: Iterable[Needed]) -> str:
    rows = [["weights", "networks", "state", "MB", "file"]]
    for file in files:
        size = "-" if file.bytes is None else f"{file.bytes / 1e6:.1f}"
        rows.append([file.architecture, ", ".join(file.networks), file.state, size, str(file.path)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
