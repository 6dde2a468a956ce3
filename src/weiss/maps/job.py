"""The map job: films of a dataset and a trained network in, ``maps.h5`` and ``metrics.json`` out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

import weiss
from weiss import paths
from weiss.atomic import atomic_hdf5, atomic_json
from weiss.errors import UserError
from weiss.gather import require_good
from weiss.learn import predict
from weiss.learn.records import sha256_of
from weiss.maps import precision
from weiss.maps.metrics import film_metrics
from weiss.maps.network import reader
from weiss.maps.progress import progress
from weiss.maps.sliding import slide
from weiss.maps.truth import training_median, true_map
from weiss.maps.version import MAPS_VERSION
from weiss.models import describe
from weiss.patterns.windows import grid_of
from weiss.study import Group, MapJob, Point, Study

CPU_BATCH = 256
"""Most windows at once on a CPU: larger batches leave its caches and were up to twice as slow."""


@dataclass(frozen=True)
class FilmMap:
    """One film and what was read from it.

    Attributes
    ----------
    point : Point
    pattern : ndarray of int8, shape (ny, nx)
    read, true : dict of str to ndarray of float32, shape (rows, columns)
        By target, in its units.
    """

    point: Point
    pattern: NDArray[np.int8]
    read: dict[str, NDArray[np.float32]]
    true: dict[str, NDArray[np.float32]]


def run(study: Study, map_id: str, results: Path, device: str = "cpu", threads: int = 1) -> None:
    """Slide one trained network over the films of a group.

    Parameters
    ----------
    study : Study
    map_id : str
        A key of ``study.maps``.
    results : Path
        Results root.
    device : {"cpu", "gpu"}
    threads : int
        CPU threads.

    Raises
    ------
    UserError
        If the dataset or the trained network is missing, damaged, or not the one the study describes; if a reduced
        precision is asked for on a CPU, or changes a map too much; if a batch does not fit the GPU's memory.
    """
    job = study.maps[map_id]
    group = study.groups[job.films]
    checkpoint = paths.training(results, study.name, job.training.id) / "best.pt"
    folder = paths.maps(results, study.name, job.id)
    if _finished(folder, job, checkpoint):
        print(f"map {job.id}: finished already, nothing to do", file=sys.stderr)
        return
    films = _films(paths.dataset(results, study.name, job.films), job, group)
    estimator = predict.load(checkpoint, device=device)
    _check(estimator, job, checkpoint)
    _check_precision(job, estimator.device)
    on_gpu = estimator.device.type == "cuda"
    targets, learned = job.training.targets, _learned(study, job)
    spreads = {target: precision.spread(condition[target] for condition in learned) for target in targets}
    batch = job.batch if on_gpu else min(job.batch, CPU_BATCH)
    fill = batch if on_gpu else predict.BLOCK
    network = reader(estimator.module, job.precision, fill, estimator.scales)
    exact = None if job.precision == "float32" else reader(estimator.module, "float32", fill, estimator.scales)
    print(f"map {job.id}: {len(job.points)} films of group {job.films!r} on {estimator.device}", file=sys.stderr)
    start = perf_counter()
    maps, changes = [], []
    with _threads(threads), _memory_for(batch):
        for number, (point, pattern) in enumerate(films, 1):
            sliding = {"pattern": pattern, "window": job.training.window, "batch": batch, "device": estimator.device}
            windows = int(np.prod([grid_of(length, job.stride).size for length in pattern.shape]))
            with progress(windows, f"film {number}/{len(job.points)}", "windows") as tick:
                values = slide(network, stride=job.stride, progress=tick, **sliding)
            precision.require_finite(values, job.precision, point.id)
            if exact is not None:
                step = precision.sample_step(*values.shape[1:])
                change = values[:, ::step, ::step] - slide(exact, stride=job.stride * step, **sliding)
                precision.require_small(change, spreads, job.precision, point.id)
                changes.append(change)
            read = dict(zip(targets, values, strict=True))
            true = {
                target: true_map(group.model, target, point.params)[:: job.stride, :: job.stride].astype(np.float32)
                for target in read
            }
            maps.append(FilmMap(point, pattern, read, true))
    seconds = perf_counter() - start
    # Gone first: it vouches for the maps.
    (folder / "metrics.json").unlink(missing_ok=True)
    _write(folder / "maps.h5", study, job, group, maps)
    windows = sum(film.read[targets[0]].size for film in maps)
    timing = {
        "seconds": round(seconds, 3),
        "windows": windows,
        "windows_per_second": round(windows / seconds, 1),
        "device": str(estimator.device),
        "threads": threads,
    }
    baseline = {target: training_median(learned, target) for target in targets}
    found = summary(job, group, maps, baseline)
    found |= {"precision": precision.summary(job.precision, changes, targets), "timing": timing}
    found |= {"network_sha256": sha256_of(checkpoint), "maps_sha256": sha256_of(folder / "maps.h5")}
    atomic_json(folder / "metrics.json", found)


def _finished(folder: Path, job: MapJob, checkpoint: Path) -> bool:
    """Whether the folder holds the maps of this very job, whole, and made by the network as it is now."""
    try:
        made = json.loads((folder / "metrics.json").read_bytes())
        return made["digest"] == job.digest and all(
            made[key] == sha256_of(file)
            for key, file in (("network_sha256", checkpoint), ("maps_sha256", folder / "maps.h5"))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def summary(job: MapJob, group: Group, maps: list[FilmMap], baseline: dict[str, float]) -> dict:
    """Judge the maps of a job.

    Parameters
    ----------
    job : MapJob
    group : Group
        The films' group.
    maps : list of FilmMap
    baseline : dict of str to float
        Median of the training values by target.

    Returns
    -------
    dict
        Contents of ``metrics.json`` but for the precision and the timing.
    """
    training = job.training
    films = [
        {
            "point": film.point.id,
            "condition": dict(film.point.condition),
            "seed": film.point.seed,
            "inner_margin": group.inner_margin,
            "targets": {
                target: film_metrics(
                    film.read[target],
                    film.true[target],
                    baseline[target],
                    film.pattern.shape,
                    group.inner_margin,
                    training.window,
                    job.stride,
                )
                for target in training.targets
            },
        }
        for film in maps
    ]
    return {
        "map": job.id,
        "digest": job.digest,
        "maps_version": MAPS_VERSION,
        "network": training.network,
        "n_data": training.n_data,
        "repeat": training.repeat,
        "group": job.films,
        "window": training.window,
        "stride": job.stride,
        "targets": list(training.targets),
        "baseline": baseline,
        "films": films,
    }


def _films(path: Path, job: MapJob, group: Group) -> Iterator[tuple[Point, NDArray[np.int8]]]:
    """Give the films of a job one by one, in the order of the job; nothing is read before the first is asked for."""
    import xarray as xr

    again = "gather the films again (`weiss gather`)"
    if not path.exists():
        raise UserError("no such dataset", str(path), "gather the films first (`weiss gather`, or run the workflow)")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as data:
            row_of = {str(point): row for row, point in enumerate(data["point"].values.astype(str))}
            require_good(data, [row_of[point] for point in job.points if point in row_of], path)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"the dataset cannot be read ({error})", str(path), again) from error
    points = {point.id: point for point in group.points}
    if absent := [point for point in job.points if point not in row_of]:
        raise UserError(
            f"{len(absent)} of {len(job.points)} films are not in it, {absent[0]} among them", str(path), again
        )

    def read() -> Iterator[tuple[Point, NDArray[np.int8]]]:
        with xr.open_dataset(path, engine="h5netcdf") as data:
            for key in job.points:
                try:
                    pattern = data["pattern"].isel(film=row_of[key]).values.astype(np.int8)
                except (OSError, KeyError, ValueError, RuntimeError) as error:
                    raise UserError(f"film {key} cannot be read ({error})", str(path), again) from error
                if pattern.shape != tuple(group.grid) or not (np.abs(pattern) == 1).all():
                    raise UserError(f"film {key} is no pattern of +1 and -1 on {group.grid} cells", str(path), again)
                yield points[key], pattern

    return read()


def _check(estimator: predict.Estimator, job: MapJob, checkpoint: Path) -> None:
    """Stop if the trained network on disk is not the one this job maps with."""
    training = job.training
    expected = (training.digest, tuple(training.targets), training.window)
    if (estimator.digest, tuple(estimator.targets), estimator.window) != expected:
        raise UserError(
            f"this network was trained for another study: its digest is {estimator.digest}, not {training.digest}",
            str(checkpoint),
            f"train {training.id} again",
        )


def _check_precision(job: MapJob, device: torch.device) -> None:
    """Stop if a reduced precision would run where it saves nothing."""
    if job.precision != "float32" and device.type != "cuda":
        raise UserError(
            f"precision {job.precision} needs a GPU", "maps.precision", "use float32, or run the maps with --device gpu"
        )


def _learned(study: Study, job: MapJob) -> list[dict[str, float]]:
    """Give the conditions of the films the network learned from."""
    conditions = {point.id: point.condition for point in study.groups[job.training.data].points}
    return [conditions[point] for point in job.training.points["train"]]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _memory_for(batch: int) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"the GPU has no memory for {batch} windows at once", "maps.batch", "make it smaller"
        ) from error


def _write(path: Path, study: Study, job: MapJob, group: Group, maps: list[FilmMap]) -> None:
    """Write ``maps.h5``: netCDF-4 with dimensions film, y, x, and the same bytes for the same content.

    With a stride above 1 the maps' ``y`` and ``x`` count their own grid (coordinate values stay film cells) and the
    pattern has dimensions ``y_cell``, ``x_cell``.
    """
    ny, nx = group.grid
    y, x = grid_of(ny, job.stride), grid_of(nx, job.stride)
    fine = ("y", "x") if job.stride == 1 else ("y_cell", "x_cell")
    units = describe(group.model, group.parameters) | describe(group.model, job.training.targets)
    with atomic_hdf5(path) as (file, check):
        file.attrs.update(
            {
                "title": f"{study.title}: parameter maps by {job.training.id}",
                "study": study.name,
                "map": job.id,
                "group": job.films,
                "config_digest": job.digest,
                "maps_version": MAPS_VERSION,
                "window": job.training.window,
                "stride": job.stride,
                "precision": job.precision,
                "inner_margin": -1 if group.inner_margin is None else group.inner_margin,
                "training": json.dumps({"id": job.training.id, "digest": job.training.digest}, sort_keys=True),
                "weiss_version": weiss.__version__,
            }
        )
        file.dimensions = {"film": len(maps), "y": y.size, "x": x.size} | dict(zip(fine, (ny, nx), strict=True))

        def put(name: str, dims: tuple[str, ...], data: NDArray, unit: str, long_name: str) -> None:
            compress = {"compression": "gzip", "shuffle": True} if data.ndim > 1 else {}
            variable = file.create_variable(name, dims, data=data, **compress)
            variable.attrs.update({"units": unit, "long_name": long_name})
            if data.ndim > 1:
                variable.attrs["coordinates"] = " ".join(("point", "seed", *group.parameters))
            check()

        put("y", ("y",), y, "cells", "row of the film at the centre of the window")
        put("x", ("x",), x, "cells", "column of the film at the centre of the window")
        if job.stride > 1:
            put("y_cell", ("y_cell",), np.arange(ny), "cells", "row of the film")
            put("x_cell", ("x_cell",), np.arange(nx), "cells", "column of the film")
        ids = np.array([film.point.id for film in maps], dtype=np.bytes_)
        put("point", ("film",), ids.astype("S16"), "1", "point id")
        put("seed", ("film",), np.array([film.point.seed for film in maps], dtype=np.int64), "1", "seed")
        for name in group.parameters:
            values = np.array([film.point.condition.get(name, np.nan) for film in maps], dtype=np.float64)
            put(name, ("film",), values, *units[name])
        put("pattern", ("film", *fine), np.stack([film.pattern for film in maps]), "1", "domain pattern, sign of m")
        for target in job.training.targets:
            unit, long_name = units[target]
            read = np.stack([film.read[target] for film in maps])
            true = np.stack([film.true[target] for film in maps])
            put(f"{target}_map", ("film", "y", "x"), read, unit, f"{long_name}, read in a window")
            put(f"{target}_true", ("film", "y", "x"), true, unit, f"{long_name}, true value")
