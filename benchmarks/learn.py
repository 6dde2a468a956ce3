"""Training speed: what of an epoch is not the network, a plain DataLoader beside it, and trainings that share a GPU.

    python benchmarks/learn.py                           # mod, mob and reg on one core; eight minutes
    python benchmarks/learn.py --quick --json            # mod, within a minute; ends with one line of JSON
    python benchmarks/learn.py --device gpu              # the same on a GPU, and 1, 2, 4, 8 trainings that share it
    python benchmarks/learn.py --networks mod reg --threads 4

The films are made-up blobs: what they show does not change the speed. Both sides train the same network with the same
recipe, reproducible settings and validation after each epoch, in turns. Ours is the loop of `weiss train`, resume
checkpoints included. The plain one is a Dataset that crops and turns one film at a time, behind torch's DataLoader.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import yaml
from shared import TABLES, origin
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset, TensorDataset

from weiss import __version__, paths
from weiss.errors import UserError
from weiss.learn import LEARN_VERSION, checkpoint, jobs
from weiss.learn.films import Films
from weiss.learn.networks import build
from weiss.learn.recipe import Recipe
from weiss.learn.reproducible import reproducible, torch_device
from weiss.learn.train import Trainer, learn, load_splits
from weiss.learn.trainer import own_randomness
from weiss.patterns.windows import centre
from weiss.study import Study, load_study

NETWORKS = ("mod", "mob", "reg")
WINDOW, BATCH = 64, 64
FILMS = 250
"""Films of one seed: the conditions of the paper."""

SLOW_FILMS = 128
"""As many for networks that take minutes for an epoch on a CPU."""

WORKERS = (0, 2)
"""Processes that load data, for the plain side; the better one counts."""

ROUNDS = 5
"""Turns the two sides take at most: other work on the machine then meets both."""

TOGETHER = (1, 2, 4, 8)

PAPER_COLUMNS = {"mod": "mod", "reg": "reg", "reg_pret": "reg"}
"""Columns of Table II of the paper, and the network each trains."""

VERSIONS = f"weiss {__version__} (learning version {LEARN_VERSION}), torch {torch.__version__}"

PAPER_N_DATA, PAPER_REPEATS, PAPER_EPOCHS = (1, 4), 20, 100


@dataclass(frozen=True)
class Row:
    """One network on one device.

    Attributes
    ----------
    network, device : str
    films, epochs : int
        Training films (as many validate), and epochs measured.
    samples_per_s : float
        Training crops a second, validation and checkpoints included in the time.
    train_s, validate_s, other_s : float
        Seconds of an epoch: forward, backward and step; forward in validation; everything else.
    overhead_share : float
        Fraction of the time that is everything else.
    plain_samples_per_s : dict of str to float
        The plain side, by number of workers.
    ratio_vs_dataloader : float
        Ours over the better one of these.
    """

    network: str
    device: str
    films: int
    epochs: int
    samples_per_s: float
    train_s: float
    validate_s: float
    other_s: float
    overhead_share: float
    plain_samples_per_s: dict[str, float]
    ratio_vs_dataloader: float

    def epoch_seconds(self, films: int) -> float:
        """Seconds of an epoch of one crop of each of `films` films, validated on the films of one seed."""
        per_film = (self.train_s + self.other_s) / self.films
        return films * per_film + FILMS * self.validate_s / self.films


# --- films ------------------------------------------------------------------------------------------------------------


def blobs(seed: int, size: int) -> np.ndarray:
    """Make rounded domains about ten pixels wide: (size, size) int8 ±1."""
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    noise = np.random.default_rng(seed).standard_normal((size, size))
    return np.where(np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((20 * k) ** 2))).real >= 0, 1, -1).astype(np.int8)


def make_study(folder: Path, networks: Sequence[str], films: int, size: int, epochs: int, **learn: Any) -> Study:
    """Write a study of `films` conditions and three seeds, and its dataset."""
    content = {
        "name": "speed",
        "title": "Made-up films to train on",
        "films": {
            "films": {
                "model": "tdgl",
                "grid": [size, size],
                "space": {"grid": {"J": np.linspace(0.5, 2.0, films).round(6).tolist(), "D": [1.0]}},
                "seeds": [1, 2, 3],
            }
        },
        "learn": {
            "data": "films",
            "targets": ["J", "D"],
            "window": WINDOW,
            "seeds": {"train": [3], "validate": [2], "test": [1]},
            "n_data": [1],
            "repeats": 1,
            "networks": {name: {} for name in networks},
            "recipe": {"batch": BATCH, "max_epochs": epochs, "patience": epochs},
        }
        | learn,
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    study = load_study(path)
    points = study.groups["films"].points
    base = {seed: blobs(seed, size) for seed in (1, 2, 3)}
    patterns = [np.roll(base[point.seed], (37 * i % size, 91 * i % size), (0, 1)) for i, point in enumerate(points)]
    dataset = xr.Dataset(
        {
            "pattern": (("film", "y", "x"), np.stack(patterns)),
            "status": ("film", np.full(len(points), "crossed", dtype=object)),
        },
        coords={name: ("film", [point.condition[name] for point in points], {"units": "1"}) for name in ("J", "D")}
        | {
            "seed": ("film", [point.seed for point in points]),
            "point": ("film", np.array([point.id for point in points], dtype=object)),
        },
        attrs={"model": "tdgl"},
    )
    target = paths.dataset(folder / "results", study.name, "films")
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.to_netcdf(target, engine="h5netcdf")
    return study


# --- ours -------------------------------------------------------------------------------------------------------------


class Watch:
    """Time inside the network: from each forward pass to the end of its step, or of the pass itself in validation.

    On a GPU the marks are events in its queue, read at the end: nothing waits for them.
    """

    def __init__(self, model: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device) -> None:
        self.device, self.model = device, model
        self.marks: dict[str, list[Any]] = {}
        self.clear()
        model.register_forward_pre_hook(lambda *_: self._mark("train" if model.training else "validate"))
        model.register_forward_hook(lambda *_: None if model.training else self._mark("validate"))
        optimiser.register_step_post_hook(lambda *_: self._mark("train"))

    def clear(self) -> None:
        """Forget what was measured."""
        self.marks = {"train": [], "validate": []}

    def _mark(self, kind: str) -> None:
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.marks[kind].append(event)
        else:
            self.marks[kind].append(time.perf_counter())

    def seconds(self, kind: str) -> float:
        """Seconds between first and second, third and fourth mark, and so on; on a GPU after it is idle."""
        pairs = zip(self.marks[kind][::2], self.marks[kind][1::2], strict=True)
        if self.device.type == "cuda":
            return sum(begin.elapsed_time(end) for begin, end in pairs) / 1e3
        return sum(end - begin for begin, end in pairs)


class Ours:
    """The loop of `weiss train`, some epochs at a time."""

    def __init__(self, study: Study, network: str, data: dict[str, Films], device: torch.device) -> None:
        self.training = study.trainings[f"{network}-n1-r01"]
        self.data, self.device = data, device
        self.last = study.path.parent / f"{network}.pt"
        self.trainer = Trainer.new(
            self.training, Recipe.read(self.training.recipe, network), None, len(data["train"]), device
        )
        # As later in a training: how long a checkpoint takes is known, and those that are due are measured.
        began = time.perf_counter()
        self.save()
        self.trainer.save_took = time.perf_counter() - began
        self.watch = Watch(self.trainer.model, self.trainer.optimiser, device)

    def run(self, epochs: int) -> None:
        """Go on for some epochs, with resume checkpoints."""
        until = len(self.trainer.history) + epochs
        self.trainer.recipe = replace(self.trainer.recipe, max_epochs=until, patience=until)
        learn(self.trainer, self.training, self.data, self.save)

    def save(self) -> None:
        """Write the resume checkpoint."""
        checkpoint.save(self.last, self.trainer.content())


# --- the plain side ---------------------------------------------------------------------------------------------------


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """A random, randomly turned crop of each film, one at a time."""

    def __init__(self, films: Films) -> None:
        self.patterns, self.targets = films.patterns.cpu().numpy(), films.values.astype(np.float32)

    def __len__(self) -> int:
        return len(self.patterns)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        film = self.patterns[index]
        top, left = (int(torch.randint(side - WINDOW + 1, ())) for side in film.shape)
        crop = np.rot90(film[top : top + WINDOW, left : left + WINDOW], int(torch.randint(4, ())))
        return torch.from_numpy(crop.astype(np.float32)), torch.from_numpy(self.targets[index])


class Plain:
    """The same training as one would write it down."""

    def __init__(
        self, network: str, data: dict[str, Films], recipe: Recipe, device: torch.device, workers: int
    ) -> None:
        self.device = device
        self.model = build(network, 2).to(device)
        self.optimiser = SGD(self.model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
        self.scheduler = StepLR(self.optimiser, recipe.decay_steps, recipe.decay)
        options = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": device.type == "cuda"}
        self.train = DataLoader(Crops(data["train"]), recipe.batch, shuffle=True, **options)
        middle = centre(data["validate"].patterns, WINDOW).cpu().float()
        self.validate = DataLoader(
            TensorDataset(middle, torch.from_numpy(data["validate"].values.astype(np.float32))), recipe.batch
        )
        self.lowest, self.best = math.inf, {}

    def run(self, epochs: int) -> None:
        """Go on for some epochs."""
        for _ in range(epochs):
            self.model.train()
            for images, targets in self.train:
                images, targets = images.to(self.device), targets.to(self.device)
                loss = nn.functional.l1_loss(self.model(images), targets)
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                self.scheduler.step()
                loss.item()
            self.model.eval()
            error = 0.0
            with torch.no_grad():
                for images, targets in self.validate:
                    predicted = self.model(images.to(self.device))
                    error += nn.functional.l1_loss(predicted, targets.to(self.device), reduction="sum").item()
            if error < self.lowest:
                self.lowest, self.best = error, copy.deepcopy(self.model.state_dict())


# --- measuring --------------------------------------------------------------------------------------------------------


def seconds(device: torch.device, work: Callable[[int], None], epochs: int) -> float:
    """Wall seconds of some epochs, to the end of all work on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    work(epochs)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def measure(study: Study, network: str, device: str, threads: int, budget: float) -> Row:
    """Time one network on both sides, in turns.

    Parameters
    ----------
    study : Study
        From `make_study`.
    network : str
    device : {"cpu", "gpu"}
    threads : int
        CPU threads of torch.
    budget : float
        Seconds for each side, the first epoch aside; two epochs at least.
    """
    where = torch_device(device)
    training = study.trainings[f"{network}-n1-r01"]
    with reproducible(where, threads), own_randomness(where):
        data = load_splits(training, paths.dataset(study.path.parent / "results", study.name, "films"), where)
        ours = Ours(study, network, data, where)
        plain = {workers: Plain(network, data, ours.trainer.recipe, where, workers) for workers in WORKERS}
        # The first epoch chooses algorithms and starts workers; the second says how long one takes.
        for side in (ours, *plain.values()):
            side.run(1)
        affordable = max(2.0, budget / seconds(where, ours.run, 1))
        rounds = min(ROUNDS, round(affordable))
        epochs = round(affordable / rounds)
        ours.watch.clear()
        spent, plain_spent = 0.0, dict.fromkeys(WORKERS, 0.0)
        for _ in range(rounds):
            spent += seconds(where, ours.run, epochs)
            for workers, side in plain.items():
                plain_spent[workers] += seconds(where, side.run, epochs)
        inside = {kind: ours.watch.seconds(kind) for kind in ("train", "validate")}
    total, films = rounds * epochs, len(data["train"])
    rates = {workers: films * total / took for workers, took in plain_spent.items()}
    return Row(
        network=network,
        device=torch.cuda.get_device_name(where) if where.type == "cuda" else f"CPU, {threads} thread(s)",
        films=films,
        epochs=total,
        samples_per_s=films * total / spent,
        train_s=inside["train"] / total,
        validate_s=inside["validate"] / total,
        other_s=(spent - sum(inside.values())) / total,
        overhead_share=1 - sum(inside.values()) / spent,
        plain_samples_per_s={str(workers): rate for workers, rate in rates.items()},
        ratio_vs_dataloader=films * total / spent / max(rates.values()),
    )


def measure_together(folder: Path, row: Row, together: int, size: int, budget: float, threads: int) -> dict[str, Any]:
    """Let some trainings share the GPU as one job, for about `budget` seconds each if each were alone."""
    epochs = min(100_000, max(2, round(budget * row.samples_per_s / row.films)))
    folder.mkdir()
    study = make_study(
        folder, [row.network], row.films, size, epochs, repeats=together, trainings_per_job=max(TOGETHER)
    )
    (job,) = study.training_jobs.values()
    began = time.perf_counter()
    if failed := jobs.all_at_once(study, [t.id for t in job.trainings], folder / "results", "gpu", threads):
        return {"network": row.network, "together": together, "failed": next(iter(failed.values()))}
    wall = time.perf_counter() - began
    rate = 0.0
    for training in job.trainings:
        result = json.loads((paths.training(folder / "results", study.name, training.id) / "result.json").read_bytes())
        rate += row.films * result["epochs"] / result["timing"]["seconds"]
    return {"network": row.network, "together": together, "samples_per_s": rate, "job_s": wall}


def paper_hours(rows: Sequence[Row]) -> dict[str, float]:
    """Hours of the trainings of each column of Table II, one after the other, if each went on for all its epochs."""
    speed = {row.network: row for row in rows}
    return {
        column: PAPER_REPEATS
        * PAPER_EPOCHS
        * sum(speed[network].epoch_seconds(n_data * FILMS) for n_data in PAPER_N_DATA)
        / 3600
        for column, network in PAPER_COLUMNS.items()
        if network in speed
    }


# --- the table --------------------------------------------------------------------------------------------------------


def table(head: str, rows: Sequence[str]) -> list[str]:
    """Lines of a markdown table."""
    return [head, "|" + "---|" * (head.count("|") - 1), *rows, ""]


def text_of(rows: Sequence[Row], shared: Sequence[dict[str, Any]], hours: dict[str, float]) -> str:
    """Everything that was measured, as markdown."""
    lines = table(
        "| network | device | films | epochs | samples/s | in training | in validation | outside the network "
        "| plain DataLoader, samples/s (0 / 2 workers) | ours over the better |",
        [
            f"| {row.network} | {row.device} | {row.films} | {row.epochs} | {row.samples_per_s:.4g} "
            f"| {row.train_s:.3g} s | {row.validate_s:.3g} s | {row.overhead_share:.1%} "
            f"| {' / '.join(f'{rate:.4g}' for rate in row.plain_samples_per_s.values())} "
            f"| {row.ratio_vs_dataloader:.2f} × |"
            for row in rows
        ],
    )
    if shared:
        lines += table(
            "| network | trainings sharing the GPU | samples/s, all of them | whole job, start included |",
            [
                f"| {found['network']} | {found['together']} "
                + (
                    f"| {found['samples_per_s']:.4g} | {found['job_s']:.0f} s |"
                    if "job_s" in found
                    else f"| {found['failed']} | |"
                )
                for found in shared
            ],
        )
    if hours:
        count = len(PAPER_N_DATA) * PAPER_REPEATS
        lines += [
            f"Extrapolated, not run: Table II of arXiv:2305.14764 is {count} trainings a column, with {FILMS} or "
            f"{PAPER_N_DATA[-1] * FILMS} films. All {PAPER_EPOCHS} epochs of one crop a film (training can only end "
            "earlier), one training after the other on this device: "
            + ", ".join(f"{column} {time_of(value)}" for column, value in hours.items())
            + (
                f"; {count * len(hours)} trainings {time_of(sum(hours.values()))}."
                if len(hours) == len(PAPER_COLUMNS)
                else "."
            ),
            "",
        ]
    lines.append(
        f"Crops of {WINDOW}², batches of at most {BATCH}, one crop of each film an epoch, validation on as many films "
        f"after each. Times are of one epoch. {origin(VERSIONS)}"
    )
    return "\n".join(lines)


def time_of(hours: float) -> str:
    """Hours, or minutes where that says more."""
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0, or 2 after one line if it cannot."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", default=None, help=f"networks (default {' '.join(NETWORKS)})")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch (default 1)")
    parser.add_argument("--films", type=int, default=None, help=f"training films (default {FILMS}, or {SLOW_FILMS})")
    parser.add_argument("--size", type=int, default=256, help="cells along each side of a film (default 256)")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each network and side (default 30)")
    parser.add_argument(
        "--quick", action="store_true", help="mod with little time and smaller films; no table unless --out"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--out", type=Path, default=None, help="where the table goes")
    arguments = parser.parse_args(argv)
    if arguments.quick:
        arguments.networks, arguments.size = arguments.networks or ["mod"], min(arguments.size, 128)
        arguments.seconds = min(arguments.seconds, 6.0)
    networks = arguments.networks or list(NETWORKS)
    out = arguments.out or (None if arguments.quick else TABLES / "learn.md")
    slow = arguments.device == "cpu"
    rows, shared = [], []
    try:
        with tempfile.TemporaryDirectory(prefix="weiss-speed-") as folder:
            for network in networks:
                films = arguments.films or (SLOW_FILMS if slow and network != "mod" else FILMS)
                place = Path(folder) / network
                place.mkdir()
                study = make_study(place, [network], films, arguments.size, epochs=1)
                row = measure(study, network, arguments.device, arguments.threads, arguments.seconds)
                rows.append(row)
                if arguments.device == "gpu" and not arguments.quick:
                    shared += [
                        measure_together(
                            place / str(k), row, k, arguments.size, arguments.seconds / 2, arguments.threads * k
                        )
                        for k in TOGETHER
                    ]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    hours = paper_hours(rows)
    text = text_of(rows, shared, hours)
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text + "\n")
    if arguments.json:
        worst = max(rows, key=lambda row: row.overhead_share)
        print(
            json.dumps(
                {
                    "overhead_share": worst.overhead_share,
                    "ratio_vs_dataloader": min(row.ratio_vs_dataloader for row in rows),
                    "rows": [asdict(row) for row in rows],
                    "together": shared,
                    "paper_hours_extrapolated": hours,
                }
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
