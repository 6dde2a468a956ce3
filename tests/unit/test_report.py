"""The report page: self-contained, true to what is on disk, honest about what is not, and readable on any screen."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from html.parser import HTMLParser
from pathlib import Path
from statistics import median

import pytest
import synthetic

from weiss import paths, report
from weiss.errors import UserError
from weiss.figures.names import FIGURES
from weiss.report import findings, statistics
from weiss.report.collect import benchmarks, collect

CHROMIUM = "/usr/bin/chromium"


class Page(HTMLParser):
    """Texts, tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.skip = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.skip = tag == "style"

    def handle_endtag(self, tag):
        self.skip = False

    def handle_data(self, data):
        if not self.skip:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(study, results) -> Page:
    return Page(paths.report(results, study.name).read_text(encoding="utf-8"))


def fresh(study, results) -> Page:
    report.run(study, results)
    return page_of(study, results)


def change_result(study, results, training, **changes):
    path = paths.training(results, study.name, training) / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# --- form ------------------------------------------------------------------------------------------------------------


def test_page_fetches_nothing_and_runs_nothing():
    study, results = synthetic.finished()
    page = page_of(study, results)
    links = [(tag, key, value) for tag, attrs in page.tags for key, value in attrs.items() if key in ("src", "href")]
    assert links and all(value.startswith(("data:", "#")) for _, _, value in links)
    assert not {"script", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    source = paths.report(results, study.name).read_text(encoding="utf-8")
    assert "url(" not in source and "@import" not in source and "http://" not in source and "https://" not in source


def test_every_figure_is_embedded_with_text_and_command():
    study, results = synthetic.finished()
    page = page_of(study, results)
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == len(study.figures)
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in images)
    for name in study.figures:
        assert FIGURES[name].caption in page.text
        assert f"weiss figure small.yaml {name}" in page.text


def test_same_results_are_the_same_page():
    study, results = synthetic.finished()
    before = paths.report(results, study.name).read_bytes()
    report.run(study, results)
    assert paths.report(results, study.name).read_bytes() == before


def test_anchors_lead_somewhere():
    study, results = synthetic.finished()
    page = page_of(study, results)
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {attrs["href"][1:] for tag, attrs in page.tags if tag == "a"} <= ids


def test_title_is_text_not_markup(tmp_path):
    study = synthetic.write_study(tmp_path, title="<script>alert(1)</script> & films")
    page = fresh(study, tmp_path / "results")
    assert "script" not in {tag for tag, _ in page.tags}
    assert "<script>alert(1)</script> & films" in page.text


# --- content ---------------------------------------------------------------------------------------------------------


def test_answer_is_the_network_of_the_lowest_validation_error_against_the_median_predictor(tmp_path):
    study, results = synthetic.copy(tmp_path)
    for key, training in study.trainings.items():
        # The size that validates worse tests better: chosen by its test error it would be the answer.
        one = training.n_data == 1
        errors = {"test_mae_J": 0.3 if one else 0.2, "test_mae_D": 0.4 if one else 0.1}
        change_result(study, results, key, validate_mae=0.2 if one else 0.5, **errors)
    text = fresh(study, results).text
    assert "J is read off a single window with a mean absolute error of 0.300 (median of 2 repeats, mod, 1 " in text
    assert "D is read off a single window with a mean absolute error of 0.400 (median of 2 repeats, mod, 1 " in text
    assert "those with the lowest validation error" in text
    for key in study.trainings:
        change_result(study, results, key, baseline_mae_J=0.25)
    assert "gives 0.250: this network is not better than that at J." in fresh(study, results).text


def test_answer_sets_the_maps_against_the_median_predictor():
    study, results = synthetic.finished()
    found = collect(study, results)
    answer = " ".join(findings.answer(found, statistics.errors(found), statistics.films(found)))
    for film in found.maps[found.shown_map]["films"]:
        for numbers in film["targets"].values():
            mae, baseline = (findings.number(numbers[key]) for key in ("mae", "baseline_mae"))
            assert f"D_in = {film['condition']['D_in']:g}: {mae} against {baseline}" in answer


def test_baseline_without_error_is_named():
    study, results = synthetic.finished()
    found = collect(study, results)
    errors = statistics.errors(found).assign(baseline=0.0)
    notes = [card.note for card in findings.cards(found, errors, statistics.films(found))]
    assert any("the films have one value" in note for note in notes) and not any("nan" in note for note in notes)


def test_mapped_films_of_a_training_seed_are_not_called_unseen(tmp_path):
    study, results = synthetic.finished()
    assert "which they had not seen, to map" in page_of(study, results).text
    films = synthetic.CONTENT["films"]
    films = films | {"nonuniform": films["nonuniform"] | {"seeds": [1, 3]}}
    text = fresh(synthetic.write_study(tmp_path, films=films), tmp_path / "results").text
    assert "which they had not seen" not in text
    assert "Mapped films have the seed 3, as have films the networks were trained or chosen with" in text


def test_page_gives_areas_points_evaluations_config_and_versions():
    study, results = synthetic.finished()
    text = page_of(study, results).text
    for key in study.maps:
        metrics = json.loads((paths.maps(results, study.name, key) / "metrics.json").read_text())
        for film in metrics["films"]:
            assert f"{film['targets']['D']['auc']:.3f}" in text
    found = collect(study, results)
    assert "36 of 36" in text and f"{found.groups[0].evaluations:,}" in text
    assert "crops_per_film: 4" in text and "learning_rate: 0.02" in text and "tdgl numerics" in text
    assert "J = 2, D = 1, D_in = 0.1, seed 1" in text


def test_network_no_better_than_the_median_is_said_plainly(tmp_path):
    study, results = synthetic.copy(tmp_path)
    for key in study.trainings:
        change_result(study, results, key, test_mae_J=0.9, baseline_mae_J=0.5, test_mae_D=0.1, baseline_mae_D=0.6)
    text = fresh(study, results).text
    assert "no network here is better than that at J" in text
    assert "mod with 2 training seeds is not better than the median predictor at J: 0.900 against 0.500" in text
    assert "predictor at D" not in text and "against 0.600 for always answering the median" in text


def test_uncertain_network_is_called_uncertain(tmp_path):
    study, results = synthetic.copy(tmp_path)
    for key, training in study.trainings.items():
        change_result(study, results, key, test_mae_J=0.2 if training.repeat == 1 else 0.7, baseline_mae_J=0.5)
    assert (
        "mod with 2 training seeds is not clearly better than the median predictor at J" in fresh(study, results).text
    )


def test_blind_map_is_said_plainly(tmp_path):
    study, results = synthetic.copy(tmp_path)
    path = paths.maps(results, study.name, "mod-n2-r01") / "metrics.json"
    content = json.loads(path.read_text())
    for film in content["films"]:
        film["targets"]["D"]["auc"] = 0.42
    path.write_text(json.dumps(content))
    text = fresh(study, results).text
    assert "The D map by mod-n2-r01 does not tell inner from outer in 2 of 2 films (D_in = 0.1: AUC 0.420" in text


@pytest.mark.parametrize("uncrossed", ["stop", "leave_out"])
def test_films_without_crossing_are_counted(tmp_path, uncrossed):
    learn = synthetic.CONTENT["learn"] | {"uncrossed": uncrossed}
    found = collect(synthetic.write_study(tmp_path, learn=learn), tmp_path / "results")
    found.groups = [dataclasses.replace(group, unfinished=("a", "b")) for group in found.groups]
    said = findings.warnings(found, statistics.errors(found), statistics.films(found))
    assert ("did not reach the crossing: a, b; they are left out" in said[0]) == (uncrossed == "leave_out")
    assert said[0].startswith("2 films of group uniform") and said[1].endswith("did not reach the crossing: a, b.")


@pytest.mark.parametrize(("area", "good"), [(0.42, False), (0.5, False), (0.51, None), (0.74, None), (0.75, True)])
def test_an_area_is_good_only_from_three_quarters(area, good):
    study, results = synthetic.finished()
    found = collect(study, results)
    films = statistics.films(found)
    films["auc"] = films["auc"].where(films["auc"].isna(), area)
    shown = findings.cards(found, statistics.errors(found), films)
    assert [card.good for card in shown if card.label == "AUC of the D map"] == [good]


def test_missing_pieces_are_named_and_nothing_is_invented(tmp_path):
    study, results = synthetic.copy(tmp_path)
    shutil.rmtree(paths.maps(results, study.name, "mod-n2-r01"))
    shutil.rmtree(paths.training(results, study.name, "mod-n1-r02"))
    paths.figure(results, study.name, "roc").unlink()
    paths.dataset(results, study.name, "nonuniform").unlink()
    shard = study.groups["nonuniform"].shards[0]
    paths.manifest(results, study.name, shard.id).unlink()
    page = fresh(study, results)
    for sentence in (
        "The map mod-n2-r01 is missing.",
        "The training mod-n1-r02 is missing.",
        "Figure roc is missing; weiss figure small.yaml roc draws it.",
        "The dataset of the group nonuniform is missing.",
        f"The manifest of shard {shard.label}: it is missing.",
    ):
        assert sentence in page.text
    assert "none of 2 films" in page.text and "3 of 4 trainings" in page.text
    assert "mod with 1 training seed was trained once" in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == len(study.figures) - 1


def test_incomplete_training_is_named(tmp_path):
    study, results = synthetic.copy(tmp_path)
    change_result(study, results, "mod-n2-r01", test_mae_J=None)
    text = fresh(study, results).text
    assert "The training mod-n2-r01 is damaged: its errors are incomplete." in text and "3 of 4 trainings" in text


def test_page_of_an_empty_folder_says_so(tmp_path):
    study = synthetic.write_study(tmp_path)
    page = fresh(study, tmp_path / "results")
    assert "There is no training or map on disk yet" in page.text
    assert not any(tag == "img" for tag, _ in page.tags)


def test_results_of_an_earlier_study_are_left_out(tmp_path):
    synthetic.copy(tmp_path)
    learn = synthetic.CONTENT["learn"] | {"recipe": synthetic.CONTENT["learn"]["recipe"] | {"max_epochs": 7}}
    study = synthetic.write_study(tmp_path, learn=learn)
    text = fresh(study, tmp_path / "results").text
    assert "The training mod-n1-r01 on disk is of an earlier version of the study and is left out." in text
    assert "0 of 4 trainings" in text and "is read off a single window" not in text


def test_result_that_does_not_say_what_it_is_of_is_not_shown(tmp_path):
    study, results = synthetic.copy(tmp_path)
    path = paths.training(results, study.name, "mod-n2-r01") / "result.json"
    content = json.loads(path.read_text())
    del content["digest"]
    path.write_text(json.dumps(content))
    text = fresh(study, results).text
    assert "The training mod-n2-r01 is damaged." in text and "3 of 4 trainings" in text


@pytest.mark.parametrize("content", ["", "[]", "{", '{"films": 3}', '{"films": []}'])
def test_damaged_metrics_are_named(tmp_path, content):
    study, results = synthetic.copy(tmp_path)
    (paths.maps(results, study.name, "mod-n2-r02") / "metrics.json").write_text(content)
    assert "The map mod-n2-r02 is damaged." in fresh(study, results).text


def test_edited_study_is_noticed():
    study, results = synthetic.finished()
    with pytest.raises(UserError, match="the study changed"):
        report.run(study, results, expected_digest="0" * 16)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_interval_of_a_median():
    values = [0.20, 0.22, 0.21, 0.25, 0.19, 0.23, 0.24, 0.18]
    low, high = statistics.median_interval(values)
    assert min(values) <= low < median(values) < high <= max(values)
    assert statistics.median_interval(values) == (low, high)
    assert statistics.median_interval([0.2]) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.17123, "0.171"),
        (12.3456, "12.3"),
        (1234.5, "1,234"),
        (0, "0"),
        (None, "–"),
        (float("nan"), "–"),
        (2e9, "2.00e+09"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert findings.number(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(3.21, "3.21 s"), (600, "10.0 min"), (9000, "2.50 h"), (None, "–")])
def test_durations_have_a_fitting_unit(seconds, text):
    assert findings.duration(seconds) == text


def test_benchmarks_are_summed_by_rule(tmp_path):
    head = "s\th:m:s\tmax_rss\tmax_vms\n"
    for rule, job, line in (
        ("train", "a", "10.5\t0:00:10\t512.5\t1\n"),
        ("train", "b", "2.0\t0:00:02\t-\t-\n"),
        ("map", "a", "1.0\t0:00:01\t64\t1\n"),
        ("map", "torn", ""),
    ):
        path = tmp_path / rule / f"{job}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(head + line)
    rows = benchmarks(tmp_path).set_index("rule")
    assert rows.loc["train"].tolist() == [2, 12.5, 512.5] and rows.loc["map"].tolist() == [1, 1.0, 64.0]
    assert benchmarks(tmp_path / "absent").empty


def test_sources_digest_is_of_contents(tmp_path, monkeypatch):
    package = Path(report.__file__).parent.parent
    for part in ("report", "figures"):
        shutil.copytree(package / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    original = report.sources_digest()
    monkeypatch.setattr(report, "__file__", str(tmp_path / "report" / "__init__.py"))
    os.utime(tmp_path / "report" / "style.css", (1, 1))
    assert report.sources_digest() == original
    for name in ("report/style.css", "report/page.html.j2", "report/findings.py", "figures/names.py"):
        before = report.sources_digest()
        with (tmp_path / name).open("a") as file:
            file.write("\n")
        assert report.sources_digest() != before


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    if not Path(CHROMIUM).exists():
        reason = f"{CHROMIUM} is not installed"
        if os.environ.get("WEISS_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        instance = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield instance
        instance.close()


def test_claims_and_their_numbers_fit_a_phone(browser, tmp_path):
    study, results = synthetic.compared(tmp_path)
    report.run(study, results)
    context = browser.new_context(viewport={"width": 390, "height": 850})
    page = context.new_page()
    page.goto(paths.report(results, study.name).absolute().as_uri())
    page.evaluate("document.querySelectorAll('#claims details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#claims .verdict").count() == 16
    context.close()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_the_screen(browser, width, scheme):
    study, results = synthetic.finished()
    context = browser.new_context(viewport={"width": width, "height": 850}, color_scheme=scheme)
    page = context.new_page()
    faults, requests = [], []
    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(paths.report(results, study.name).absolute().as_uri())
    sizes = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, window.innerWidth]")
    assert max(sizes[:2]) <= sizes[2] == width
    assert not faults and all(url.startswith(("file:", "data:")) for url in requests)
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    outside = page.evaluate(
        """[...document.querySelectorAll('h1, h2, h3, p, figcaption, li, .card, .scroll, .picture, pre')]
           .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    text, ground = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    bright = [sum(map(int, colour[4:-1].split(","))) for colour in (text, ground)]
    assert (bright[0] < bright[1]) == (scheme == "light") and abs(bright[0] - bright[1]) > 400
    context.close()
