"""Write the page: everything embedded, nothing fetched, the same bytes for the same results."""

from __future__ import annotations

import base64
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

import weiss
from weiss import paths
from weiss.atomic import atomic_write
from weiss.figures.names import FIGURES
from weiss.figures.style import DPI
from weiss.report import claims, curve_tables, findings, sizes, statistics, tables
from weiss.report.collect import Collected, collect, command
from weiss.report.verdicts import FEWEST
from weiss.study import Study, check_digest

PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "pyfftw",
    "cupy-cuda13x",
    "h5py",
    "h5netcdf",
    "xarray",
    "torch",
    "torchvision",
    "scikit-learn",
    "pandas",
    "matplotlib",
    "seaborn",
    "snakemake",
)
CSS_PIXELS_PER_INCH = 112
WIDE_INCHES = 6.0


@dataclass(frozen=True)
class EmbeddedFigure:
    """A figure as the page shows it.

    Attributes
    ----------
    name, title, caption, command : str
    published : str
        Figures of the published source it corresponds to, or nothing.
    source : str
        Data URI of the image.
    width, height : int
        Size on the page, CSS pixels.
    wide : bool
        Too wide to be read on a phone without scrolling its box.
    """

    name: str
    title: str
    caption: str
    command: str
    published: str
    source: str
    width: int
    height: int
    wide: bool


def run(study: Study, results: Path, expected_digest: str | None = None) -> None:
    """Write the report page of a study from what is on disk.

    Parameters
    ----------
    study : Study
    results : Path
        Results root.
    expected_digest : str, optional
        What the workflow planned with.

    Raises
    ------
    UserError
        If the study changed since the job was planned, or the page cannot be written.
    """
    check_digest(expected_digest, study.report_digest(), "report")
    page = render(collect(study, results))
    path = paths.report(results, study.name)
    atomic_write(path, page.encode())
    print(f"report: {path}", file=sys.stderr)


def render(found: Collected) -> str:
    """Make the page.

    Parameters
    ----------
    found : Collected

    Returns
    -------
    str
        HTML.
    """
    errors, films, calibration = statistics.errors(found), statistics.films(found), statistics.calibration(found)
    decided = claims.claims(found, errors)
    environment = Environment(
        loader=PackageLoader("weiss.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        study=found.study,
        style=files("weiss.report").joinpath("style.css").read_text(encoding="utf-8"),
        done=findings.done(found) + curve_tables.done(found),
        answer=findings.answer(found, errors, films, calibration)
        + curve_tables.answer(found)
        + ([claims.summary(decided)] if decided else []),
        cards=findings.cards(found, errors, films, calibration),
        warnings=findings.warnings(found, errors, films) + curve_tables.warnings(found),
        problems=found.problems,
        sections=sections(found),
        shown_map=found.shown_map,
        published=found.study.published,
        claims=decided,
        fewest_pairs=FEWEST,
        sizes=sizes.sizes(found),
        tables=[table for table in curve_tables.tables(found) if table.rows]
        + tables.all_tables(found, errors, films, calibration),
        config=yaml.safe_dump(
            found.study.config, sort_keys=False, allow_unicode=True, default_flow_style=None, width=96
        ),
        commands={stage: command(found.study, stage) for stage in ("plan", "status", "report")},
        versions=tables.versions(versions(found)),
        weiss_version=weiss.__version__,
    )


def sections(found: Collected) -> dict[str, list[EmbeddedFigure]]:
    """Group the figures on disk by category, in the order of the report."""
    grouped: dict[str, list[EmbeddedFigure]] = {}
    for name, image in found.figures.items():
        row = FIGURES[name]
        with Image.open(BytesIO(image)) as picture:
            width, height = (round(pixels / DPI * CSS_PIXELS_PER_INCH) for pixels in picture.size)
        source = "data:image/png;base64," + base64.b64encode(image).decode()
        how = f"{command(found.study, 'figure')} {name}"
        grouped.setdefault(row.category, []).append(
            EmbeddedFigure(
                name=name,
                title=row.title,
                caption=row.caption,
                command=how,
                published=found.study.published.figure(name) if found.study.published else "",
                source=source,
                width=width,
                height=height,
                wide=width >= WIDE_INCHES * CSS_PIXELS_PER_INCH,
            )
        )
    return grouped


def versions(found: Collected) -> list[tuple[str, str]]:
    """Versions that made the data, as written in the data, and those that wrote this page."""
    rows = []
    for group in found.groups:
        if group.attributes:
            made = {key: group.attributes.get(key, "–") for key in ("weiss_version", "model", "sim_version")}
            text = f"weiss {made['weiss_version']}, {made['model']} numerics {made['sim_version']}"
            rows.append((f"films of group {group.name}", text))
    learned = {
        ", ".join(f"{name} {number}" for name, number in sorted(result["versions"].items()))
        for result in (found.trainings | found.curve_trainings).values()
        if result.get("versions")
    }
    rows += [("trainings", text) for text in sorted(learned)]
    rows.append(("this page", f"weiss {weiss.__version__}, Python {platform.python_version()}"))
    for package in PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return rows
