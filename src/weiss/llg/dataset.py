"""States as xarray Datasets with units, and as netCDF files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weiss.atomic import atomic_hdf5
from weiss.errors import UserError
from weiss.llg.geometry import centres
from weiss.llg.mesh import AXES, Mesh

if TYPE_CHECKING:
    import xarray

DIMS = ("component", "z", "y", "x")


def to_dataset(m: np.ndarray, mesh: Mesh) -> xarray.Dataset:
    """States with their coordinates.

    Parameters
    ----------
    m : (3, nz, ny, nx) or (films, 3, nz, ny, nx) ndarray
        One state, or a batch of them.
    mesh : Mesh

    Returns
    -------
    xarray.Dataset
        Variable `m` (dimensionless) over component, z, y, x, and over film first for a batch; cell centres in m. The
        mesh is in the attributes `cells`, `cell_m` and `periodic`, by x, y, z.

    Raises
    ------
    UserError
        If the shape of m is not that of the mesh.
    """
    import xarray

    m = np.asarray(m)
    dims = DIMS if m.ndim == 4 else ("film", *DIMS)
    if m.shape[-4:] != (3, *mesh.shape) or m.ndim not in (4, 5):
        raise UserError(f"states of shape {m.shape} on a mesh {mesh.shape}", fix="give (3, nz, ny, nx) for each film")
    coordinates = {
        axis: (axis, centres(mesh, axis), {"units": "m", "long_name": f"position of the cell's centre along {axis}"})
        for axis in AXES
    }
    coordinates["component"] = ("component", list(AXES), {"long_name": "component of the vector"})
    if m.ndim == 5:
        coordinates["film"] = ("film", np.arange(len(m), dtype=np.int32), {"units": "1", "long_name": "film"})
    return xarray.Dataset(
        {"m": (dims, m, {"units": "1", "long_name": "reduced magnetisation; 0 in vacuum"})},
        coordinates,
        {
            "cells": np.array(mesh.cells, np.int32),
            "cell_m": np.array(mesh.cell),
            "periodic": np.array(mesh.periodic, np.int32),
        },
    )


def to_states(dataset: xarray.Dataset, where: str | None = None) -> tuple[np.ndarray, Mesh]:
    """The states of a dataset made by `to_dataset`, whole or reduced to some of its films, and their mesh.

    Raises
    ------
    UserError
        If it is not such a dataset.
    """
    missing = [name for name in ("cells", "cell_m", "periodic") if name not in dataset.attrs]
    if missing or "m" not in dataset or not set(dataset["m"].dims) - {"film"} == set(DIMS):
        raise UserError("not a dataset of magnetic states", where, "give one made by weiss.llg.dataset")
    mesh = Mesh(*(tuple(np.asarray(dataset.attrs[name]).tolist()) for name in ("cells", "cell_m", "periodic")))
    m = dataset["m"].transpose("film", *DIMS, missing_dims="ignore").values
    if m.shape[-4:] != (3, *mesh.shape):
        raise UserError(f"m has the shape {m.shape}, its mesh {mesh.shape}", where, "cut out films only, no cells")
    if not np.isfinite(m).all():
        raise UserError("holds numbers that are not finite", where)
    return m, mesh


def write(path: Path, dataset: xarray.Dataset) -> None:
    """Write a dataset of states as netCDF-4, whole or not at all; the same states give the same bytes.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    import h5py

    with atomic_hdf5(Path(path)) as (file, check):
        file.dimensions = dict(dataset.sizes)
        for name, variable in dataset.variables.items():
            values = np.asarray(variable.values)
            dtype = values.dtype if values.dtype.kind in "fi" else h5py.string_dtype()
            stored = file.create_variable(name, variable.dims, dtype, data=values.astype(dtype))
            for key, value in variable.attrs.items():
                stored.attrs[key] = value
            check()
        for key, value in dataset.attrs.items():
            file.attrs[key] = value


def read(path: Path) -> xarray.Dataset:
    """Read a file that `write` made, into memory.

    Raises
    ------
    UserError
        If it is not there or not a netCDF-4 file.
    """
    import xarray

    try:
        return xarray.load_dataset(path, engine="h5netcdf")
    except FileNotFoundError as error:
        raise UserError("no such file", str(path)) from error
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"not readable as netCDF-4 ({error})", str(path)) from error
