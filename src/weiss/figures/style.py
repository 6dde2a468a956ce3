"""How all figures look, and how they are saved: the same data give the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from weiss.figures.quantities import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

DPI = 200
WIDTH = 8.0
PALETTE = sns.color_palette("colorblind")
TRUTH = PALETTE[2]
BASELINE = "0.35"
MAP_COLOURS = "cividis"
SERIES_COLOURS = "viridis"

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.3,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "image.interpolation": "none",
    "mathtext.fontset": "dejavusans",
}


def style() -> matplotlib.rc_context:
    """Context in which a figure is built; the caller's matplotlib settings stay untouched."""
    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **_RC, "backend": "agg"})


def canvas(rows: int, columns: int, width: float, height: float, **keywords: object) -> tuple[Figure, NDArray]:
    """Make a figure of `rows` × `columns` axes without touching pyplot's global state.

    Parameters
    ----------
    rows, columns : int
    width, height : float
        Inches.
    **keywords
        Passed to `matplotlib.figure.Figure.subplots`.

    Returns
    -------
    (Figure, ndarray of Axes, shape (rows, columns))
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **keywords)


def png(figure: Figure) -> bytes:
    """Render a figure to PNG without anything that changes from run to run (software version, date)."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


GREEK = ("alpha", "sigma", "tau")
SYMBOL = re.compile(r"([A-Z])_?([a-z0-9]*)")


def symbol(name: str) -> str:
    """Write a parameter name as a formula: ``D_in`` and ``Ms`` become an italic letter with an upright index."""
    if name in GREEK:
        return rf"$\{name}$"
    parts = SYMBOL.fullmatch(name)
    if parts is None:
        return name.replace("_", " ")
    return rf"${parts[1]}_\mathrm{{{parts[2]}}}$" if parts[2] else f"${parts[1]}$"


def condition(values: Mapping[str, float], units: Mapping[str, str] | None = None) -> str:
    """Write parameter values as ``J = 2, D = 0.5``, with their units where they have one."""
    return ", ".join(
        f"{symbol(name)} = {quantity(value, (units or {}).get(name, '1'))}" for name, value in values.items()
    )


def lines(values: Mapping[str, float], units: Mapping[str, str] | None = None, abreast: int = 3) -> list[str]:
    """Write parameter values as `condition` does, a few on each line."""
    names = list(values)
    return [
        condition({name: values[name] for name in names[start : start + abreast]}, units)
        for start in range(0, len(names), abreast)
    ]


def ticks(axis: Axis, power: int) -> None:
    """Write the ticks of an axis in the unit with the prefix of a power of ten; the data stay as they are."""
    if power:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 10.0**power:g}".replace("-", "−")))


def domains(axes: Axes, pattern: NDArray) -> None:
    """Show a domain pattern, +1 white and -1 black, every cell a sharp square."""
    axes.imshow(pattern, cmap="gray", vmin=-1, vmax=1, interpolation="nearest", origin="upper")
    bare(axes)


def vectors(axes: Axes, m: NDArray) -> None:
    """Show a layer of unit vectors, (3, ny, nx): white up, black down, and for what lies between the angle as a hue."""
    hue = (np.arctan2(m[1], m[0]) / (2 * np.pi)) % 1.0
    lightness = np.clip((m[2] + 1) / 2, 0, 1)
    chroma = (1 - np.abs(2 * lightness - 1)) * np.clip(np.hypot(m[0], m[1]), 0, 1)
    # From hue, saturation and lightness to red, green and blue: every channel is a trapezium over the hue.
    channels = [np.clip(np.abs((6 * hue + shift) % 6 - 3) - 1, 0, 1) for shift in (0, 4, 2)]
    image = lightness[..., None] + chroma[..., None] * (np.stack(channels, axis=-1) - 0.5)
    material = np.abs(m).sum(axis=0) > 0
    image = np.where(material[..., None], np.clip(image, 0, 1), 0.6)
    axes.imshow(image, interpolation="nearest", origin="upper")
    bare(axes)


def parameter_map(axes: Axes, values: NDArray, limits: tuple[float, float], stride: int) -> AxesImage:
    """Show a parameter map over the film it belongs to, with given colour limits.

    Parameters
    ----------
    axes : Axes
    values : ndarray, shape (rows, columns)
    limits : (float, float)
        Colour limits; the same for a map and the truth it is compared with.
    stride : int
        Cells between values: a map is drawn at the film's scale, every value around its own cell 0, stride, 2 stride …
    """
    rows, columns = values.shape
    image = axes.imshow(
        values,
        cmap=MAP_COLOURS,
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
        extent=(-stride / 2, (columns - 0.5) * stride, (rows - 0.5) * stride, -stride / 2),
    )
    bare(axes)
    return image


def bare(axes: Axes) -> None:
    """Take the ticks off an image and put a thin frame around it."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.6, color="0.3")


def scale_bar(axes: Axes, cells: int, film: int, text: str | None = None) -> None:
    """Draw a bar `cells` long in the lower left corner of an image of a film `film` cells wide."""
    pad, thickness = 0.04 * film, 0.025 * film
    bottom = axes.get_ylim()[0] - pad
    axes.add_patch(
        Rectangle(
            (pad, bottom - thickness),
            cells,
            thickness,
            facecolor=PALETTE[3],
            edgecolor="white",
            linewidth=1.2,
            zorder=3,
        )
    )
    axes.text(
        pad,
        bottom - 1.9 * thickness,
        text or f"{cells} cells",
        ha="left",
        va="bottom",
        fontsize=6.5,
        color="black",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
    )


def inner_border(axes: Axes, shape: tuple[int, int], margin: int, colour: str = "white") -> None:
    """Outline the inner region of a film."""
    ny, nx = shape
    corner, size = (margin - 0.5, margin - 0.5), (nx - 2 * margin, ny - 2 * margin)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linestyle=(0, (4, 3)), linewidth=1.0))


def spread(values: Sequence[float], most: int) -> list[float]:
    """Pick at most `most` of the sorted distinct values, evenly, both ends kept."""
    distinct = np.unique(np.asarray(values, dtype=float))
    if distinct.size <= most:
        return distinct.tolist()
    chosen = np.linspace(0, distinct.size - 1, most).round().astype(int)
    return distinct[chosen].tolist()


def series_colours(count: int) -> list[tuple[float, float, float]]:
    """Colours for an ordered series of curves, dark to light, readable on white and without colour vision."""
    return [tuple(colour) for colour in sns.color_palette(SERIES_COLOURS, max(count, 1))]


def colours(count: int) -> list[tuple[float, float, float]]:
    """Colours for things told apart: the colour-blind-safe palette, or an ordered series when it is too short."""
    return list(PALETTE[:count]) if count <= len(PALETTE) else series_colours(count)
