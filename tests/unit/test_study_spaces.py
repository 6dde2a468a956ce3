"""Parameter spaces and the strict YAML they are written in."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import edited, load

from weiss.errors import UserError
from weiss.spaces import canonical_float, expand_range, random_value
from weiss.yamlfile import read_yaml

FEW = settings(max_examples=25, deadline=None)


def _random(n: int, seed: int = 7, **bounds: list[float]) -> list[dict[str, float]]:
    space = {"random": {"n": n, "seed": seed, **(bounds or {"J": [0.1, 2.0], "D": [0.1, 2.0]})}}
    study = load(edited(("films.uniform.space", space), ("films.uniform.seeds", [1, 2, 3, 4, 5, 6, 7, 8])))
    return [point.condition for point in study.groups["uniform"].points if point.seed == 1]


def _key(condition: dict[str, float]) -> tuple[float, float]:
    return condition["J"], condition["D"]


@FEW
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 1000))
def test_random_spaces_keep_their_conditions_when_n_grows(n: int, more: int, seed: int) -> None:
    few, many = ({_key(c) for c in _random(count, seed)} for count in (n, n + more))
    assert few < many
    assert len(few) == n and len(many) == n + more


def test_random_values_fill_their_bounds_uniformly() -> None:
    values = [random_value(3, "J", index, 0.5, 2.5) for index in range(4000)]
    assert all(0.5 <= value < 2.5 for value in values)
    # Kolmogorov's distance to uniform is below 1.63/√n with 99 % probability; the draw is fixed: no gamble.
    distance = max(abs((value - 0.5) / 2 - rank / 4000) for rank, value in enumerate(sorted(values)))
    assert distance < 1.63 / math.sqrt(4000)
    other = [random_value(3, "D", index, 0.5, 2.5) for index in range(4000)]
    covariance = sum((a - 1.5) * (b - 1.5) for a, b in zip(values, other, strict=True)) / 4000
    assert abs(covariance) < 0.02


def test_another_parameters_bounds_leave_a_random_parameter_alone() -> None:
    first = {c["J"] for c in _random(10)}
    assert {c["J"] for c in _random(10, D=[0.5, 0.6], J=[0.1, 2.0])} == first
    assert {c["J"] for c in _random(10, seed=8)} != first


def test_ranges_include_their_end_and_are_rounded() -> None:
    assert expand_range(0.1, 2.0, 0.1, 100) == [k / 10 for k in range(1, 21)]
    assert expand_range(-0.3, 0.3, 0.1, 100) == [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]
    assert expand_range(0.0, 1.0, 0.3, 100) == [0.0, 0.3, 0.6, 0.9]
    assert expand_range(5, 5, 1, 100) == [5.0]


@given(st.floats(-1e9, 1e9, allow_subnormal=False))
def test_canonical_floats_are_stable_close_and_unsigned_at_zero(value: float) -> None:
    canonical = canonical_float(value)
    assert canonical_float(canonical) == canonical
    assert canonical == pytest.approx(value, rel=1e-11, abs=0)
    assert math.copysign(1, canonical_float(-0.0)) == 1


def test_numbers_follow_yaml_1_2(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "a: 1e-3\nb: [1.0E+5, 5e5, .5, 2., -3, 0o17, 0x1F]\nc: [no, yes, on, true, False]\nd: ['1', ~, 012]\n"
    )
    document = read_yaml(path)
    assert document.value == {
        "a": 1e-3,
        "b": [1e5, 5e5, 0.5, 2.0, -3, 15, 31],
        "c": ["no", "yes", "on", True, False],
        "d": ["1", None, 12],
    }
    assert isinstance(document.value["b"][0], float) and isinstance(document.value["b"][4], int)
    assert document.where("c", 3) == f"{path}:3: c[3]"
    assert document.where("d", "absent") == f"{path}:4: d.absent"


def test_anchors_may_be_used_but_not_piled_up(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &x {b: 1}\nc: *x\n")
    assert read_yaml(path).value == {"a": {"b": 1}, "c": {"b": 1}}
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match="too many or too deeply nested"):
        read_yaml(path)
