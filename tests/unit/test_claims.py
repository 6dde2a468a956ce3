"""Claims of a source: decided by differences in pairs, and not decided where nothing can be said."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd
import pytest
import synthetic
from synthetic import Reading

from weiss import figures, paths, report
from weiss.published import CLAIMS
from weiss.report import claims, findings, sizes, statistics, tables, verdicts
from weiss.report.collect import collect
from weiss.report.verdicts import FAILS, FEWEST, HOLDS, OPEN, sign, trend
from weiss.study import load_study

NO_MAPS = {"maps": None}

SEVERAL = (1, 20, 21)
"""Seeds of the mapped films, where one of each condition is not enough."""

FOLDERS = []


def decided(study, results):
    found = collect(study, results)
    listed = claims.claims(found, statistics.errors(found))
    return {(claim.name, claim.sentence): claim for claim in listed}


def one(listed, name, word=""):
    chosen = [claim for (key, sentence), claim in listed.items() if key == name and word in sentence]
    assert len(chosen) == 1, [sentence for _, sentence in listed]
    return chosen[0]


@cache
def films(seeds):
    """A study of several networks, its films and `clear` results, made once: tests copy it or pretend others."""
    folder = Path(mkdtemp(prefix="weiss-claims-"))
    made = synthetic.compared_films()
    made["nonuniform"] = made["nonuniform"] | {"seeds": list(seeds)}
    FOLDERS.append(folder)
    return *synthetic.compared(folder, clear, films=made), made


@pytest.fixture(scope="module", autouse=True)
def _tidy():
    yield
    for folder in FOLDERS:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _fewer_shuffles(monkeypatch):
    """Enough to tell one time in twenty."""
    monkeypatch.setattr(verdicts, "RESAMPLES", 999)


def pretended(folder, reading, seeds=(1,), **changes):
    """The same films, networks of a reading, changes to the study that leave the films as they are."""
    study, results, made = films(seeds)
    made_already = reading is clear and "learn" not in changes
    changes = {"learn": synthetic.COMPARED, "report": study.config["report"], "maps": study.config["maps"]} | changes
    others = [
        name for name, wanted in (("train", made_already), ("infer", made_already and changes["maps"])) if not wanted
    ]
    shutil.copytree(results, folder / "results", ignore=shutil.ignore_patterns("points", *others))
    synthetic.write_published(folder)
    trainings = study.trainings
    study = synthetic.write_study(folder, films=made, **changes)
    if made_already:
        assert study.trainings == trainings
    else:
        synthetic.pretend(study, folder / "results", reading)
    return study, folder / "results"


def table_of(found, title):
    nothing = pd.DataFrame()
    listed = tables.all_tables(found, statistics.errors(found), nothing, nothing)
    return next(table for table in listed if table.title == title)


def clear(training):
    """Networks whose errors differ so much that every claim of the paper about them is decided."""
    slope = {"mod": 0.35, "reg": 0.75, "reg_pret": 0.95, "reg_fdsl": 0.9}[training.network]
    if training.n_data == 1:
        slope -= {"mod": 0.0, "reg": 0.2, "reg_pret": 0.1, "reg_fdsl": 0.1}[training.network]
    return Reading(slope, 0.02)


def blind(training):
    """Networks that only know the middle of the training values, and scatter about it."""
    return Reading(0.0, 0.2)


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_the_interval_decides():
    up = [0.1, 0.2, 0.15, 0.12, 0.11, 0.3, 0.2, 0.18]
    assert sign("x", up).verdict == HOLDS and sign("x", [-value for value in up]).verdict == FAILS
    wavering = sign("x", [*up[:4], *(-value for value in up[:4])])
    assert wavering.verdict == OPEN and wavering.why == "the interval includes zero"


def test_an_interval_beyond_zero_is_not_enough_where_signs_could_be_chance():
    values = [0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, -0.01]
    claim = sign("x", values)
    assert claim.verdict == OPEN and claim.why == "the signs are not told from chance (p = 0.07)"
    assert sign("x", [*values, 0.3, 0.3]).verdict == HOLDS
    assert sign("x", [-value for value in [*values, 0.3, 0.3]]).verdict == FAILS
    assert sign("x", [0.0] * 8).verdict == OPEN


def test_few_pairs_decide_nothing_however_far_from_zero():
    few = sign("x", [5.0] * (FEWEST - 1))
    assert few.verdict == OPEN and few.why == f"too few: {FEWEST - 1} repeats, {FEWEST} needed"
    assert sign("x", [5.0, 5.1, 5.2, 5.3, 5.4, 5.5]).verdict == HOLDS
    assert sign("x", [1.0]).verdict == OPEN and sign("x", []).verdict == OPEN


def test_a_trend_must_beat_shuffled_values():
    x = [0.1, 0.4, 0.7, 1.3, 1.6, 1.9]
    assert trend("x", x, [1, 2, 3, 4, 5, 6], "").verdict == HOLDS
    assert trend("x", x, [6, 5, 4, 3, 2, 1], "").verdict == FAILS
    unclear = trend("x", x, [1, 5, 2, 6, 3, 1], "")
    assert unclear.verdict == OPEN and unclear.why.startswith("not told from chance (p = ")
    assert trend("x", [1, 1, 2], [1, 2, 3], "").verdict == OPEN and trend("x", x, [1] * 6, "").verdict == OPEN
    assert trend("x", x, [1, 2, 3, 4, 5, 6], "") == trend("x", x, [1, 2, 3, 4, 5, 6], "")


def test_a_claim_holds_only_if_all_of_it_does():
    kinds = ((HOLDS, ""), (FAILS, ""), (OPEN, "few"), ("", ""))
    yes, no, maybe, also = (claims.Evidence("x", verdict=verdict, why=why) for verdict, why in kinds)

    def verdict(*evidence):
        return claims.Claim("name", "It is so.", "Table I", evidence)

    assert verdict(yes, yes, also).verdict == HOLDS and verdict(yes, yes).why == ""
    assert verdict(yes, no, maybe).verdict == FAILS
    assert verdict(yes, maybe, maybe).verdict == OPEN
    assert verdict(yes, maybe, maybe).why == "1 of 3 comparisons hold; few (2 times)"
    assert verdict(also).verdict == OPEN and verdict().verdict == OPEN
    assert verdict(also).why == "nothing here that it speaks of"
    asked = claims.Claim("name", "It is so.", claims.NOT_IN_SOURCE, (yes,), in_source=False)
    assert claims.summary([verdict(yes), verdict(no), asked]) == (
        "Of 2 published claims, 1 hold here, 1 do not, and 0 cannot be decided."
    )


# --- networks --------------------------------------------------------------------------------------------------------


def test_claims_hold_where_results_are_as_in_the_paper(tmp_path):
    listed = decided(*pretended(tmp_path, clear))
    for name in ("larger", "more_data", "more_data_smallest", "flattened", "map_rises"):
        assert one(listed, name).verdict == HOLDS, (name, one(listed, name).why)
    for start in ("ImageNet", "images made by formulas (contours)"):
        for name in ("pretraining", "pretraining_scarce", "pretrained_beat_smallest"):
            assert one(listed, name, start).verdict == HOLDS, (name, start, one(listed, name, start).why)
    for name in ("pretraining", "pretraining_scarce", "pretrained_beat_smallest"):
        asked, claimed = one(listed, name, "formulas"), one(listed, name, "ImageNet")
        assert asked.source == "not in the source" and not asked.in_source
        assert claimed.source != "not in the source" and claimed.in_source
    assert sum(claim.in_source for claim in listed.values()) == len(CLAIMS)


def test_networks_without_printed_errors_decide_nothing(tmp_path):
    study, results = pretended(tmp_path, clear, **NO_MAPS)
    for name in ("larger", "more_data", "more_data_smallest", "harder", "flattened"):
        rows = one(decided(study, results), name).evidence
        others = {row.verdict for row in rows if "reg_fdsl" in row.what}
        assert others <= {""}, name
        assert any(row.verdict for row in rows), name
    text = "\n".join(line for line in synthetic.PUBLISHED.read_text().splitlines() if not line.startswith("mae,J"))
    (tmp_path / "published.csv").write_text(text)
    study = load_study(study.path)
    rows = one(decided(study, results), "pretraining", "ImageNet").evidence
    assert {row.what[0]: row.verdict for row in rows} == {"J": "", "D": HOLDS}
    assert all(row.here != "–" for row in rows)


def test_a_parameter_is_harder_only_beyond_what_the_median_predictor_shows(tmp_path):
    """The values of D in these films are spread 1.1 times as widely as those of J."""

    def alike(training):
        return Reading(0.5, 0.0001)

    study, results = pretended(tmp_path, alike, **NO_MAPS)
    for key in study.trainings:
        path = paths.training(results, study.name, key) / "result.json"
        content = json.loads(path.read_text())
        content["test_mae_D"] = 0.5 * content["baseline_mae_D"] + 0.01 * (study.trainings[key].repeat - 20) / 20
        content["test_mae_J"] = 0.5 * content["baseline_mae_J"]
        path.write_text(json.dumps(content))
    rows = {row.what: row for row in one(decided(study, results), "harder").evidence}
    what = "reg, N = 4: error of D − error of J"
    assert rows[what].verdict == HOLDS
    assert rows[f"{what}, each divided by that of the median predictor"].verdict == FAILS


def test_the_published_difference_stands_beside_ours(tmp_path):
    study, results = pretended(tmp_path, clear)
    evidence = {row.what: row for row in one(decided(study, results), "pretraining", "ImageNet").evidence}
    assert set(evidence) == {f"{target}, N = {n}: reg − reg_pret" for target in "JD" for n in (1, 4)}
    assert evidence["D, N = 1: reg − reg_pret"].published == "0.0420"
    runs = statistics.runs(collect(study, results))
    runs = runs[(runs["target"] == "D") & (runs["n_data"] == 1)].set_index(["network", "seeds"])["mae"]
    runs = runs.groupby(level=[0, 1]).mean()
    expected = (runs["reg"] - runs["reg_pret"]).median()
    assert evidence["D, N = 1: reg − reg_pret"].here.startswith(f"{expected:.3f}"[:5])
    assert evidence["D, N = 1: reg − reg_pret"].here.endswith("(7 sets of training seeds)")


def test_the_opposite_does_not_hold(tmp_path):
    def upside_down(training):
        slope = {"mod": 0.95, "reg": 0.8, "reg_pret": 0.5, "reg_fdsl": 0.5}[training.network]
        return Reading(slope - (0.2 if training.n_data > 1 else 0.0), 0.02)

    listed = decided(*pretended(tmp_path, upside_down, **NO_MAPS))
    for name in ("larger", "more_data"):
        assert one(listed, name).verdict == FAILS, name
    assert one(listed, "pretraining", "ImageNet").verdict == FAILS
    assert "say the opposite" in one(listed, "pretraining", "ImageNet").why


def test_a_network_no_better_than_the_median_decides_nothing(tmp_path):
    study, results = pretended(tmp_path, blind)
    listed = decided(study, results)
    for claim in listed.values():
        assert claim.verdict == OPEN, (claim.sentence, claim.evidence)
        assert "better than the median predictor" in claim.why, (claim.sentence, claim.why)
    report.run(study, results)
    page = paths.report(results, study.name).read_text(encoding="utf-8")
    assert "is not better than the median predictor" in page and ">holds<" not in page


def test_equal_networks_are_not_told_apart(tmp_path):
    listed = decided(*pretended(tmp_path, lambda training: Reading(0.8, 0.15), **NO_MAPS))
    for name, word in (("larger", ""), ("pretraining", "ImageNet"), ("more_data_smallest", "")):
        claim = one(listed, name, word)
        assert claim.verdict == OPEN and "the interval includes zero" in claim.why


def test_networks_not_run_are_named(tmp_path):
    networks = synthetic.COMPARED["networks"]
    networks = networks | {"reg_pret": networks["reg_pret"] | {"repeats": 0}}
    study, results = pretended(tmp_path, clear, learn=synthetic.COMPARED | {"networks": networks}, **NO_MAPS)
    listed = decided(study, results)
    claim = one(listed, "pretraining", "ImageNet")
    assert claim.verdict == OPEN and "reg_pret was not run" in claim.why
    assert one(listed, "pretraining", "formulas").verdict == HOLDS
    found = collect(study, results)
    table = table_of(found, "Test error")
    rows = {row[:3]: row for row in table.rows}
    assert rows["J", "reg_pret", "4"][3:] == ("0", "not run", "–", "0.151", "–", "–")
    assert rows["D", "mod", "1"][3] == "10" and rows["D", "mod", "1"][6] == "0.278"
    assert rows["D", "reg_fdsl", "1"][6] == "–"


def test_networks_of_different_recipes_are_warned_of(tmp_path):
    study, results = pretended(tmp_path / "same", clear, **NO_MAPS)
    found = collect(study, results)
    assert "recipes" not in " ".join(findings.warnings(found, statistics.errors(found), statistics.films(found)))
    networks = synthetic.COMPARED["networks"] | {"mod": {"learning_rate": 0.001, "max_epochs": 3}}
    learn = synthetic.COMPARED | {"networks": networks}
    study, results = pretended(tmp_path / "other", clear, learn=learn, **NO_MAPS)
    found = collect(study, results)
    said = " ".join(findings.warnings(found, statistics.errors(found), statistics.films(found)))
    assert "trained by different recipes (learning_rate, max_epochs)" in said


def test_networks_the_study_lacks_are_named(tmp_path):
    networks = {name: synthetic.COMPARED["networks"][name] for name in ("mod", "reg")}
    study, results = pretended(tmp_path, clear, learn=synthetic.COMPARED | {"networks": networks}, **NO_MAPS)
    listed = decided(study, results)
    assert "reg_pret is not in this study" in one(listed, "pretraining").why
    assert "this study makes no maps" in one(listed, "map_rises").why
    assert one(listed, "larger").verdict == HOLDS


def test_few_repeats_are_too_few(tmp_path):
    study, results = pretended(tmp_path, clear, learn=synthetic.COMPARED | {"repeats": 3}, **NO_MAPS)
    claim = one(decided(study, results), "larger")
    assert claim.verdict == OPEN and f"too few: 2 sets of training seeds, {FEWEST} needed" in claim.why


def test_repeats_are_paired_by_the_seeds_they_share(tmp_path):
    study, results = pretended(tmp_path, clear, **NO_MAPS)
    found = collect(study, results)
    case = claims.Case(found, statistics.errors(found))
    assert len(case.gains(("reg", 4), ("reg_pret", 4), "J")) == 10
    # One training seed is drawn from the four of the same repeat.
    assert len(case.gains(("reg", 1), ("reg", 4), "J")) == 10
    other = (case.runs["network"] == "reg") & (case.runs["repeat"] == 2)
    case.runs["seeds"] = case.runs["seeds"].where(~other, frozenset({99}))
    assert case.gains(("reg", 4), ("reg_pret", 4), "J").index.tolist() == [1, *range(3, 11)]


def test_repeats_on_the_same_seeds_count_once(tmp_path):
    study, results = pretended(tmp_path, clear, **NO_MAPS)
    found = collect(study, results)
    case = claims.Case(found, statistics.errors(found))
    pair = (("reg", 4), ("reg_pret", 4))
    gains = case.gains(*pair, "J")
    assert case.independent(gains, *pair) == pytest.approx(gains.groupby(case.of("reg", 4, "J")["seeds"]).mean())
    case.runs["seeds"] = [frozenset({3})] * len(case.runs)
    assert case.independent(gains, *pair) == pytest.approx([gains.mean()])
    claim = case.lower("x", *pair, "J")
    assert claim.verdict == OPEN and claim.why == f"too few: 1 set of training seeds, {FEWEST} needed"


def test_one_training_is_not_told_from_the_median_predictor(tmp_path):
    study, results = pretended(tmp_path, clear, learn=synthetic.COMPARED | {"repeats": 1}, **NO_MAPS)
    claim = one(decided(study, results), "larger")
    assert claim.verdict == OPEN
    assert "reg has one training only: not told from the median predictor at D" in claim.why


def test_missing_predictions_are_named_and_decide_nothing(tmp_path):
    study, results = pretended(tmp_path, clear, **NO_MAPS)
    for key in study.trainings:
        (paths.training(results, study.name, key) / "predictions.csv").unlink()
    found = collect(study, results)
    assert "The predictions of the training mod-n1-r01 are missing or damaged." in found.problems
    claim = one(decided(study, results), "flattened")
    assert claim.verdict == OPEN and "no predictions on disk" in claim.why


def test_flattening_is_measured_at_the_ends(tmp_path):
    claim = one(decided(*pretended(tmp_path, clear, **NO_MAPS)), "flattened")
    low = next(row for row in claim.evidence if row.what.startswith("mod at D = 0.1"))
    assert low.published == "reads 0.900 at D = 0.1"
    # 1.0 + 0.9 · 0.35 · (0.1 − 1.0)
    assert float(low.here.split()[1]) == pytest.approx(0.717, abs=0.02)
    # Every imperfect reader is above the lowest value: only the spans decide.
    assert [bool(row.verdict) for row in claim.evidence] == [False, False, True, True, False]


def test_flattening_is_not_decided_without_another_network(tmp_path):
    networks = {"mod": {}, "mob": {}}
    slopes = {"mod": 0.4, "mob": 0.8}
    reading = lambda training: Reading(slopes[training.network], 0.02)  # noqa: E731
    study, results = pretended(tmp_path, reading, learn=synthetic.COMPARED | {"networks": networks}, **NO_MAPS)
    claim = one(decided(study, results), "flattened")
    assert claim.verdict == OPEN and claim.why == "no larger network of the source to compare spans with"


# --- maps ------------------------------------------------------------------------------------------------------------


def change_maps(study, results, change):
    for key in study.maps:
        path = paths.maps(results, study.name, key) / "metrics.json"
        content = json.loads(path.read_text())
        for film in content["films"]:
            change(film)
        path.write_text(json.dumps(content))


def test_areas_are_held_against_the_difference(tmp_path):
    study, results = pretended(tmp_path, clear, seeds=SEVERAL)

    def areas(film):
        difference = abs(film["condition"]["D_in"] - 1.0)
        if difference > 0.1:
            film["targets"]["D"]["auc"] = 0.6 + 0.4 * difference

    change_maps(study, results, areas)
    listed = decided(study, results)
    assert one(listed, "auc_falls").verdict == HOLDS
    lowest = one(listed, "auc_lowest")
    assert lowest.verdict == FAILS and "AUC 0.720" in lowest.evidence[0].here
    assert lowest.evidence[0].published == "0.798 at D_in=1.3"
    change_maps(study, results, lambda film: film["targets"]["D"].update(auc=film["targets"]["D"]["auc"] and 0.8))
    assert one(decided(study, results), "auc_lowest").verdict == HOLDS


def test_the_border_is_decided_in_each_film(tmp_path):
    study, results = pretended(tmp_path, clear, seeds=SEVERAL)

    def border(film):
        errors = (("R1", 0.1), ("R2", 0.3), ("R3", 0.3), ("R4", 0.25 if film["condition"]["D_in"] > 1.5 else 0.35))
        for name, error in errors:
            film["targets"]["D"]["regions"][name]["mae"] = error + 0.01 * film["condition"]["D_in"]

    change_maps(study, results, border)
    claim = one(decided(study, results), "border")
    assert claim.sentence.endswith("outside (R3, R4) so at D_in = 1.6 and 1.9.")
    assert [row.verdict for row in claim.evidence] == [HOLDS, HOLDS, ""] and claim.verdict == HOLDS
    assert [row.here.partition("(")[2] for row in claim.evidence] == ["18 films)", "6 films)", "12 films)"]


def test_drift_of_the_other_parameter(tmp_path):
    study, results = pretended(tmp_path, clear)

    def drift(film):
        film["targets"]["J"]["regions"]["R1"]["median"] = 1.5 if film["condition"]["D_in"] in (0.1, 1.9) else 1.99

    change_maps(study, results, drift)
    claim = one(decided(study, results), "others_drift")
    assert [row.verdict for row in claim.evidence] == [HOLDS, OPEN] and claim.why.endswith("5 films, 6 needed")
    assert claim.evidence[0].published == "0.1: 1.5, 1.9: 1.5"
    change_maps(study, results, lambda film: film["targets"]["J"]["regions"]["R1"].update(median=1.2))
    assert one(decided(study, results), "others_drift").verdict == OPEN


def test_drift_is_decided_by_enough_films(tmp_path):
    study, results = pretended(tmp_path, clear, seeds=SEVERAL)
    change_maps(study, results, lambda film: film["targets"]["J"]["regions"]["R1"].update(median=1.2))
    assert one(decided(study, results), "others_drift").verdict == FAILS


def test_maps_of_one_film_count_once(tmp_path):
    study, results = pretended(tmp_path, clear)
    assert len(study.maps) > 3
    claim = one(decided(study, results), "auc_lowest")
    assert claim.verdict == OPEN and claim.why == f"too few: 2 films, {FEWEST} needed"
    assert "(2 films)" in claim.evidence[0].here


# --- the page --------------------------------------------------------------------------------------------------------


def test_without_a_source_there_is_nothing_of_it(tmp_path):
    study, results = pretended(tmp_path, clear, report=None)
    found = collect(study, results)
    errors = statistics.errors(found)
    assert claims.claims(found, errors) == [] and not sizes.sizes(found).rows
    for table in tables.all_tables(found, errors, statistics.films(found), pd.DataFrame()):
        assert not any("published" in column for column in table.columns)


def test_the_page_shows_claims_sizes_and_figure_numbers(tmp_path):
    study, results = pretended(tmp_path, clear)
    figures.run(study, "networks", results)
    report.run(study, results)
    page = paths.report(results, study.name).read_text(encoding="utf-8")
    assert 'id="claims"' in page and f"Of {len(CLAIMS)} published claims" in page and "(not in the source)" in page
    assert page.count('class="verdict yes"') >= 10
    assert "films learned from: cells along a side" in page
    assert "(Fig. 14 of the published source)" in page
    assert "for always answering the median of the training values; published: 0.151." in page


def test_a_study_that_learns_nothing_shows_the_numbers_of_figures_alone(tmp_path):
    films_only = {"learn": None, "maps": None, "report": {"published": synthetic.write_published(tmp_path)}}
    study = synthetic.write_study(tmp_path, **films_only)
    synthetic.make_films(study, tmp_path / "results")
    figures.run(study, "seeds", tmp_path / "results")
    report.run(study, tmp_path / "results")
    page = paths.report(tmp_path / "results", study.name).read_text(encoding="utf-8")
    assert "(Fig. 4 of the published source)" in page and 'id="claims"' not in page


def test_maps_of_a_network_that_cannot_be_chosen_decide_nothing(tmp_path):
    study, results = pretended(tmp_path, clear)
    shutil.rmtree(paths.training(results, study.name, "mod-n1-r01"))
    claim = one(decided(study, results), "map_rises")
    assert claim.verdict == OPEN and "trainings are missing" in claim.why
    shutil.rmtree(results / study.name / "infer")
    assert one(decided(study, results), "map_rises").why == "no map is on disk"


def test_sizes_name_what_is_smaller(tmp_path):
    study, results = pretended(tmp_path, clear)
    rows = {row[0]: row[1:] for row in sizes.sizes(collect(study, results)).rows}
    assert rows["films learned from: cells along a side"] == ("48", "256", "smaller", "Sec. II B 1")
    assert rows["repeats of a training"][:3] == ("10", "20", "smaller")
    assert rows["mapped films: conditions"][:3] == ("7", "7", "the same")
    assert rows["learning rate"][:3] == ("0.02", "0.001", "larger")
    assert rows["setting H"][2] == "the same"
    assert rows["setting noise_scale"] == ("0.22", "1", "smaller", "Eq. 1")
    assert rows["time step of the integrator"] == ("adaptive", "0.1", "different", "Sec. II B")
    assert rows["windows read per mapped film"][:3] == ("585", "250,000", "smaller")
    assert rows["networks run (of 3 in the study)"][:3] == ("3", "11", "smaller")


def test_parameters_are_counted_and_quoted(tmp_path):
    study, results = pretended(tmp_path, clear, **NO_MAPS)
    found = collect(study, results)
    table = table_of(found, "Networks")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["reg_pret"] == ("reg", "ImageNet", "54,000,000", "39,200,000", "80.1")
    assert rows["mod"] == ("mod", "random weights", "16,000", "16,000", "6.2")
    assert "quoted" in table.columns[-1] and "54.3 million" in table.note
