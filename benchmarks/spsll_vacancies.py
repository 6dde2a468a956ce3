"""The statistical chain against chains with vacancies, and the figures of docs/spsll.md.

python benchmarks/spsll_vacancies.py                   # 400 realisations of three (σ, τ): three minutes on one core
python benchmarks/spsll_vacancies.py --realisations 40
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numba
import numpy as np
from matplotlib.axes import Axes
from shared import ROOT, TABLES, write_table

from weiss import __version__
from weiss.atomic import atomic_write
from weiss.figures.style import PALETTE, SERIES_COLOURS, canvas, png, style
from weiss.spsll import SIM_VERSION, Settings, dispersions, vacancies, walls
from weiss.spsll.chain import medium
from weiss.spsll.dispersion import amplitudes, frequencies, ideal, record, substeps
from weiss.spsll.spectrum import lorentzian, windows
from weiss.spsll.telegraph import psd, sample

SETTINGS = Settings()
SOLVER = f"weiss {__version__} (chain solver version {SIM_VERSION}), NumPy {np.__version__}, numba {numba.__version__}"
PAIRS = ((22.9, 3.0), (15.1, 12.4), (100.0, 5.0))
"""σ and τ in nm: those of Fig. 3, and a material with few defects."""
HEAD = (
    "| σ, nm | τ, nm | X, ideal | statistical, excitation | edge | ensemble | wall, ideal | statistical "
    "| ensemble profile | intact walls | cut | shift, nm |"
)


def spectrum_of(axes: Axes, k: np.ndarray, f: np.ndarray, amplitude: np.ndarray) -> None:
    """An amplitude on a logarithmic scale, every k to its own largest."""
    shown = f <= 13
    level = np.log10(amplitude[shown] / amplitude.max(0))
    axes.pcolormesh(
        k / 1e9, f[shown], level, vmin=-1.5, vmax=0, cmap=SERIES_COLOURS, shading="nearest", rasterized=True
    )
    axes.set(xlabel="k (rad/nm)", ylim=(0, 13))


def statistical(sigma: float, tau: float, origin: str) -> np.ndarray:
    """Amplitudes of one statistical chain; lengths in nm."""
    asked = dataclasses.replace(SETTINGS, dispersion_window_origin=origin)
    s, _, _ = windows(
        np.array([sigma * 1e-9]), np.array([tau * 1e-9]), asked, asked.origin_cell("dispersion_window_origin")
    )
    chain = medium(asked, asked.dispersion_alpha, True)
    psi, _ = record(np, s, chain, asked, int(substeps(s, chain, asked)[0]))
    return amplitudes(np, psi, asked)[0]


def draw_dispersions(k: np.ndarray) -> bytes:
    """Fig. 1c and d, and what the window's origin does."""
    f, c = frequencies(SETTINGS), ideal(k, SETTINGS)
    panels = (
        ("ideal", 10.0, 0.0, "excitation"),
        ("σ 10, τ 5 nm, origin at the excitation", 10.0, 5.0, "excitation"),
        ("σ 10, τ 5 nm, origin at the edge", 10.0, 5.0, "edge"),
    )
    figure, axes = canvas(1, 3, 8.0, 2.8, sharey=True)
    for one, (title, sigma, tau, origin) in zip(axes[0], panels, strict=True):
        spectrum_of(one, k, f, statistical(sigma, tau, origin))
        one.plot(k / 1e9, c, color="red", ls="--", lw=0.8, label="ideal")
        one.set_title(title)
    axes[0, 0].set_ylabel("frequency (THz)")
    return png(figure)


def draw_telegraph() -> bytes:
    """Fig. SI 1."""
    figure, axes = canvas(2, 2, 8.0, 4.2)
    for column, (sigma, tau, shown) in enumerate(((100.0, 5.0, 1000.0), (10.0, 5.0, 100.0))):
        noise = sample(sigma, tau, 10000, 0.3, "figure", column)
        x = np.arange(noise.size) * 0.3
        axes[0, column].step(x[x <= shown], noise[x <= shown], lw=0.8, color=PALETTE[0])
        axes[0, column].set(xlabel="x (nm)", yticks=(0, 1), title=f"σ {sigma:g}, τ {tau:g} nm")
        k, full = psd(noise, 0.3, noise.size)
        _, tapered = psd(noise, 0.3, 1000)
        many = np.mean([psd(sample(sigma, tau, 10000, 0.3, "figure", i), 0.3, 1000)[1] for i in range(200)], 0)
        coarse = np.pi / 300 * np.arange(1001)
        axes[1, column].loglog(k[1:], np.maximum(full[1:], 1e-12), lw=0.3, color="0.75", label="one record, all lags")
        axes[1, column].loglog(coarse[1:], tapered[1:], lw=0.7, color=PALETTE[0], label="one record, lags to 300 nm")
        axes[1, column].loglog(coarse[1:], many[1:], lw=1.2, color=PALETTE[2], label="200 records")
        axes[1, column].loglog(k[1:], lorentzian(k[1:], sigma, tau), lw=1, ls="--", color="red", label="Eq. 3")
        axes[1, column].set(xlabel="k (rad/nm)", ylim=(1e-6, 2))
    axes[1, 0].set_ylabel("PSD (nm)")
    axes[1, 0].legend(loc="lower left")
    return png(figure)


def draw_windows() -> bytes:
    """What the statistical chain puts in the place of telegraph noise."""
    figure, axes = canvas(1, 3, 8.0, 2.5, sharey=True)
    x = (np.arange(SETTINGS.cells) - SETTINGS.centre) * SETTINGS.a * 1e9
    for one, (sigma, tau) in zip(axes[0], PAIRS, strict=True):
        s, _, _ = windows(np.array([sigma * 1e-9]), np.array([tau * 1e-9]), SETTINGS, SETTINGS.centre)
        noise = vacancies.noise(sigma * 1e-9, tau * 1e-9, SETTINGS, 1, 0)
        one.fill_between(x, noise, step="mid", color="0.85", label="one realisation")
        one.plot(x, s[0], color=PALETTE[0], label="window s(x)")
        one.axhline(sigma / (sigma + tau), color=PALETTE[3], lw=0.8, ls="--", label="p, the realisations' mean")
        one.set(xlabel="x (nm)", title=f"σ {sigma:g}, τ {tau:g} nm", ylim=(0, 6))
    axes[0, 2].legend(loc="upper left")
    return png(figure)


def draw_widths() -> bytes:
    """Fig. 1f: the width over σ and τ."""
    sigma, tau = np.linspace(1, 100, 100), np.linspace(0, 20, 81)
    grid = np.array([(one, zero) for zero in tau for one in sigma]) * 1e-9
    found = walls(grid[:, 0], grid[:, 1])
    width = 1e9 * found.width_m.reshape(tau.size, sigma.size)
    figure, axes = canvas(1, 2, 8.0, 2.9)
    image = axes[0, 0].pcolormesh(sigma, tau, width, cmap=SERIES_COLOURS, shading="nearest", rasterized=True)
    lines = axes[0, 0].contour(sigma, tau, width, levels=np.arange(1, 3.7, 0.25), colors="white", linewidths=0.6)
    axes[0, 0].clabel(lines, fontsize=6)
    axes[0, 0].set(xlabel="σ (nm)", ylabel="τ (nm)", title="width (nm); white: not relaxed")
    figure.colorbar(image, ax=axes[0, 0])
    for i, one in enumerate((5, 10, 20, 50, 100)):
        axes[0, 1].plot(tau, width[:, one - 1], color=PALETTE[i], label=f"σ {one} nm")
    axes[0, 1].set(xlabel="τ (nm)", ylabel="width (nm)")
    axes[0, 1].legend()
    return png(figure)


def compare(realisations: int) -> tuple[list[str], bytes]:
    """Rows of the table and the figure: the statistical chain and the ensemble, for each of PAIRS."""
    figure, axes = canvas(2, 3, 8.0, 5.2, sharey="row")
    rows = []
    perfect = walls(np.array([1e-8]), np.array([0.0]))
    for column, (sigma, tau) in enumerate(PAIRS):
        lengths = sigma * 1e-9, tau * 1e-9
        many, wall = (make(*lengths, SETTINGS, realisations, 1) for make in (vacancies.dispersions, vacancies.walls))
        print(f"σ {sigma:g}, τ {tau:g} nm: {realisations} realisations", flush=True)
        chains = {
            origin: dispersions(
                *np.array(lengths)[:, None], dataclasses.replace(SETTINGS, dispersion_window_origin=origin)
            )
            for origin in ("excitation", "edge")
        }
        one = walls(*np.array(lengths)[:, None])
        top, bottom = axes[:, column]
        spectrum_of(top, many.k, many.f_THz, many.amplitude)
        top.plot(many.k / 1e9, ideal(many.k, SETTINGS), color="red", ls=":", lw=1, label="ideal")
        for origin, colour in (("excitation", "magenta"), ("edge", "white")):
            label = f"statistical, {origin}"
            top.plot(many.k / 1e9, chains[origin].ridge_THz[0], color=colour, lw=0.8, label=label)
        top.set_title(f"σ {sigma:g}, τ {tau:g} nm")
        near = np.abs(perfect.x) < 8e-9
        for mz, label, colour in (
            (perfect.mz[0], "ideal", PALETTE[0]),
            (one.mz[0], "statistical", PALETTE[3]),
            (wall.mz, "ensemble mean", PALETTE[2]),
        ):
            bottom.plot(1e9 * perfect.x[near], mz[near], label=label, color=colour)
        bottom.set(xlabel="x (nm)")
        shift = wall.position_m[np.isfinite(wall.position_m)]
        rows.append(
            f"| {sigma:g} | {tau:g} | {SETTINGS.X_THz:.2f} | {chains['excitation'].X_THz[0]:.2f} "
            f"| {chains['edge'].X_THz[0]:.2f} | {many.brightest_X_THz:.2f} | {1e9 * perfect.width_m[0]:.2f} "
            f"| {1e9 * one.width_m[0]:.2f} | {1e9 * wall.width_m:.2f} ± {1e9 * wall.error_m:.2f} "
            f"| {1e9 * wall.intact_width_m.mean():.2f} "
            f"| {100 * wall.cut:.0f} % | {1e9 * np.median(np.abs(shift)):.2f} |"
        )
    axes[0, 0].set_ylabel("frequency (THz)")
    axes[1, 0].set_ylabel("m_z")
    axes[0, 0].legend(loc="upper center", labelcolor="white", fontsize=6)
    axes[1, 2].legend(loc="lower right", fontsize=7, handlelength=1)
    return rows, png(figure)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table and the figures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--realisations", type=int, default=400)
    parser.add_argument("--tables", type=Path, default=TABLES)
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    arguments = parser.parse_args(argv)
    with style():
        rows, compared = compare(arguments.realisations)
        k = dispersions(np.array([1e-8]), np.array([0.0])).k
        pictures = {
            "spsll-vacancies": compared,
            "spsll-dispersions": draw_dispersions(k),
            "spsll-telegraph": draw_telegraph(),
            "spsll-windows": draw_windows(),
            "spsll-widths": draw_widths(),
        }
    for name, data in pictures.items():
        atomic_write(arguments.images / f"{name}.png", data)
    note = (
        "X in THz: statistical chains by the fit of their ridge, the ensemble by the curve that collects most power. "
        "Walls in nm; cut: across a vacancy; shift: median distance of the walls from where they "
        "began; ±: standard error. "
        f"{arguments.realisations} realisations"
    )
    write_table(arguments.tables / "spsll_vacancies.md", HEAD, rows, note, SOLVER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
