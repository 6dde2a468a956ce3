"""Files that are either whole or not there, whoever is killed and however full the disk is.

A file is written beside its place under a name of its own, flushed to the disk, and moved into place in one step. The
temporary name carries host and process, so that what a killed process left can be told from what a live one is writing.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weiss.errors import UserError

if TYPE_CHECKING:
    import h5netcdf

STALE_SECONDS = 86_400.0
"""A temporary file untouched for this long belongs to nobody, wherever it was written."""

_FIXES = {
    errno.ENOSPC: "free some space or choose another results folder, then run the same command again",
    errno.EDQUOT: "free some of your quota or choose another results folder, then run the same command again",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), then run the same command again",
    errno.EACCES: "check who owns the folder and its permissions",
    errno.EPERM: "check who owns the folder and its permissions",
    errno.EROFS: "choose a results folder that can be written to",
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def cannot_write(error: OSError, path: Path) -> UserError:
    """The one line that tells the user why `path` could not be written and what to do."""
    return UserError(
        f"cannot write: {os.strerror(error.errno) if error.errno else error}", str(path), _FIXES.get(error.errno or 0)
    )


@contextlib.contextmanager
def _told(path: Path, only: tuple[int, ...] | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        raise cannot_write(error, path) from error


def _temporary_for(path: Path) -> Path:
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


def _sync(path: Path, flags: int = os.O_RDONLY) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; the move into place is atomic there all the same.
        if not (flags & os.O_DIRECTORY and error.errno in (errno.EINVAL, errno.ENOTSUP)):
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path; what was written to it becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : Path
        Final place. Its folder is made if need be.

    Yields
    ------
    Path
        Temporary file to create, in the folder of `path`; its suffix is `.tmp`.

    Raises
    ------
    UserError
        If the disk or quota is full, or the folder cannot be written. No temporary file stays behind.
    """
    path = Path(path)
    temporary = _temporary_for(path)
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _told(path, only=_FULL):
            yield temporary
        with _told(path):
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    finally:
        # After the move there is nothing left to remove.
        with contextlib.suppress(OSError):
            temporary.unlink()


def atomic_write(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all.

    Raises
    ------
    UserError
        If it cannot be written: one line with the reason, the file and the remedy.
    """
    with atomic_path(path) as temporary, _told(Path(path)), open(temporary, "xb", buffering=0) as file:
        _write_all(file.write, data)


def atomic_json(path: Path, content: Any) -> None:
    """Write `content` as sorted, indented JSON, whole or not at all; not-a-number is refused with a ValueError."""
    text = json.dumps(content, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False)
    atomic_write(path, text.encode() + b"\n")


def _write_all(write: Callable[[memoryview], int], data: Any) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        # A raw write may take a part only, and does so just before the disk is full.
        rest = rest[write(rest) :]


class _Sink(io.FileIO):
    """A file for the HDF5 library that remembers its first failed write instead of raising.

    The library cannot let go of a file it failed to write: it repeats the write for every object it closes, prints a
    traceback each time and may crash at exit. Here it sees success, closes, and the failure is raised afterwards.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+")
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self.failure is None:
            try:
                _write_all(super().write, data)
            except OSError as error:
                self.failure = error
        return size

    def truncate(self, size: int | None = None) -> int:
        if self.failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self.failure = error
        return self.tell() if size is None else size

    def check(self) -> None:
        """Raise the first failure, if there was one."""
        if self.failure is not None:
            raise self.failure


@contextlib.contextmanager
def atomic_hdf5(path: Path) -> Iterator[tuple[h5netcdf.File, Callable[[], None]]]:
    """Write a netCDF-4 (HDF5) file piece by piece, whole or not at all, with bytes that depend on its content only.

    Yields
    ------
    file : h5netcdf.File
        The new, empty file.
    check : Callable[[], None]
        Raises at once if a write has failed; call it now and then in a long loop.

    Raises
    ------
    UserError
        If the disk or quota is full, or the folder cannot be written. No temporary file stays behind.
    """
    import h5netcdf

    with atomic_path(path) as temporary:
        with _told(Path(path)):
            sink = _Sink(temporary)
        with sink:
            try:
                with h5netcdf.File(sink, "w") as file:
                    yield file, sink.check
            finally:
                # Whatever else went wrong in the block went wrong because of this.
                sink.check()


def set_aside(path: Path) -> Path | None:
    """Move a damaged file out of the way, keeping it as evidence under `<name>.damaged`, `<name>.damaged-2`, …

    Returns
    -------
    Path or None
        Where it lies now; None if it was gone already.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    path = Path(path)
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    try:
        os.replace(path, aside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_write(error, path) from error
    return aside


def remove_stale_temporaries(paths: Iterable[Path]) -> list[Path]:
    """Remove what killed processes left behind while writing `paths`, and nothing a live process may be writing.

    A temporary file is stale when its process ran on this host and is gone, or when it was not touched for a day.

    Returns
    -------
    list of Path
        What was removed.
    """
    names: dict[Path, set[str]] = {}
    for path in map(Path, paths):
        names.setdefault(path.parent, set()).add(path.name)
    removed = []
    for folder, wanted in names.items():
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
                if entry.name.endswith(".tmp") and _is_stale(entry, wanted):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(entry.path)
                        removed.append(Path(entry.path))
    return removed


def _is_stale(entry: os.DirEntry[str], wanted: set[str]) -> bool:
    for name in wanted:
        prefix = f".{name}."
        if entry.name.startswith(prefix):
            # The host name may hold dots: read from the right.
            host, _, pid = entry.name[len(prefix) :].rsplit(".", 2)[0].rpartition(".")
            if not (host and pid.isdigit()):
                return False
            try:
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
            except FileNotFoundError:
                return False
            return age > STALE_SECONDS or (host == socket.gethostname() and not _alive(int(pid)))
    return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
