"""Tables of printed numbers: looked up by place, refused with the place of what is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest
import synthetic

from weiss.errors import UserError
from weiss.published import CLAIMS, COLUMNS, read_published
from weiss.report.claims import DECIDE

HEADER = ",".join(COLUMNS)


def table(folder, *lines, header=HEADER, title="# A source"):
    path = folder / "printed.csv"
    path.write_text("\n".join([title, header, *lines]) + "\n", encoding="utf-8")
    return path


def test_it_is_read_without_pandas_matplotlib_or_torch():
    heavy = "('matplotlib', 'pandas', 'torch', 'numpy')"
    code = f"import sys, weiss.published; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_number_is_found_by_its_place_alone(tmp_path):
    read = read_published(table(tmp_path, "mae,J,reg,4,,0.162,Table II", "mae,J,reg,1,,0.171,Table II"))
    assert read.title == "A source"
    assert read.value("mae", target="J", network="reg", n_data=4) == 0.162
    assert read.row("mae", target="J", network="reg", n_data=1).source == "Table II"
    for place in ({}, {"target": "J", "network": "reg"}, {"target": "D", "network": "reg", "n_data": 4}):
        assert read.value("mae", **place) is None
    assert read.value("auc", target="J", network="reg", n_data=4) is None


def test_conditions_are_compared_as_numbers(tmp_path):
    read = read_published(table(tmp_path, "auc,D,reg,,D_in=1.30 J=2,0.798,text", "figure,,,,errors,7,its number"))
    for condition in ("D_in=1.3 J=2.0", "J=2 D_in=1.3", {"D_in": 1.3, "J": 2.0, "D": 1.0}):
        assert read.value("auc", target="D", network="reg", condition=condition) == 0.798
    for condition in (None, "D_in=1.3", {"D_in": 1.3}, {"D_in": 1.6, "J": 2.0}):
        assert read.value("auc", target="D", network="reg", condition=condition) is None
    assert read.of("auc")[0].values == {"D_in": 1.3, "J": 2.0} and read.of("figure")[0].values == {}


def test_a_figure_may_have_several_numbers(tmp_path):
    rows = ("figure,,,,maps,10,number", "figure,,,,maps,13,number", "figure,,,,errors,7,number")
    read = read_published(table(tmp_path, *rows))
    assert [read.figure(name) for name in ("maps", "errors", "roc")] == ["Figs. 10 and 13", "Fig. 7", ""]


def test_digest_is_of_the_numbers(tmp_path):
    first = read_published(table(tmp_path, "mae,J,reg,4,,0.162,Table II")).digest
    assert read_published(table(tmp_path, "", "# a remark", "mae,J,reg,4,,0.1620,Table II")).digest == first
    assert read_published(table(tmp_path, "mae,J,reg,4,,0.163,Table II")).digest != first


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mae,J,reg,4,,much,Table II", r":3: column value must be a finite number, got 'much'"),
        ("mae,J,reg,4,,nan,Table II", r":3: column value must be a finite number"),
        ("mae,J,reg,4,,,Table II", r":3: column value is empty, expected a number"),
        (",J,reg,4,,1,Table II", r":3: column quantity is empty"),
        ("mae,J,reg,4,,0.1,", r":3: column source is empty, expected where it is printed"),
        ("mae,J,reg,many,,0.1,Table II", r":3: column n_data must be a whole number"),
        ("mae,J,reg,0,,0.1,Table II", r":3: column n_data must be a whole number"),
        ("auc,D,reg,,D_in=large,0.8,text", r":3: column condition must be like D_in=1.3"),
        ("auc,D,reg,,D_in = 1.3,0.8,text", r":3: column condition must be like D_in=1.3"),
        ("claim,,,,pretrainig,1,text", r":3: column condition: no claim named 'pretrainig'; expected one of pretrain"),
        ("figure,,,,error,7,text", r":3: column condition: no figure named 'error'; expected one of loops"),
        ("mae,J,reg,4,0.1,Table II", r":3: expected 7 values .quantity, target, .*got 6"),
        ('mae,"J,reg,4,,0.1,Table II', r":3: not a row of a CSV table"),
    ],
)
def test_a_bad_row_is_named(tmp_path, line, message):
    with pytest.raises(UserError, match=message) as caught:
        read_published(table(tmp_path, line))
    assert "printed.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_number_given_twice_is_refused(tmp_path):
    lines = ("auc,D,reg,,J=2 D_in=1.3,0.8,text", "auc,D,reg,,D_in=1.3 J=2.0,0.7,text")
    with pytest.raises(UserError, match=r":4: .*given twice .first in line 3."):
        read_published(table(tmp_path, *lines))


def test_a_file_that_is_no_such_table_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_published(tmp_path / "absent.csv")
    with pytest.raises(UserError, match="expected the header quantity,target"):
        read_published(table(tmp_path, "mae,1", header="quantity,value"))
    with pytest.raises(UserError, match="expected a header"):
        read_published(table(tmp_path))
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        read_published(path)


def test_claims_named_in_a_table_are_those_that_can_be_decided():
    assert tuple(DECIDE) == CLAIMS


def test_numbers_of_the_paper():
    paper = read_published(synthetic.PUBLISHED)
    assert len(paper.of("mae")) == 12 and len({row.condition for row in paper.of("claim")}) == len(CLAIMS)
    assert paper.value("mae", target="D", network="reg_pret", n_data=4) == 0.212
    assert paper.value("mae", target="J", network="mod", n_data=1) == 0.208
    assert paper.value("auc", target="D", network="reg_pret", condition="D_in=1.3") == 0.798
    assert paper.value("parameters", network="reg") == 3.92e7
    place = {"target": "D", "network": "mod", "n_data": 4}
    ends = [paper.value("prediction_median", **place, condition=f"D={d}") for d in (0.1, 2)]
    assert ends == [0.9, 1.4]
    assert "54.3 million" in paper.row("parameters", network="reg").source


def test_quoted_gains_are_those_of_the_table():
    """Where the paper's text contradicts its own Table II the row says so."""
    paper = read_published(synthetic.PUBLISHED)
    for row in paper.of("pretraining_gain"):
        if row.n_data:
            plain, better = (
                paper.value("mae", target=row.target, network=name, n_data=row.n_data) for name in ("reg", row.network)
            )
            assert plain - better == pytest.approx(row.value)
    for row in paper.of("more_data_gain"):
        few, many = (paper.value("mae", target=row.target, network=row.network, n_data=n) for n in (1, 4))
        assert few - many == pytest.approx(row.value)
