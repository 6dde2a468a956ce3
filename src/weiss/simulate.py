"""One shard: compute the films that are missing, keep each as it finishes, and end with a manifest."""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weiss import limits, models, paths, store
from weiss.errors import SimulationError, UserError
from weiss.study import Point, Shard, Study


def run(
    study: Study,
    shard_id: str,
    results: Path,
    device: str = "cpu",
    threads: int = 1,
    solver: models.Solver | None = None,
) -> None:
    """Bring one shard to its end, from wherever an earlier run left it.

    Parameters
    ----------
    study : Study
        The study.
    shard_id : str
        Which shard of it.
    results : Path
        Results folder.
    device : str
        "cpu" or "gpu".
    threads : int
        CPU threads.
    solver : Callable, optional
        In place of the solver of the films' model; see `weiss.models.solver`.

    Raises
    ------
    UserError
        If there is no such shard, a film cannot be simulated, or something cannot be written. Films that finished
        before stay; there is no manifest then.
    """
    if shard_id not in study.shards:
        raise UserError(f"no shard named {shard_id!r} in this study", str(study.path), "see `weiss plan` for the names")
    shard = study.shards[shard_id]
    manifest = paths.manifest(results, study.name, shard.id)
    store.remove_stale_temporaries([*(paths.point_file(results, point.id) for point in shard.points), manifest])
    missing = [point for point in shard.points if not _on_disk(results, point)]
    _say(
        f"{shard.label}: {len(shard.points)} films, {len(shard.points) - len(missing)} on disk, "
        f"{len(missing)} to simulate on {device}"
    )
    if missing:
        for line in limits.doubts(missing[0].model, [point.params for point in missing]):
            _say(f"weiss: warning: {line}")
        _simulate(study.name, shard, missing, results, device, threads, solver or models.solver(missing[0].model))
    try:
        store.write_manifest(results, study.name, shard)
    except (store.DamagedFile, FileNotFoundError) as error:
        raise UserError(
            f"a film of this shard was lost or damaged while it ran ({error})",
            shard.label,
            "run the same command again",
        ) from error
    _say(f"{shard.label}: complete")


def _simulate(
    study_name: str,
    shard: Shard,
    missing: list[Point],
    results: Path,
    device: str,
    threads: int,
    solver: models.Solver,
) -> None:
    log = paths.computed_log(results, study_name, shard.id)
    done, total = len(shard.points) - len(missing), len(shard.points)
    try:
        for index, film in solver([(dict(point.params), point.seed) for point in missing], device, threads):
            point = missing[index]
            done += 1
            # A job whose workflow was killed may still run beside this one: the first to finish a film has written it.
            if store.point_state(results, point.id) == "ok":
                _say(f"[{done}/{total}] {_name(point)}: another process was first")
                continue
            store.write_point(results, point, film)
            store.append_computed(log, _log_entry(point, film, device))
            _say(f"[{done}/{total}] {_name(point)}: {_outcome(film)}, {film.seconds:.1f} s")
    except SimulationError as error:
        raise UserError(
            f"film {_name(missing[error.index])} failed: {error.message}",
            f"shard {shard.id}",
            "finished films are kept; change the study's parameters or numerics, or leave this film out",
        ) from error


def _on_disk(results: Path, point: Point) -> bool:
    """Whether a sound film is there; a damaged one is set aside."""
    path = paths.point_file(results, point.id)
    try:
        store.read_point(path)
    except FileNotFoundError:
        return False
    except store.DamagedFile as fault:
        aside = store.set_aside(path)
        _say(f"{path}: {fault}; kept as {aside.name if aside else 'nothing'}, to be simulated again")
        return False
    return True


def _log_entry(point: Point, film: Any, device: str) -> dict[str, Any]:
    counts = {
        name: kind
        for name, kind in models.variables(point.model, point.params).items()
        if kind.dtype == "<i8" and not kind.dims
    }
    return {name: int(getattr(film, name)) for name in counts} | {
        "id": point.id,
        "seconds": float(film.seconds),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "device": device,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _outcome(film: Any) -> str:
    """How a film ended: its status, with the reason or the evaluations where its model says them."""
    if getattr(film, "reason", ""):
        return f"{film.status} ({film.reason})"
    return f"{film.status} after {film.evaluations} evaluations" if hasattr(film, "evaluations") else film.status


def _name(point: Point) -> str:
    condition = ", ".join(f"{name}={value:g}" for name, value in point.condition.items())
    return f"{point.id} ({condition}, seed={point.seed})"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
