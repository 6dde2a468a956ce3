"""Films, manifests and logs on disk.

One file per simulated film, shared by all studies; one manifest per finished shard, which is what the workflow looks
at; one append-only log per shard of everything it ever computed. The bytes of a film's file depend on the film alone:
times, hosts and processes are kept in the manifest and the log.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from weiss import models, paths
from weiss.atomic import (
    atomic_hdf5,
    atomic_json,
    atomic_path,
    atomic_write,
    cannot_write,
    remove_stale_temporaries,
    set_aside,
)
from weiss.errors import UserError
from weiss.study import Point, Shard, Study, canonical_json

if TYPE_CHECKING:
    import h5netcdf

    from weiss.variables import Variable

# h5netcdf and h5py are imported where they are used: the workflow's head process checks manifests and needs neither.

__all__ = [
    "DamagedFile",
    "append_computed",
    "atomic_hdf5",
    "atomic_json",
    "atomic_path",
    "atomic_write",
    "create_variable",
    "decode_point",
    "drop_unsound_manifests",
    "encode_point",
    "manifest_fault",
    "point_record",
    "point_state",
    "read_computed",
    "read_manifest",
    "read_point",
    "remove_manifest",
    "remove_stale_temporaries",
    "set_aside",
    "write_manifest",
    "write_point",
]

GZIP_LEVEL = 4

_CASTS = {"str": str, "<f8": float, "<i8": int}
_IDENTITY: dict[str, type] = {"id": str, "model": str, "params": str, "seed": int, "sim_version": int}
_SEAL_LENGTH = len(b"\nweiss sha256 \n") + 64


class DamagedFile(Exception):
    """A film's file that is not what it should be; the message says why."""


def create_variable(
    file: h5netcdf.File, name: str, dims: tuple[str, ...], dtype: Any, chunks: tuple[int, ...] | None = None
) -> h5netcdf.Variable:
    """Create a variable, compressed (gzip after byte shuffle) if chunked; the dimensions exist already."""
    packing = {"chunks": chunks, "compression": "gzip", "compression_opts": GZIP_LEVEL, "shuffle": True}
    return file.create_variable(name, dims, dtype, **(packing if chunks else {}))


def _digest(arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> str:
    """Sha256 over a film's arrays (name, type, shape, little-endian values) and attributes."""
    digest = hashlib.sha256(json.dumps(attributes, sort_keys=True).encode())
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def encode_point(point: Point, film: Any) -> bytes:
    """A film as the bytes of its netCDF-4 file, the same for the same film wherever and whenever it is made.

    Parameters
    ----------
    point : Point
        What was simulated.
    film : Any
        What came out, with an attribute for every variable of the model (see `weiss.models`) but the pattern.

    Raises
    ------
    ValueError
        If an array has not the shape that the point says, or holds values that are not finite and must be.
    """
    import h5netcdf

    model = models.stored(point.model)
    kinds = models.variables(point.model, point.params)
    names = models.arrays(point.model, point.params)
    arrays = {name: np.asarray(getattr(film, name), dtype=kinds[name].dtype) for name in names if name != "pattern"}
    sizes = _sizes(point, kinds, arrays, model.sizes(point.params))
    for name in model.FINITE:
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"film {point.id} holds values that are not finite ({name})")
    if "pattern" in kinds:
        arrays["pattern"] = np.asarray(model.picture(arrays), dtype=kinds["pattern"].dtype)
        sizes |= _sizes(point, kinds, {"pattern": arrays["pattern"]}, sizes)
    attributes: dict[str, Any] = {
        "id": point.id,
        "model": point.model,
        "params": canonical_json(point.params),
        "seed": int(point.seed),
        "sim_version": int(models.sim_version(point.model)),
    }
    attributes |= {
        name: _CASTS[kinds[name].dtype](getattr(film, name)) for name in models.scalars(point.model, point.params)
    }
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        file.dimensions = sizes
        for name in names:
            kind, values = kinds[name], arrays[name]
            variable = create_variable(file, name, kind.dims, kind.dtype, values.shape)
            variable[...] = values
            variable.attrs["units"], variable.attrs["long_name"] = kind.units, kind.long_name
        for name, value in attributes.items():
            file.attrs[name] = value
        file.attrs["digest"] = _digest(arrays, attributes)
    data = buffer.getvalue()
    return data + _seal(data)


def _sizes(
    point: Point, kinds: Mapping[str, Variable], arrays: Mapping[str, np.ndarray], fixed: Mapping[str, int]
) -> dict[str, int]:
    """Length of every dimension of a film's arrays, in the order in which they come."""
    sizes: dict[str, int] = {}
    for name, values in arrays.items():
        dims = kinds[name].dims
        expected = tuple(sizes.get(dim, fixed.get(dim)) for dim in dims)
        if len(values.shape) != len(dims) or any(
            size not in (length, None) for length, size in zip(values.shape, expected, strict=True)
        ):
            raise ValueError(f"film {point.id}: {name} has shape {values.shape}, its point says {expected}")
        sizes |= dict(zip(dims, values.shape, strict=True))
    return sizes


def _seal(data: bytes) -> bytes:
    """Checksum that ends a film's file; HDF5 ignores what stands behind its own end.

    The HDF5 library may not only fail but hang on a damaged file, so nothing is handed to it before this is checked.
    """
    return f"\nweiss sha256 {hashlib.sha256(data).hexdigest()}\n".encode()


def decode_point(data: bytes, expected_id: str) -> dict[str, Any]:
    """Read a film from the bytes of its file and verify it.

    Returns
    -------
    dict
        The variables of the model by name, and id, model, params (a dict), seed, sim_version, digest.

    Raises
    ------
    DamagedFile
        If the bytes are not a whole film as it was written, or it is another film.
    """
    import h5py

    if data[-_SEAL_LENGTH:] != _seal(data[:-_SEAL_LENGTH]):
        raise DamagedFile("its bytes do not fit its checksum")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            model = str(file.attrs["model"])
            params = json.loads(file.attrs["params"])
            variables = models.variables(model, params)
            kinds = _IDENTITY | {name: _CASTS[variables[name].dtype] for name in models.scalars(model, params)}
            arrays = {name: np.asarray(file[name][...]) for name in models.arrays(model, params)}
            attributes = {name: kind(np.asarray(file.attrs[name]).item()) for name, kind in kinds.items()}
            digest = str(file.attrs["digest"])
        sound = digest == _digest(arrays, attributes)
    except Exception as error:  # the library raises whatever it likes on a file of another kind
        raise DamagedFile(f"not readable as a film ({type(error).__name__})") from error
    if not sound:
        raise DamagedFile("its content does not fit its digest")
    if attributes["id"] != expected_id:
        raise DamagedFile(f"it holds film {attributes['id']}")
    return arrays | attributes | {"params": params, "digest": digest}


def _read_bytes(path: Path) -> bytes:
    """The whole file. A folder in its place is damage; a file that may not be read is the user's to put right."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        raise DamagedFile("it is a folder") from error
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", str(path), "check the file system and permissions") from error


def read_point(path: Path) -> dict[str, Any]:
    """Read and verify one film; see `decode_point`.

    Raises
    ------
    DamagedFile
        If it is not a whole film, or not the one its name says.
    FileNotFoundError
        If it is not there.
    UserError
        If it may not be read.
    """
    path = Path(path)
    return decode_point(_read_bytes(path), path.stem)


def _record(point_id: str, data: bytes) -> dict[str, Any]:
    return {"id": point_id, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def point_record(results: Path, point_id: str) -> dict[str, Any]:
    """Id, sha256 and size in bytes of a film on disk, after verifying it; raises as `read_point` does."""
    data = _read_bytes(paths.point_file(results, point_id))
    decode_point(data, point_id)
    return _record(point_id, data)


def point_state(results: Path, point_id: str) -> str:
    """ "ok", "missing" or "damaged"; reads and verifies the whole file."""
    try:
        read_point(paths.point_file(results, point_id))
    except FileNotFoundError:
        return "missing"
    except DamagedFile:
        return "damaged"
    return "ok"


def write_point(results: Path, point: Point, film: Any) -> dict[str, Any]:
    """Write one film atomically.

    Returns
    -------
    dict
        id, sha256 and bytes of the file, as manifests hold them.

    Raises
    ------
    UserError
        If it cannot be written.
    ValueError
        If the film does not fit its point.
    """
    data = encode_point(point, film)
    atomic_write(paths.point_file(results, point.id), data)
    return _record(point.id, data)


def append_computed(path: Path, entry: Mapping[str, Any]) -> None:
    """Add one line to the log of computed films, in a single write to the end of the file.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    path = Path(path)
    line = (json.dumps(entry, sort_keys=True) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                # A line torn by a full disk must not swallow this one. What looks torn may be another process's line on
                # its way (a write that crosses a page shows its first part): then this leaves an empty line, no more.
                line = b"\n" + line
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise cannot_write(error, path) from error


def read_computed(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a log of computed films, oldest first; none if there is no log."""
    try:
        lines = Path(path).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # torn
            continue
        if isinstance(entry, dict) and "id" in entry:
            entries.append(entry)
    return entries


def write_manifest(results: Path, study_name: str, shard: Shard) -> None:
    """Verify every film of a finished shard and write its manifest.

    Timings come from the shard's log; a film that another study computed has none (null).

    Raises
    ------
    DamagedFile, FileNotFoundError
        If a film is not sound or not there.
    UserError
        If the manifest cannot be written.
    """
    runs = {entry["id"]: entry for entry in read_computed(paths.computed_log(results, study_name, shard.id))}
    points = [
        point_record(results, point.id)
        | {key: runs.get(point.id, {}).get(key) for key in ("seconds", "host", "device", "evaluations")}
        for point in shard.points
    ]
    content = {"shard": shard.id, "group": shard.group, "label": shard.label, "digest": shard.digest, "points": points}
    atomic_json(paths.manifest(results, study_name, shard.id), content)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest.

    Raises
    ------
    DamagedFile
        If it is not a manifest.
    FileNotFoundError
        If it is not there.
    UserError
        If it may not be read.
    """
    try:
        content = json.loads(_read_bytes(Path(path)))
    except (ValueError, RecursionError) as error:
        raise DamagedFile("it is not JSON") from error
    points = content.get("points") if isinstance(content, dict) else None
    if not isinstance(points, list) or not all(_is_record(record) for record in points):
        raise DamagedFile("it is not a manifest")
    return content


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("id"), str)
        and isinstance(record.get("sha256"), str)
        and isinstance(record.get("bytes"), int)
    )


def manifest_fault(results: Path, study_name: str, shard: Shard) -> str | None:
    """Why a shard's manifest cannot be trusted, or None. Cheap: reads the manifest, only asks for the films' sizes."""
    try:
        content = read_manifest(paths.manifest(results, study_name, shard.id))
    except FileNotFoundError:
        return "it is missing"
    except DamagedFile as fault:
        return str(fault)
    if content.get("shard") != shard.id:
        return f"it is of shard {content.get('shard')}"
    if sorted(record["id"] for record in content["points"]) != sorted(point.id for point in shard.points):
        return "the study now has other films in this shard"
    for record in content["points"]:
        try:
            size = os.stat(paths.point_file(results, record["id"])).st_size
        except FileNotFoundError:
            return f"film {record['id']} is missing"
        if size != record["bytes"]:
            return f"film {record['id']} has {size} bytes instead of {record['bytes']}"
    return None


def is_current(record: Path, digest: str) -> bool:
    """Whether a job's closing JSON file is there and was written for this very job.

    Parameters
    ----------
    record : Path
        What the job writes last: a manifest, ``result.json`` or ``metrics.json``.
    digest : str
        The job's digest, as the study stands now.
    """
    try:
        return json.loads(record.read_text(encoding="utf-8"))["digest"] == digest
    except (OSError, ValueError, KeyError, TypeError):
        return False


def drop_unsound_manifests(study: Study, results: Path, dry_run: bool = False) -> list[str]:
    """Remove manifests that do not describe what is on disk, so that their shards run again; says so on stderr.

    Nothing is lost: a shard that runs again computes only films that are missing or damaged.

    Parameters
    ----------
    study : Study
        Whose manifests.
    results : Path
        Results folder.
    dry_run : bool
        Only say what would be removed.

    Returns
    -------
    list of str
        Ids of these shards.

    Raises
    ------
    UserError
        If a manifest cannot be read or removed.
    """
    dropped = []
    for shard in study.shards.values():
        path = paths.manifest(results, study.name, shard.id)
        if not os.path.lexists(path):
            continue
        fault = manifest_fault(results, study.name, shard)
        if fault is None:
            continue
        dropped.append(shard.id)
        action = "would be removed" if dry_run else "removed"
        print(f"weiss: {path}: {fault}; {action}, shard {shard.label} runs again", file=sys.stderr)
        if not dry_run:
            remove_manifest(path)
    return dropped


def remove_manifest(path: Path) -> None:
    """Remove a manifest, if it is there; a folder in its place is set aside.

    Raises
    ------
    UserError
        If it cannot be removed.
    """
    try:
        if Path(path).is_dir():
            set_aside(path)
        else:
            Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(error, Path(path)) from error
