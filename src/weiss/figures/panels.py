"""Pictures of films side by side, every cell of a film a whole number of pixels: none is left out, none is wider."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from weiss import models, paths
from weiss.figures import groups, read, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from weiss.study import Group, Study

PIXELS = 1640
"""Width that the panels of a row share, unless a cell would get less than a pixel."""

LARGEST = 520
"""Largest panel, pixels."""

NARROWEST = 640
"""Narrowest figure, pixels."""

GAP, MARGIN, LINE = 10, 12, 36
"""Pixels between panels, around the figure, and for a line of text."""


def films(study: Study, results: Path, figure: str) -> tuple[Group, xr.Dataset]:
    """Read the films a figure shows (see `weiss.figures.groups.shown`).

    Returns
    -------
    (Group, xarray.Dataset)
    """
    group = groups.shown(study, figure)
    return group, read.read_dataset(paths.dataset(results, study.name, group.name))


def grid(
    rows: int, columns: int, film: tuple[int, int], titles: int = 0, notes: int = 0
) -> tuple[Figure, list[list[Axes]]]:
    """Make a figure of `rows` × `columns` panels for films of one size, with room for labels on the left and below.

    Parameters
    ----------
    rows, columns : int
    film : (int, int)
        Cells along y and x.
    titles : int
        Lines of text above every panel.
    notes : int
        Lines of text below all of them.

    Returns
    -------
    (Figure, list of lists of Axes)
    """
    ny, nx = film
    scale = max(1, min(PIXELS // columns, LARGEST) // max(film))
    width, height = nx * scale, ny * scale
    across, down = width + GAP, height + GAP + titles * LINE
    left, below, above = MARGIN + LINE, MARGIN + LINE * (1 + notes), MARGIN
    total = (max(left + columns * across + MARGIN, NARROWEST), below + rows * down + above)
    figure = Figure(figsize=(total[0] / style.DPI, total[1] / style.DPI))
    FigureCanvasAgg(figure)
    shift = (total[0] - (left + columns * across + MARGIN)) // 2
    axes = []
    for row in range(rows):
        bottom = below + (rows - 1 - row) * down
        corners = [left + shift + column * across for column in range(columns)]
        axes.append(
            [figure.add_axes((x / total[0], bottom / total[1], width / total[0], height / total[1])) for x in corners]
        )
    return figure, axes


def draw(axes: Axes, film: xr.Dataset) -> None:
    """Draw the pattern of one film; one that did not come to its end is covered with a word about that."""
    style.domains(axes, film["pattern"].values)
    mark(axes, film)


def mark(axes: Axes, film: xr.Dataset) -> None:
    """Cover the picture of a film that did not come to its end with its status."""
    status = str(film["status"].values)
    if status not in models.ending(film.attrs["model"]).good:
        box = {"facecolor": "white", "edgecolor": "0.3", "linewidth": 0.6, "pad": 2.0}
        axes.text(0.5, 0.5, status, transform=axes.transAxes, ha="center", va="center", fontsize=7, bbox=box)


def units(data: xr.Dataset) -> dict[str, str]:
    """Units of everything in a dataset that has some."""
    return {str(name): str(data[name].attrs["units"]) for name in data.variables if "units" in data[name].attrs}


def scale_bar(axes: Sequence[Axes], data: xr.Dataset) -> None:
    """Put the scale into the first of the panels that holds a film: a quarter of its width, in cells or in nm."""
    width = data.sizes["x"]
    style.scale_bar(next(axis for axis in axes if axis.images), width // 4, width, length(data, width // 4))


def length(data: xr.Dataset, cells: int) -> str | None:
    """Write how long a number of cells is; None for films of a model without units of length."""
    if data["x"].attrs.get("units") != "m":
        return None
    return f"{cells * float(data['x'][1] - data['x'][0]) * 1e9:.3g} nm"
