"""What figures exist, what each says and what each needs. Light to import: the study and the workflow read this table.

Adding a figure is one row here and one module of the same name in this package with
``build(study, results) -> (Figure, DataFrame)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weiss.figures import groups

if TYPE_CHECKING:
    from weiss.curve_trainings import CurveTraining
    from weiss.study import Group, Study

Needs = Literal["films", "calibration", "learn", "maps", "curves"]


@dataclass(frozen=True)
class FigureName:
    """One row of the table of figures.

    Attributes
    ----------
    name : str
        Module and file name.
    title, caption, category : str
        Shown in the report page and in Snakemake's own report.
    needs : {"films", "calibration", "learn", "maps", "curves"}
        What the figure is drawn from: a gathered dataset, all datasets that are held against a table, the trainings,
        the parameter maps, or the trainings on curves.
    """

    name: str
    title: str
    category: str
    needs: Needs
    caption: str


_TABLE = (
    FigureName(
        "loops",
        "Hysteresis loops",
        "Simulated films",
        "films",
        "Mean magnetisation ⟨m⟩ against the applied field h for one seed, followed from the start at h = 0 to the "
        "crossing ⟨m⟩ = 0 where the domain pattern is taken (star). A loop without a star never crossed.",
    ),
    FigureName(
        "gallery",
        "Domain patterns over the parameter space",
        "Simulated films",
        "films",
        "Binarised domain patterns (white: m ≥ 0, black: m < 0) for one seed, so that only the parameters differ "
        "between panels; one that is neither across nor down keeps the value below them. Empty places are combinations "
        "the study leaves out; a film that did not come to its end "
        "(never reached the crossing, or was not relaxed) is marked, and shown as it was when the simulation stopped.",
    ),
    FigureName(
        "magnetisation",
        "Magnetisation over the parameter space",
        "Simulated films",
        "films",
        "Direction of the magnetisation in the middle layer for one seed, so that only the parameters differ between "
        "panels: white, up; black, down; between them, in the walls, the hue is the angle in the plane: red along +x "
        "(right), yellow-green along +y (down, as rows are counted), cyan along −x, violet along −y. Parameters "
        "neither across nor down keep the values below them; empty places are combinations the study leaves out.",
    ),
    FigureName(
        "records",
        "Mean magnetisation along the run",
        "Simulated films",
        "films",
        "Mean magnetisation of at most six films of one seed from each group: along the field of a hysteresis loop, "
        "with its coercive fields (stars), or its components in time.",
    ),
    FigureName(
        "loop_fields",
        "Coercive, saturation and knee fields",
        "Simulated films",
        "films",
        "Of hysteresis loops: the coercive field, half the distance between the fields at which the falling and the "
        "rising branch pass zero; the field at which the film saturates, and that of the knee before it, both means of "
        "the two branches. Points are means over seeds, bars standard errors. A loop that does not show such a field "
        "on both branches has no part in its mean.",
    ),
    FigureName(
        "energies",
        "Domain width and energies",
        "Simulated films",
        "films",
        "Domain width (area over length of wall), energy and demagnetising energy per volume of the film. Points are "
        "means over seeds, bars standard errors. A film without walls has no domain width and has no part in that "
        "mean: where no film of a condition has walls, its point is missing.",
    ),
    FigureName(
        "refinement",
        "Do domains get finer?",
        "Simulated films",
        "films",
        "Domains of either sign per area, length of domain wall per area, and the wavenumber at which the radially "
        "averaged structure factor S(k) of the patterns peaks: 2π divided by it is the distance from one domain to "
        "the next of its sign. Points are means over seeds, bars standard errors.",
    ),
    FigureName(
        "seeds",
        "One condition, several seeds",
        "Simulated films",
        "films",
        "Domain patterns of films with the same parameters; only the seed of the initial state and of the noise of "
        "the material differs.",
    ),
    FigureName(
        "nonuniform",
        "Films with another middle",
        "Simulated films",
        "films",
        "Domain patterns of films in which a parameter has another value inside the dashed square.",
    ),
    FigureName(
        "noise_spectrum",
        "Spectrum of the noise",
        "Chains",
        "films",
        "Spectrum S of the random telegraph noise that stands for vacancies (Eq. 3 on the chain's grid of wavenumbers, "
        "dimensionless: its sum is the mean square of the noise), for one mean length σ of material, over the mean "
        "length τ of vacancies. Calculated, not simulated.",
    ),
    FigureName(
        "telegraph",
        "Telegraph noise and its spectrum",
        "Chains",
        "films",
        "Random telegraph noise (1: material, 0: vacancy) of two materials, and its power spectral density by the "
        "autocovariance: of one record, of the mean of many, and by Eq. 3. Above k of some tenths of π/0.3 nm the mean "
        "lies above Eq. 3: sampled noise folds the tail back. Drawn for the figure, no part of the dataset.",
    ),
    FigureName(
        "spectra",
        "Dispersion relations",
        "Chains",
        "films",
        "Amplitude of m_x + i m_y over wavenumber and frequency after a narrow Gaussian has rung, every wavenumber "
        "relative to its own largest, on a logarithmic scale. Dotted: the ideal band. Dashed: gap + X (1 − cos ak) "
        "with the X that is printed for the pair. X in the panels, in THz: least-squares fit of the brightest "
        "frequencies.",
    ),
    FigureName(
        "bands",
        "Band width X by the origin of the window",
        "Chains",
        "films",
        "Left: X of gap + X (1 − cos ak), fitted to the brightest frequencies, for pairs whose X is printed, under "
        "each origin of the window. Right: X of all chains over the share of material. Dotted: the ideal chain.",
    ),
    FigureName(
        "wall_profiles",
        "Domain walls",
        "Chains",
        "films",
        "m_z of relaxed domain walls (left), every dot a site, and their widths with the error from the last harmonics "
        "(right), beside the ideal width that is printed and that of the continuum.",
    ),
    FigureName(
        "wall_widths",
        "Width of the wall over σ and τ",
        "Chains",
        "films",
        "Every dot is a wall. Left: its width as a colour over the mean lengths σ of material and τ of vacancies; "
        "crosses are chains without a wall at rest. Right: widths along τ for walls whose σ lies within a tenth of a "
        "value.",
    ),
    FigureName(
        "identifiability",
        "Pairs (σ, τ) that give the same wall",
        "Chains",
        "films",
        "Left: walls of one width over σ and τ. Middle: widths over the value of the window far from its origin, "
        "√(p² + q) − √q with p = σ/(σ+τ), q = p(1−p) T Δk/π. Right: walls next to each other in that number, by how "
        "far apart their (σ, τ) are and how much their profiles differ (walls narrower than 1 nm, steps from one site "
        "to the next, left out). Pairs that give the same wall cannot be told apart by any network that reads walls.",
    ),
    FigureName(
        "calibration",
        "Which conditions work, by setting of the model",
        "Calibration",
        "calibration",
        "What became of the films of each condition (most of their seeds), one panel for each setting: dark, ⟨m⟩ = 0 "
        "was reached again by a film that was never saturated; light, by one that was; white, never. The red line "
        "encloses the conditions that must work by the table the study names. Left of and below the dashed line a "
        "saturated film cannot reverse: its nucleation field, calculated without simulating, lies beyond the sweep. "
        "Percentages: share of conditions on which the films and the table agree, if all that crossed count and if "
        "only the unsaturated ones do.",
    ),
    FigureName(
        "learning",
        "Learning curves",
        "Reading parameters",
        "learn",
        "Mean absolute error of every training by epoch, on the crops it learns from (dashed) and on the validation "
        "films (solid); the dot marks the epoch whose weights were kept.",
    ),
    FigureName(
        "errors",
        "Test error of each network",
        "Reading parameters",
        "learn",
        "Mean absolute error on test films, one value per repeat. Boxes span the quartiles, whiskers reach the "
        "farthest value within 1.5 times the box; the dashed line is the error of always answering the median of the "
        "training values.",
    ),
    FigureName(
        "truth",
        "Predicted against true values",
        "Reading parameters",
        "learn",
        "Distribution of predictions on test films at each true value, all repeats with the largest number of training "
        "seeds together. Whiskers reach the farthest value within 1.5 times the box, dots lie beyond. The line is "
        "y = x. Where the films have more than 20 true values, these are put into 20 bins of equally many films.",
    ),
    FigureName(
        "outliers",
        "Patches read worst, and what they look like",
        "Reading parameters",
        "learn",
        "Test patches by the number of repeats in which they are outliers, and then by their error (median over "
        "repeats; a prediction is the mean over four rotations), as read by the network the maps are made with, or "
        "else the one with the lowest validation error. In a repeat a patch is an outlier if predicted minus true "
        "value lies more than 1.5 interquartile ranges beyond the quartiles of all repeats and test patches with the "
        "same true value, or in the same of 20 bins where more values differ. Below each patch, the most similar one "
        "of the films the repeats were trained on, among windows half a window apart: the nearest in mean "
        "magnetisation, domain wall per area and radially averaged structure factor (root mean square of the "
        "differences, each divided by its standard deviation over all training patches). None of these changes when a"
        " patch is turned by 90°. White: m ≥ 0, black: m < 0.",
    ),
    FigureName(
        "networks",
        "Networks side by side",
        "Reading parameters",
        "learn",
        "Mean absolute error on test films by architecture, one box for each way to start: from random weights, from "
        "weights trained on ImageNet, or from weights trained on images that formulas made. One value per repeat; "
        "whiskers reach the farthest value within 1.5 times the box. The dashed line is the error of always answering "
        "the median of the training values.",
    ),
    FigureName(
        "maps",
        "Pattern, map and truth",
        "Parameter maps",
        "maps",
        "Each row is a film: its domain pattern, then for each parameter what the network read in a window slid over "
        "the whole film, beside the value that was put into the simulation, with the same colour limits. The dashed "
        "square is the border of the inner region; the bar in the pattern shows the size of the window.",
    ),
    FigureName(
        "profile",
        "Profile through the centre",
        "Parameter maps",
        "maps",
        "Parameter read along the horizontal line through the centre of each film, and the value put into the "
        "simulation. The shaded strips are half a window wide on either side of the border of the inner region: "
        "windows centred there see both parts.",
    ),
    FigureName(
        "regions",
        "Predictions by region",
        "Parameter maps",
        "maps",
        "Distribution of the values read in four regions: R1 the centre (one window wide), R2 the rest of the inner "
        "region, R3 the ring half a window wide just outside it, R4 the rest. Whiskers span 5–95 %; the bars are the "
        "true values.",
    ),
    FigureName(
        "roc",
        "Telling inner from outer",
        "Parameter maps",
        "maps",
        "Receiver operating characteristic of a threshold on the read value, for the parameter that differs between "
        "the inner and the outer region; the region with the larger true value is the positive class. The diagonal "
        "is guessing.",
    ),
    FigureName(
        "auc",
        "How large a difference is told",
        "Parameter maps",
        "maps",
        "Area under the ROC curve of telling the inner from the outer region against the difference of their true "
        "values, for every network and number of training seeds that maps: one value per film and repeat, the line "
        "through their medians. 0.5 (dashed) is guessing.",
    ),
    FigureName(
        "curve_learning",
        "Learning curves",
        "Networks on curves",
        "curves",
        "Loss of every repeat by epoch, on the chains it learns from and on the validation chains, both without "
        "dropout; the dot marks the epoch whose weights were kept. In the panels: why the trainings ended. Scaled: σ "
        "and τ are learned in multiples of their scales, and weighted.",
    ),
    FigureName(
        "defects_read",
        "σ and τ read off curves",
        "Networks on curves",
        "curves",
        "Predicted against true mean lengths σ of material and τ of vacancies, every dot a test chain, mean over the "
        "repeats. The line is y = x. Beside the panels, mean absolute errors: of one network (mean over the repeats), "
        "of the mean of all, of always answering the median of the training chains, and of linear regression and "
        "nearest neighbours, which read what the network reads.",
    ),
    FigureName(
        "bands_learned",
        "Bands answered by networks",
        "Networks on curves",
        "curves",
        "Chains that no network learned from: amplitude over wavenumber and frequency, every wavenumber relative to "
        "its own largest, on a logarithmic scale (grey; without the spectra, the brightest frequency as a line). "
        "Dotted: the ideal band. Dashed: the band that the network answers, mean over the repeats; shaded: from the "
        "lowest to the highest of them. X in the panels, in THz: of the network, of gap + X (1 − cos ak) fitted to "
        "the brightest frequencies, and printed. The network's X stands beside five further terms, the fitted one "
        "alone.",
    ),
    FigureName(
        "band_errors",
        "Errors of the bands",
        "Networks on curves",
        "curves",
        "Mean absolute error on test chains. Left: over the wavenumber, mean over chains (thin: single repeats). "
        "Right: chain by chain, mean over k, all repeats; boxes span the quartiles, whiskers 5–95 %, diamonds are "
        "means. Shaded on the left: the range printed for the errors at different k; of the errors of single chains "
        "nothing is printed. The ideal band does not know σ and τ; linear regression and nearest neighbours read them, "
        "and so does the network. One whose title says so is shown the very curve besides: it does not predict, but "
        "tells how much of a known curve it can put into its form. The best fit of the form is fitted to each curve "
        "itself within the network's bounds: no network of this form can be much better.",
    ),
    FigureName(
        "widths_read",
        "Widths of walls from the σ and τ read",
        "Networks on curves",
        "curves",
        "Test chains simulated again with the σ and τ that the network read (those beyond the range of the training "
        "chains at its border). Left: actual and predicted widths of the walls over T, one repeat. Right: predicted "
        "less actual widths, all repeats, of the chains for which both the network and linear regression gave a wall "
        "(errors beyond the axis stand in its outermost bins); beside them, as normal distributions, what always "
        "answering the mean width of the training chains would leave, and the printed mean and standard deviation. "
        "Both the network and linear regression are given the width: returning it would have no error at all, and that "
        "the simulation gives it back does not mean that σ and τ are right.",
    ),
    FigureName(
        "coverage",
        "Intervals around σ and τ",
        "Networks on curves",
        "curves",
        "Share of test chains whose true value lies inside its interval against the share asked for (bars: 95 % "
        "binomial intervals, the scatter of the test chains alone), and mean width of the intervals. Grey: where the "
        "share of a valid conformal method lies with 95 % probability, which has the scatter of the chains set aside "
        "as well (beta-binomial). Ensemble: from the spread of the repeats alone, by Student's t; conformal: from "
        "errors on chains set aside, one width for all chains; scaled conformal: wider where the errors of similar "
        "predictions are larger.",
    ),
)

_TRAINING_FILES = {
    "learning": ("epochs.csv", "result.json"),
    "errors": ("result.json",),
    "networks": ("result.json",),
    "truth": ("predictions.csv",),
    "outliers": ("predictions.csv", "result.json"),
    "curve_learning": ("epochs.csv", "result.json"),
    "defects_read": ("predictions.csv", "result.json"),
    "bands_learned": ("predictions.csv",),
    "band_errors": ("predictions.csv",),
    "widths_read": ("predictions.csv", "result.json"),
    "coverage": ("predictions.csv",),
}

PUBLISHED = ("spectra", "bands", "wall_profiles", "wall_widths", "bands_learned", "band_errors", "widths_read")
"""Figures of films and of networks on curves that show numbers of the study's source."""

LEAST_WALLS = 50
"""Fewest walls that are drawn over σ and τ as a surface."""

FIGURES: dict[str, FigureName] = {row.name: row for row in _TABLE}


def applies(study: Study, name: str) -> bool:
    """Say whether a study holds what a figure shows.

    Parameters
    ----------
    study : Study
    name : str
        A key of `FIGURES`.

    Returns
    -------
    bool
        False, for example, for maps in a study that makes none.
    """
    needs = FIGURES[name].needs
    if needs == "calibration":
        return study.calibration is not None
    if needs == "learn":
        return len({job.network for job in study.trainings.values()}) > (2 if name == "networks" else 0)
    if needs == "maps":
        if not study.maps:
            return False
        group = _mapped_group(study)
        if name in ("roc", "auc"):
            targets = next(iter(study.maps.values())).training.targets
            differences = {
                (key, point.condition.get(f"{key}_in", point.condition[key]) - point.condition[key])
                for point in group.points
                for key in targets
            }
            return sum(difference != 0 for _, difference in differences) > (1 if name == "auc" else 0)
        return name in ("maps", "profile") or group.inner_margin is not None
    if needs == "curves":
        return bool(curve_trainings(study, name))
    group = groups.shown(study, name)
    if group is None:
        return False
    points = group.points
    conditions = {tuple(sorted(point.condition.items())) for point in points}
    if name in ("gallery", "magnetisation", "refinement", "energies", "loop_fields"):
        return len(conditions) > 1
    if name in ("wall_widths", "identifiability"):
        return len(conditions) >= LEAST_WALLS
    if name == "seeds":
        return len(points) > len(conditions)
    return True


def _mapped_group(study: Study) -> Group:
    return study.groups[next(iter(study.maps.values())).films]


def _learned(study: Study) -> str:
    return next(iter(study.trainings.values())).data


def curve_trainings(study: Study, name: str) -> dict[str, CurveTraining]:
    """Trainings on curves that a figure shows: those that answer what it is about, with the largest `n_data` of a task.

    Parameters
    ----------
    study : Study
    name : str
        A figure that needs them.

    Returns
    -------
    dict of str to CurveTraining
        By id, in the order of the study.
    """
    largest: dict[str, int] = {}
    for job in study.curve_trainings.values():
        largest[job.task] = max(job.n_data, largest.get(job.task, 0))
    return {
        key: job
        for key, job in study.curve_trainings.items()
        if job.n_data == largest[job.task] and _ON_CURVES[name](job)
    }


_ON_CURVES: dict[str, Callable[[CurveTraining], bool]] = {
    "curve_learning": lambda job: True,
    "defects_read": lambda job: bool(job.targets),
    "bands_learned": lambda job: job.answers is not None and bool(job.also),
    "band_errors": lambda job: job.answers is not None,
    "widths_read": lambda job: job.resimulate == "width_m",
    "coverage": lambda job: bool(job.targets),
}
"""Which trainings on curves have what a figure shows."""


def applicable(study: Study) -> tuple[str, ...]:
    """Names of all figures that apply to a study, in the order of the report."""
    return tuple(name for name in FIGURES if applies(study, name))


def inputs(study: Study, name: str, results: Path) -> list[Path]:
    """Files a figure is drawn from.

    Parameters
    ----------
    study : Study
    name : str
        A key of `FIGURES`.
    results : Path
        Results root.

    Returns
    -------
    list of Path
    """
    from weiss import paths

    needs = FIGURES[name].needs
    if needs == "films":
        return [paths.dataset(results, study.name, group.name) for group in groups.every(study, name)]
    if needs == "calibration":
        return [paths.dataset(results, study.name, group) for group in study.calibration.groups]
    if needs == "learn":
        parts = _TRAINING_FILES[name]
        files = [paths.training(results, study.name, key) / part for key in study.trainings for part in parts]
        return ([paths.dataset(results, study.name, _learned(study))] if name == "outliers" else []) + files
    if needs == "curves":
        jobs = curve_trainings(study, name)
        files = [paths.training(results, study.name, key) / part for key in jobs for part in _TRAINING_FILES[name]]
        read = {"band_errors": lambda job: (job.data,), "bands_learned": lambda job: job.also}.get(name, lambda job: ())
        drawn = dict.fromkeys(group for job in jobs.values() for group in read(job))
        return [paths.dataset(results, study.name, group) for group in drawn] + files
    return [paths.maps(results, study.name, key) / part for key in study.maps for part in ("maps.h5", "metrics.json")]


_CHAINS = ("figures/chains.py", "spsll/spectrum.py", "spsll/settings.py")
_ON_TASKS = ("figures/curve_tasks.py", "figures/chains.py")
_OF_BANDS = ("form", "baselines", "networks/names")
_USED = {
    "refinement": ("patterns/statistics.py", "figures/curves.py"),
    "energies": ("figures/curves.py",),
    "loop_fields": ("figures/curves.py",),
    "records": ("figures/loop_fields.py",),
    "magnetisation": ("figures/gallery.py",),
    "truth": ("figures/bins.py",),
    "networks": ("figures/labels.py", "figures/errors.py"),
    "outliers": ("figures/bins.py", "figures/panels.py", "figures/similar.py", "patterns/statistics.py"),
    "noise_spectrum": _CHAINS,
    "telegraph": ("spsll/telegraph.py", "spsll/spectrum.py"),
    "spectra": _CHAINS,
    "bands": _CHAINS,
    "wall_profiles": _CHAINS,
    "wall_widths": _CHAINS,
    "identifiability": _CHAINS,
    "curve_learning": _ON_TASKS,
    "defects_read": _ON_TASKS,
    "bands_learned": (*_ON_TASKS, "spsll/settings.py", "learn/curves/form.py"),
    "band_errors": (*_ON_TASKS, "spsll/settings.py", *(f"learn/curves/{name}.py" for name in _OF_BANDS)),
    "widths_read": _ON_TASKS,
    "coverage": (*_ON_TASKS, "learn/curves/intervals.py"),
}
"""What else decides how a figure looks, from the folder of the package."""


def sources(name: str) -> tuple[Path, ...]:
    """Source files whose text decides what a figure looks like; their contents belong in the figure's digest.

    Parameters
    ----------
    name : str
        A key of `FIGURES`.

    Returns
    -------
    tuple of Path
        The figure's own module, the shared style, units and reading of results, and for the calibration what it
        calculates. (Title and caption are not drawn.)
    """
    folder = Path(__file__).parent
    analysis = ("outcomes.py", "nucleation.py") if FIGURES[name].needs == "calibration" else ()
    extra = tuple(folder.parent / "calibration" / file for file in analysis)
    if FIGURES[name].needs == "films":
        extra += (folder / "groups.py", folder / "panels.py")
    extra += tuple(folder.parent / file for file in _USED.get(name, ()))
    return *extra, *(folder / f"{file}.py" for file in (name, "style", "quantities", "read"))
