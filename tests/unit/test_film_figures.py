"""Figures of simulated films: which they show, every cell of them, and what they say of films without a crossing."""

from __future__ import annotations

import dataclasses
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import synthetic
from PIL import Image

from weiss import gather, simulate
from weiss.figures import gallery, groups, loops, nonuniform, panels, refinement, seeds, style
from weiss.patterns.statistics import pattern_statistics
from weiss.study import load_study

CONFIG = Path(__file__).resolve().parents[2] / "config"


def draw(module, study, results):
    with style.style():
        return module.build(study, results)


def films_only(folder, solver=synthetic.made_up_solver, **group):
    """A finished study of one group of films."""
    films = {"films": synthetic.CONTENT["films"]["uniform"] | group}
    study = synthetic.write_study(folder, films=films, learn=None, maps=None)
    for shard in study.shards:
        simulate.run(study, shard, folder / "results", solver=solver)
    gather.run(study, "films", folder / "results")
    return study, folder / "results"


def never_crosses(films, device, threads):
    """Stand in for a solver whose films of D = 1.9 never come to the crossing."""
    for index, film in synthetic.made_up_solver(films, device, threads):
        if films[index][0]["D"] == 1.9:
            film.status, film.t_crossing, film.h_crossing = "not crossed", np.nan, np.nan
            film.loop_h = 0.3 * np.interp(np.linspace(0, 5, film.loop_h.size), [0, 1, 3, 5], [0, 1, -1, 1])
            film.loop_m = np.ones_like(film.loop_h)
        yield index, film


def test_the_gallery_study_is_a_part_of_the_paper():
    """Its films are those of the full study, to the last setting, so that each is simulated once."""
    part, whole = load_study(CONFIG / "mamada2023-gallery.yaml"), load_study(CONFIG / "mamada2023.yaml")
    assert set(part.points) < set(whole.points)
    assert {groups.shown(part, name).name for name in ("gallery", "loops", "refinement")} == {"parameters"}
    assert groups.shown(part, "seeds").name == "seeds" and groups.shown(part, "nonuniform").name == "nonuniform"


def test_without_nonuniform_films_there_is_no_figure_of_them(tmp_path):
    study = synthetic.write_study(
        tmp_path, films={"uniform": synthetic.CONTENT["films"]["uniform"]}, learn=None, maps=None
    )
    assert groups.shown(study, "nonuniform") is None


@pytest.mark.parametrize(
    ("films", "columns", "scale"), [((48, 48), 3, 10), ((256, 256), 7, 1), ((512, 512), 4, 1), ((40, 64), 2, 8)]
)
def test_every_cell_is_a_whole_number_of_pixels(films, columns, scale):
    pattern = np.where(np.random.default_rng(1).random(films) < 0.5, 1, -1)
    with style.style():
        figure, axes = panels.grid(2, columns, films, titles=1)
        for axis in figure.axes:
            style.domains(axis, pattern)
        image = np.asarray(Image.open(BytesIO(style.png(figure))).convert("L"))
    assert len(axes) == 2 and {len(line) for line in axes} == {columns}
    for axis in figure.axes:
        place = axis.get_position()
        top, left = round(image.shape[0] * (1 - place.y1)), round(image.shape[1] * place.x0)
        height, width = films[0] * scale, films[1] * scale
        panel = image[top : top + height, left : left + width]
        inner = np.kron(np.where(pattern > 0, 255, 0), np.ones((scale, scale), int))
        # The frame covers a pixel or two of the outermost cells.
        np.testing.assert_array_equal(panel[2:-2, 2:-2], inner[2:-2, 2:-2])


def test_nonuniform_films_are_told_apart_by_what_varies():
    study, results = synthetic.finished()
    figure, table = draw(nonuniform, study, results)
    assert [axis.get_title() for axis in figure.axes] == [r"$D_\mathrm{in}$ = 0.1", r"$D_\mathrm{in}$ = 1.9"]
    assert figure.get_supxlabel() == "$J$ = 2, $D$ = 1"
    assert table["D_in"].tolist() == [0.1, 1.9] and set(table["inner_margin"]) == {20}
    for axis, row in zip(figure.axes, table.itertuples(), strict=True):
        shares = (24**2 * row.white_share_inner + (64**2 - 24**2) * row.white_share_outer) / 64**2
        assert shares == pytest.approx((axis.images[0].get_array() > 0).mean())


def test_a_film_that_never_crossed_is_marked_and_not_measured(tmp_path):
    study, results = films_only(tmp_path, solver=never_crosses)
    figure, table = draw(gallery, study, results)
    marked = [axis for axis in figure.axes if any(text.get_text() == "not crossed" for text in axis.texts)]
    assert len(marked) == 3 and (table["status"] == "not crossed").sum() == 3
    _, table = draw(refinement, study, results)
    assert set(table["D"]) == {0.1, 1.0}
    figure, table = draw(loops, study, results)
    without = table[table["D"] == 1.9]
    assert without["h_crossing"].isna().all() and (without["m"] == 1).all() and without["h"].notna().all()
    stars = sum(line.get_marker() == "*" for axis in figure.axes for line in axis.lines)
    assert stars == 6


def test_a_value_has_one_colour_in_all_loops(tmp_path):
    space = {"list": [{"J": 0.4, "D": 1.9}, *({"J": 2.0, "D": value} for value in (0.1, 1.0, 1.9))]}
    study, results = films_only(tmp_path, space=space, seeds=[1])
    figure, _ = draw(loops, study, results)
    curves = [[line for line in axis.lines if len(line.get_xdata()) > 2] for axis in figure.axes]
    assert [len(lines) for lines in curves] == [1, 3]
    assert curves[0][0].get_color() == curves[1][2].get_color()
    named = {text.get_text(): line.get_color() for text, line in zip(*legend(figure), strict=True)}
    assert named["$D$ = 1.9"] == curves[0][0].get_color()


def legend(figure):
    return figure.legends[0].get_texts(), figure.legends[0].get_lines()


@pytest.mark.parametrize(("crossing", "branch"), [(1, "falling"), (2, "rising")])
def test_loops_say_on_which_branch_the_pattern_was_taken(tmp_path, crossing, branch):
    tdgl = synthetic.CONTENT["films"]["uniform"]["tdgl"] | {"crossing": crossing}
    study, results = films_only(tmp_path, tdgl=tdgl, seeds=[1])
    figure, _ = draw(loops, study, results)
    assert legend(figure)[0][-1].get_text().endswith(f"on the {branch} branch")


def test_arrows_show_the_way_a_loop_runs():
    study, results = synthetic.finished()
    figure, _ = draw(loops, study, results)
    arrows = [text for text in figure.axes[0].texts if text.arrow_patch is not None]
    # Three stretches of each of three films: up, down, and up again to the crossing.
    assert len(arrows) == 9
    for first, second, third in zip(arrows[::3], arrows[1::3], arrows[2::3], strict=True):
        assert first.xy[1] > first.xyann[1] and second.xy[1] < second.xyann[1] and third.xy[1] > third.xyann[1]


def test_refinement_shows_the_mean_over_seeds():
    study, results = synthetic.finished()
    _, table = draw(refinement, study, results)
    _, data = panels.films(study, results, "refinement")
    assert table["films"].tolist() == [4] * 9
    row = table[(table["J"] == 1.2) & (table["D"] == 1.9)].iloc[0]
    chosen = (data["J"].values == 1.2) & (data["D"].values == 1.9)
    each = [dataclasses.asdict(pattern_statistics(pattern)) for pattern in data["pattern"].values[chosen]]
    for name in each[0]:
        values = np.array([one[name] for one in each])
        assert row[name] == pytest.approx(values.mean())
        assert row[f"{name}_error"] == pytest.approx(values.std(ddof=1) / 2)


def test_refinement_of_made_up_labyrinths():
    """Their stripes widen with J, and specks make walls."""
    study, results = synthetic.finished()
    _, table = draw(refinement, study, results)
    table = table.set_index(["J", "D"])
    assert table.loc[(0.4, 0.1), "peak_wavenumber"] > table.loc[(2.0, 0.1), "peak_wavenumber"]
    assert table.loc[(1.2, 1.9), "perimeter"] > table.loc[(1.2, 0.1), "perimeter"]


def test_seeds_are_of_one_condition_and_in_order(tmp_path):
    study, results = films_only(tmp_path, space={"grid": {"J": [1.5], "D": [1.5]}}, seeds=[4, 2, 9])
    figure, table = draw(seeds, study, results)
    assert table["seed"].tolist() == [2, 4, 9] and figure.get_supxlabel() == "$J$ = 1.5, $D$ = 1.5"
