"""All films of a group in one file that xarray, netCDF and HDF5 tools read."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import weiss
from weiss import models, paths, store
from weiss.errors import UserError
from weiss.study import Group, Point, Study, canonical_json

if TYPE_CHECKING:
    import h5netcdf
    import xarray

    from weiss.variables import Variable

_AGAIN = "run the same command again: what is sound is kept, the rest is simulated"


def run(study: Study, group_name: str, results: Path) -> None:
    """Verify the films of a group against their manifests and gather them, film by film.

    The file depends on the films and the study's description of them only: gathered again, it has the same bytes.

    Parameters
    ----------
    study : Study
        The study.
    group_name : str
        Which group of it.
    results : Path
        Results folder.

    Raises
    ------
    UserError
        If there is no such group, if films are missing or damaged (these and their manifests are moved out of the way,
        so that the same command run again makes them anew), or if the dataset cannot be written.
    """
    if group_name not in study.groups:
        raise UserError(
            f"no group named {group_name!r} in this study", str(study.path), f"groups: {', '.join(study.groups)}"
        )
    group = study.groups[group_name]
    path, summary = (
        paths.dataset(results, study.name, group.name),
        paths.dataset_summary(results, study.name, group.name),
    )
    store.remove_stale_temporaries([path, summary])
    _verify(study, group, results)
    with store.atomic_hdf5(path) as (file, check):
        _write(file, check, study, group, results)
    store.atomic_json(
        summary,
        {
            "study": study.name,
            "group": group.name,
            "digest": group.digest,
            "model": group.model,
            "sim_version": models.sim_version(group.model),
            "sha256": _sha256(path),
            "bytes": path.stat().st_size,
            "points": [point.id for point in group.points],
        },
    )
    print(f"{path}: {len(group.points)} films", file=sys.stderr)


def open_dataset(path: Path) -> xarray.Dataset:
    """Open a gathered dataset; arrays are read when they are asked for.

    Use it in a `with` block, which closes the file.

    Raises
    ------
    UserError
        If it is not there or not a dataset.
    """
    import xarray

    try:
        return xarray.open_dataset(path, engine="h5netcdf")
    except FileNotFoundError as error:
        raise UserError("no such dataset", str(path), "gather the group first (weiss gather)") from error
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"not readable as a dataset ({error})", str(path), "remove it and gather the group again"
        ) from error


def good(dataset: xarray.Dataset) -> np.ndarray:
    """Which films came to the end their model means them to have, (film,) boolean."""
    return np.isin(dataset["status"].values.astype(str), models.ending(dataset.attrs["model"]).good)


def require_good(dataset: xarray.Dataset, rows: Sequence[int], path: Path) -> None:
    """Stop before a film that did not come to its end (`weiss.variables.Ending`) is taken for one that did.

    Parameters
    ----------
    dataset : xarray.Dataset
        A gathered group.
    rows : sequence of int
        Positions along `film` of the films about to be used.
    path : Path
        Where the dataset lies, for the message.

    Raises
    ------
    UserError
        If there is such a film among them: its pattern is not what the others' are.
    """
    wrong = np.flatnonzero(~good(dataset)[list(rows)])
    if wrong.size:
        row = list(rows)[wrong[0]]
        point, state = (str(dataset[name].values[row]) for name in ("point", "status"))
        words = models.ending(dataset.attrs["model"])
        raise UserError(
            f"{wrong.size} of {len(rows)} {words.films} {words.failed}, {point} ({state}) among them",
            str(path),
            f"leave their parameters out of the {words.films} to learn from or to map",
        )


def _verify(study: Study, group: Group, results: Path) -> None:
    """Compare every film with the manifest that names it; move what does not fit out of the way, then stop."""
    faults = []
    for shard in group.shards:
        manifest = paths.manifest(results, study.name, shard.id)
        fault = store.manifest_fault(results, study.name, shard)
        if fault is None:
            fault = _content_fault(results, store.read_manifest(manifest))
        if fault is not None:
            for point in shard.points:
                _set_aside_if_damaged(results, point)
            store.remove_manifest(manifest)
            faults.append(f"{manifest.name}: {fault}")
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        what = f"the films are not complete and sound: {faults[0]}{more}"
        raise UserError(what, f"{study.name}, group {group.name}", _AGAIN)


def _content_fault(results: Path, manifest: dict[str, Any]) -> str | None:
    for record in manifest["points"]:
        if _sha256(paths.point_file(results, record["id"])) != record["sha256"]:
            return f"film {record['id']} is not the one the manifest names"
    return None


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _set_aside_if_damaged(results: Path, point: Point) -> None:
    # A sound film made anew elsewhere also differs from the manifest: then only the manifest is out of date.
    if store.point_state(results, point.id) == "damaged":
        path = paths.point_file(results, point.id)
        aside = store.set_aside(path)
        print(f"weiss: {path}: damaged; kept as {aside.name if aside else 'nothing'}", file=sys.stderr)


def _read(films: tuple[Point, ...], results: Path) -> Iterator[dict[str, Any]]:
    for point in films:
        path = paths.point_file(results, point.id)
        try:
            yield store.read_point(path)
        except (store.DamagedFile, FileNotFoundError) as fault:
            raise UserError(f"changed while it was gathered ({fault})", str(path), _AGAIN) from fault


def _write(file: h5netcdf.File, check: Callable[[], None], study: Study, group: Group, results: Path) -> None:
    """Films in the group's order: by parameters, then seed."""
    import h5py

    films, text, kind_of = group.points, h5py.string_dtype(), (group.model, group.points[0].params)
    kinds, arrays, scalars = models.variables(*kind_of), models.arrays(*kind_of), models.scalars(*kind_of)
    columns: dict[str, list[Any]] = {name: [] for name in scalars}
    variables: dict[str, Any] = {}
    for row, film in enumerate(_read(films, results)):
        if not variables:
            sizes = {dim: size for name in arrays for dim, size in zip(kinds[name].dims, film[name].shape, strict=True)}
            file.dimensions = {"film": len(films)} | sizes
            variables = {name: _film_variable(file, name, kinds[name]) for name in arrays}
        for name in arrays:
            variables[name][row] = film[name]
        for name in scalars:
            columns[name].append(film[name])
        check()
        if (row + 1) % 500 == 0:
            print(f"{group.name}: {row + 1} of {len(films)} films", file=sys.stderr, flush=True)
    for name, values in columns.items():
        kind = kinds[name]
        _add(file, name, ("film",), text if kind.dtype == "str" else kind.dtype, values, kind.units, kind.long_name)
    for name, (units, long_name) in models.describe(group.model, group.parameters).items():
        values = [point.condition[name] for point in films]
        _add(file, name, ("film",), "<f8", values, units, long_name)
    _add(
        file, "seed", ("film",), "<i8", [point.seed for point in films], "1", "seed of the initial state and the noise"
    )
    _add(file, "point", ("film",), text, [point.id for point in films], "1", "id of the film")
    for axis, along in models.stored(group.model).coordinates(films[0].params).items():
        dtype = text if along.dtype == "str" else along.dtype
        _add(file, axis, (axis,), dtype, along.values, along.units, along.long_name)
    coordinates = " ".join((*group.parameters, "seed", "point"))
    for name in kinds:
        file.variables[name].attrs["coordinates"] = coordinates
    for name, value in _description(study, group).items():
        file.attrs[name] = value
    check()


def _film_variable(file: h5netcdf.File, name: str, kind: Variable) -> h5netcdf.Variable:
    """One film per chunk: what is read together lies together."""
    chunks = (1, *(len(file.dimensions[dim]) for dim in kind.dims))
    variable = store.create_variable(file, name, ("film", *kind.dims), kind.dtype, chunks)
    variable.attrs["units"], variable.attrs["long_name"] = kind.units, kind.long_name
    return variable


def _add(
    file: h5netcdf.File, name: str, dims: tuple[str, ...], dtype: Any, values: Any, units: str, long_name: str
) -> None:
    variable = store.create_variable(file, name, dims, dtype)
    variable[...] = np.asarray(values, dtype=object if isinstance(values[0], str) else dtype)
    variable.attrs["units"], variable.attrs["long_name"] = units, long_name


def _description(study: Study, group: Group) -> dict[str, Any]:
    settings = {name: value for name, value in group.points[0].params.items() if name not in group.parameters}
    return {
        "title": study.title,
        "study": study.name,
        "group": group.name,
        "model": group.model,
        "sim_version": models.sim_version(group.model),
        "settings": canonical_json(settings),
        "config_digest": group.digest,
        "weiss_version": weiss.__version__,
    }
