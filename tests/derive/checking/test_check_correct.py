"""No false alarm: what is right is found right, however it is written."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from planted_claims import at_steps, forward, gradients, recurrences

from chalkgrad import derive
from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.checking.check import check
from tests.chosen import diagonal, some
from tests.promises import Promise

LISTED = Path(__file__).with_name("right_claims.txt")
CHOICES = (
    {},
    {"g": "relu", "h": "softmax"},
    {"h": "identity"},
    {"h": "softmax", "loss": "binary_cross_entropy"},
)
SCHEDULES = (
    ("one-to-one", "none", {"T": 1}),
    ("one-to-many", "none", {"T": 3}),
    ("one-to-many", "output", {"T": 3}),
    ("one-to-many", "target", {"T": 2}),
    ("many-to-one", "none", {"T": 4}),
    ("encoder-decoder", "none", {"T_x": 2, "T_y": 3}),
    ("encoder-decoder", "output", {"T_x": 2, "T_y": 2}),
    ("encoder-decoder", "target", {"T_x": 1, "T_y": 3}),
)
KEPT = [("gru" if n == 4 else "vanilla", schedule) for n, schedule in enumerate(SCHEDULES)]
PROMISED = "right claims that the checker takes for wrong"


def listed(path: Path) -> list[tuple[str, ...]]:
    """The lines of a file of claims, cut at the bars; the claim is the last."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [tuple(part.strip() for part in line.split(" | ")) for line in lines if line]


def model_of(text: str) -> Model:
    """vanilla h=softmax"""
    name, *choices = text.split()
    return derive.load(name, **dict(choice.split("=") for choice in choices))


def steps_of(text: str) -> int | tuple[int, int]:
    numbers = tuple(int(part) for part in text.split(","))
    return numbers if len(numbers) == 2 else numbers[0]


def test_the_list_is_long() -> None:
    assert len(listed(LISTED)) > 140
    assert len({claim for *_, claim in listed(LISTED)}) > 140


@pytest.mark.parametrize(("model", "T", "claim"), listed(LISTED))
def test_a_right_claim_is_right(model: str, T: str, claim: str, promise: Promise) -> None:
    report = check(model_of(model), claim, T=steps_of(T))
    promise.none(PROMISED, [] if report.correct else [report], 1)
    assert report.mistake is None
    assert bool(report)


@pytest.mark.parametrize("name, choices", diagonal(derive.builtin_names(), CHOICES))
def test_every_equation_of_a_derivation_is_right(
    name: str, choices: dict[str, str], promise: Promise
) -> None:
    model = derive.load(name, **choices)
    claims = [*recurrences(model), *gradients(model), *forward(model)]
    assert len(claims) > 10
    promise.none(PROMISED, [c.text for c in claims if not check(model, c.text).correct], len(claims))


@pytest.mark.parametrize(
    "name, schedule", some(product(["vanilla", "gru", "lstm"], SCHEDULES), lambda case: case in KEPT)
)
def test_every_equation_at_every_step_is_right(
    name: str, schedule: tuple[str, str, dict[str, int]], promise: Promise
) -> None:
    architecture, feed, times = schedule
    model = derive.load(name, architecture=architecture, feed=feed)
    T = tuple(times.values()) if len(times) == 2 else times["T"]
    claims = [*at_steps(model, times), *gradients(model)]
    assert len(claims) > 5
    wrong = [c.text for c in claims if not check(model, c.text, T=T).correct]  # type: ignore[arg-type]
    promise.none(PROMISED, wrong, len(claims))


def test_targets_that_have_to_sum_to_one_are_a_condition() -> None:
    model = derive.load("vanilla", h="softmax")
    taught, general = "delta_z_yhat = yhat - y", "delta_z_yhat = sum(y) * yhat - y"
    assert check(model, taught).conditions == ("sum(y) = 1",)
    assert "sum to 1" in check(model, taught).explanation
    assert check(model, general).correct and not check(model, general).conditions


def test_other_states_move_with_the_one_that_is_moved() -> None:
    model = derive.load("lstm")
    assert not check(model, "dc[t]/dc[t-1] = diag(f[t])")
    assert check(model, "d+c[t]/dc[t-1] = diag(f[t])")
    whole = "dc[t]/dc[t-1] = diag(f[t]) + dc[t]/da[t-1] @ d+a[t-1]/dc[t-1]"
    assert check(model, whole).conditions == ()


def test_a_claim_for_every_T_is_not_right_at_two_by_the_lack_of_steps() -> None:
    """At T = 2 the only step where all of it exists is the last, where nothing follows."""
    claim = "delta_a[t] = W_ya^T @ delta_z_yhat[t] + W_aa^T @ (delta_a[t+1] * g'(z_a[t-1]))"
    assert not check(derive.load("vanilla"), claim, T=2)


def test_a_zero_that_rounding_has_left_is_zero() -> None:
    model = derive.load("gru")
    assert check(model, "dL/dW_za - sum_t delta_z_z[t] @ a[t-1]^T = 0")
    assert not check(model, "dL/dW_za - sum_t delta_z_r[t] @ a[t-1]^T = 0")
