"""What a study will do, what of it is there, and what the rest will cost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weiss import costs, models, paths
from weiss.curve_trainings import CurveTraining
from weiss.store import is_current
from weiss.study import Group, Study, Training

SHARDS_SHOWN = 12

Recorded = dict[str, tuple[str, float]]


def run(study: Study, results: Path, as_json: bool = False) -> None:
    """Print the plan of a study.

    Parameters
    ----------
    study : Study
    results : Path
        Results folder; it need not exist.
    as_json : bool
        Print the plan as JSON instead of tables.
    """
    found = plan(study, results)
    print(json.dumps(found, indent=2, sort_keys=True) if as_json else text(found))


def plan(study: Study, results: Path) -> dict[str, Any]:
    """Count what a study consists of and what is on disk, and estimate the rest.

    Returns
    -------
    dict
        Plain values. Hours are of one GPU, and of one CPU core; bytes are of everything the study keeps.
    """
    results = Path(results)
    recorded = recorded_seconds(study, results)
    groups = [_group(study, group, results, recorded) for group in study.groups.values()]
    pretrainings, maps = _pretrainings(study, results), _maps(study, results)
    trainings = _trainings(study, results) + _curve_trainings(study, results)
    stages = {"simulate": groups, "pretrain": pretrainings, "train": trainings, "map": maps}
    hours = {
        device: {stage: sum(row[f"{device}_hours"] for row in rows) for stage, rows in stages.items()}
        for device in ("gpu", "cpu")
    }
    return {
        "study": study.name,
        "title": study.title,
        "digest": study.digest,
        "results": str(results / study.name),
        "films": groups,
        "shards": _shards(study, results),
        "pretrainings": pretrainings,
        "trainings": trainings,
        "maps": maps,
        "figures": list(study.figures),
        "totals": {
            "points": sum(row["points"] for row in groups),
            "points_present": sum(row["present"] for row in groups),
            "shards": sum(row["shards"] for row in groups),
            "shards_done": sum(row["shards_done"] for row in groups),
            "pretrainings": len(pretrainings),
            "pretrainings_done": sum(row["done"] for row in pretrainings),
            "trainings": sum(row["trainings"] for row in trainings),
            "trainings_done": sum(row["done"] for row in trainings),
            "maps": sum(row["maps"] for row in maps),
            "maps_done": sum(row["done"] for row in maps),
        },
        "warnings": list(study.warnings),
        "estimate": {
            "gpu_hours": hours["gpu"] | {"total": sum(hours["gpu"].values())},
            "cpu_core_hours": hours["cpu"] | {"total": sum(hours["cpu"].values())},
            "disk_bytes": sum(row["disk_bytes"] for rows in stages.values() for row in rows),
            "basis": _basis(groups, study),
        },
    }


# --- counting and estimating ------------------------------------------------------------------------------------------


def recorded_seconds(study: Study, results: Path) -> Recorded:
    """Read what the films of this study took where they were computed, by this study or another.

    Returns
    -------
    dict
        Point id → (device, seconds). Lines that cannot be read (a log cut off by a full disk) are passed over.
    """
    found: Recorded = {}
    for log in sorted(results.glob("*/sim/*.computed.jsonl")):
        for entry in _entries(log):
            if entry.get("id") in study.points and entry.get("device") in ("cpu", "gpu"):
                seconds = entry.get("seconds")
                if isinstance(seconds, int | float) and seconds > 0:
                    found[entry["id"]] = (entry["device"], float(seconds))
    return found


def _entries(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _correction(group: Group, recorded: Recorded, device: str) -> tuple[float, int]:
    """Recorded over modelled seconds of the films of a group, and how many films that is; 1 where none is recorded."""
    ours = [(point, recorded[point.id][1]) for point in group.points if recorded.get(point.id, ("",))[0] == device]
    if not ours:
        return 1.0, 0
    modelled = sum(costs.film_seconds(group.model, point.params, device) for point, _ in ours)
    return sum(seconds for _, seconds in ours) / modelled, len(ours)


def _group(study: Study, group: Group, results: Path, recorded: Recorded) -> dict[str, Any]:
    missing = [point for point in group.points if not paths.point_file(results, point.id).is_file()]
    row: dict[str, Any] = {
        "group": group.name,
        "model": group.model,
        "grid": list(group.grid) if group.grid else None,
        "conditions": len({tuple(point.condition.values()) for point in group.points}),
        "seeds": len({point.seed for point in group.points}),
        "points": len(group.points),
        "present": len(group.points) - len(missing),
        "shards": len(group.shards),
        "shards_done": sum(is_current(paths.manifest(results, study.name, s.id), s.digest) for s in group.shards),
        "largest_shard": max(len(shard.points) for shard in group.shards),
    }
    for device in ("gpu", "cpu"):
        factor, films = _correction(group, recorded, device)
        seconds = factor * sum(costs.film_seconds(group.model, point.params, device) for point in missing)
        row |= {f"{device}_hours": seconds / 3600, f"{device}_recorded_films": films}
    # Every film lies on disk twice: by itself, in the store all studies share, and in the gathered dataset.
    film = costs.film_bytes(group.model, group.points[0].params)
    return row | {"disk_bytes": round(2 * film * len(group.points))}


def _shards(study: Study, results: Path) -> list[dict[str, Any]]:
    return [
        {
            "shard": shard.id,
            "label": shard.label,
            "points": len(shard.points),
            "present": sum(paths.point_file(results, point.id).is_file() for point in shard.points),
            "done": is_current(paths.manifest(results, study.name, shard.id), shard.digest),
        }
        for shard in study.shards.values()
    ]


def _pretrainings(study: Study, results: Path) -> list[dict[str, Any]]:
    rows = []
    for job in study.pretrainings.values():
        done = is_current(paths.pretraining(results, study.name, job.id) / "result.json", job.digest)
        row: dict[str, Any] = {
            "pretraining": job.id,
            "images": job.settings["images"] * job.settings["epochs"],
            "done": int(done),
        }
        for device in ("gpu", "cpu"):
            seconds = 0.0 if done else costs.pretraining_seconds(job.architecture, job.window, job.settings, device)
            row[f"{device}_hours"] = seconds / 3600
        rows.append(row | {"disk_bytes": round(costs.NETWORK_MILLION_WEIGHTS[job.architecture] * 4e6)})
    return rows


def _trainings(study: Study, results: Path) -> list[dict[str, Any]]:
    kinds: dict[tuple[str, int], list[Training]] = {}
    for job in study.trainings.values():
        kinds.setdefault((job.network, job.n_data), []).append(job)
    rows = []
    for (network, n_data), jobs in kinds.items():
        first, films = jobs[0], len(jobs[0].points["train"])
        each = {
            device: costs.training_seconds(first.architecture, first.window, films, first.recipe, device)
            for device in ("gpu", "cpu")
        }
        weights = costs.NETWORK_MILLION_WEIGHTS[first.architecture]
        rows.append(_training_row(study, results, network, n_data, jobs, each, weights))
    return rows


def _curve_trainings(study: Study, results: Path) -> list[dict[str, Any]]:
    kinds: dict[tuple[str, int], list[CurveTraining]] = {}
    for job in study.curve_trainings.values():
        kinds.setdefault((job.task, job.n_data), []).append(job)
    rows = []
    for (task, n_data), jobs in kinds.items():
        group = study.groups[jobs[0].data]
        length = max(models.stored(group.model).sizes(group.points[0].params).values())
        each = {
            device: costs.curve_training_seconds(length, n_data, jobs[0].recipe, device) for device in ("gpu", "cpu")
        }
        rows.append(_training_row(study, results, task, n_data, jobs, each, costs.CURVE_MILLION_WEIGHTS))
    return rows


def _training_row(
    study: Study,
    results: Path,
    label: str,
    n_data: int,
    jobs: Sequence[Training | CurveTraining],
    seconds_each: Mapping[str, float],
    million_weights: float,
) -> dict[str, Any]:
    """Trainings of one kind; `seconds_each` by device."""
    records = {job.id: paths.training(results, study.name, job.id) / "result.json" for job in jobs}
    done = sum(is_current(records[job.id], job.digest) for job in jobs)
    return {
        "network": label,
        "n_data": n_data,
        "trainings": len(jobs),
        "done": done,
        "films_each": len(jobs[0].points["train"]),
        "ids": [job.id for job in jobs],
        **{f"{device}_hours": seconds * (len(jobs) - done) / 3600 for device, seconds in seconds_each.items()},
        "disk_bytes": round(million_weights * 4e6 * len(jobs)),
    }


def _maps(study: Study, results: Path) -> list[dict[str, Any]]:
    rows = []
    for job in study.maps.values():
        group, training = study.groups[job.films], job.training
        cells = group.grid[0] * group.grid[1]
        windows = len(job.points) * -(-group.grid[0] // job.stride) * -(-group.grid[1] // job.stride)
        folder = paths.maps(results, study.name, job.id)
        done = (folder / "maps.h5").is_file() and is_current(folder / "metrics.json", job.digest)
        row: dict[str, Any] = {
            "map": job.id,
            "films": job.films,
            "maps": len(job.points),
            "done": len(job.points) if done else 0,
            "windows": windows,
        }
        for device in ("gpu", "cpu"):
            seconds = 0.0 if done else windows * costs.window_seconds(training.architecture, training.window, device)
            row[f"{device}_hours"] = seconds / 3600
        size = costs.MAP_BYTES_PER_CELL * cells * len(job.points) * len(training.targets)
        rows.append(row | {"disk_bytes": round(size)})
    return rows


def _basis(groups: list[dict[str, Any]], study: Study) -> list[str]:
    basis = []
    for row in groups:
        for device in ("gpu", "cpu"):
            films = row[f"{device}_recorded_films"]
            if films:
                basis.append(f"films {row['group']} on {device.upper()}: {films} recorded films of this study")
    modelled = [row for row in groups if not (row["gpu_recorded_films"] and row["cpu_recorded_films"])]
    recorded = " otherwise" if basis else ""
    for model in dict.fromkeys(row["model"] for row in modelled):
        names = ", ".join(row["group"] for row in modelled if row["model"] == model)
        basis.append(f"films {names}{recorded}: {costs.basis(model)}")
    speed = (
        f"{costs.GMAC_PER_SECOND['cpu']:g} (core) and {costs.GMAC_PER_SECOND['gpu']:g} (GPU) 10⁹ multiply-adds a second"
    )
    if study.trainings:
        basis.append(f"trainings: {costs.TYPICAL_EPOCHS} epochs, {speed}")
    if study.curve_trainings:
        basis.append(f"trainings on curves: {costs.CURVE_TYPICAL_EPOCHS} epochs, {speed}")
    return basis


# --- text -------------------------------------------------------------------------------------------------------------


def text(found: Mapping[str, Any]) -> str:
    """Write a plan as plain text that reads well in a terminal and in a log."""
    totals, estimate = found["totals"], found["estimate"]
    films = [
        [
            row["group"],
            "×".join(map(str, row["grid"])) if row["grid"] else "–",
            f"{row['conditions']} × {row['seeds']}",
            row["points"],
            row["present"],
            row["shards"],
            row["shards_done"],
            row["largest_shard"],
            hours(row["gpu_hours"]),
            hours(row["cpu_hours"]),
            size(row["disk_bytes"]),
        ]
        for row in found["films"]
    ]
    head = ["films", "grid", "cond. × seeds", "points", "present", "shards", "done", "largest", *_COST]
    parts = [f"{found['study']}: {found['title']}".rstrip(": "), _table(head, films)]
    shards = found["shards"]
    rows = [[row["shard"], row["label"], row["points"], row["present"], _yes(row["done"])] for row in shards]
    table = _table(["shard", "films", "points", "present", "done"], rows[:SHARDS_SHOWN])
    rest = len(rows) - SHARDS_SHOWN
    parts.append(table + (f"\n… and {rest} more shards (all of them: --json)" if rest > 0 else ""))
    if found["pretrainings"]:
        rows = [
            [
                row["pretraining"],
                f"{row['images']:,}",
                _yes(row["done"]),
                hours(row["gpu_hours"]),
                hours(row["cpu_hours"]),
                size(row["disk_bytes"]),
            ]
            for row in found["pretrainings"]
        ]
        parts.append(_table(["pretraining", "images", "done", *_COST], rows))
    if found["trainings"]:
        rows = [
            [
                row["network"],
                row["n_data"],
                row["films_each"],
                row["trainings"],
                row["done"],
                hours(row["gpu_hours"]),
                hours(row["cpu_hours"]),
                size(row["disk_bytes"]),
            ]
            for row in found["trainings"]
        ]
        parts.append(_table(["network", "n_data", "films each", "trainings", "done", *_COST], rows))
    if found["maps"]:
        rows = [
            [
                row["map"],
                row["films"],
                row["maps"],
                row["done"],
                f"{row['windows']:,}",
                hours(row["gpu_hours"]),
                hours(row["cpu_hours"]),
                size(row["disk_bytes"]),
            ]
            for row in found["maps"]
        ]
        parts.append(_table(["maps by", "of", "films", "done", "windows", *_COST], rows))
    parts.append(f"figures: {', '.join(found['figures']) or 'none'}")
    parts.append(
        f"{totals['points']:,} points ({totals['points_present']:,} present) in {totals['shards']:,} shards "
        f"({totals['shards_done']:,} done), {totals['trainings']:,} trainings ({totals['trainings_done']:,} done), "
        f"{totals['maps']:,} maps ({totals['maps_done']:,} done)\n"
        f"still to do: about {hours(estimate['gpu_hours']['total'])} GPU-hours, or "
        f"{hours(estimate['cpu_core_hours']['total'])} CPU core-hours; results take about "
        f"{size(estimate['disk_bytes'])} of disk"
    )
    parts.append("\n".join(["Estimated from", *(f"  {line}" for line in estimate["basis"])]))
    if found["warnings"]:
        parts.append("\n".join(f"warning: {line}" for line in found["warnings"]))
    return "\n\n".join(parts)


_COST = ("GPU-h", "core-h", "disk")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def hours(value: float) -> str:
    """Write hours, to a hundredth at best."""
    if value == 0:
        return "0"
    if value < 0.01:
        return "< 0.01"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def size(count: float) -> str:
    """Bytes in the nearest decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def _table(head: list[str], rows: list[list[Any]]) -> str:
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    numeric = [all(row[column].lstrip("< ")[:1].isdigit() for row in cells[1:]) for column in range(len(head))]
    lines = []
    for row in cells:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
