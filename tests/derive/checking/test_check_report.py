"""What a report says: the verdict, the words, the term, and numbers that are true."""

from __future__ import annotations

import re

import pytest

from chalkgrad import derive
from chalkgrad.derive.checking.check import check, judge_of
from chalkgrad.derive.checking.explaining.mistakes import MISTAKES
from chalkgrad.derive.checking.judging.claim import Claim
from chalkgrad.derive.checking.judging.places import network, scope_of
from chalkgrad.derive.checking.reading.grammar import parse

VANILLA = derive.load("vanilla")
DROPPED = "delta_a[t] = W_ya^T @ delta_z_yhat[t]"


def test_a_right_claim() -> None:
    report = check(VANILLA, "delta_z_a[t] = delta_a[t] * g'(z_a[t])")
    assert report.correct and bool(report)
    assert report.mistake is None
    assert str(report).startswith("right\n")
    assert report.verdict == "right" and report.conditions == () and report.reading == "gradient"
    assert report.places == 18 and "at all 18 places where both exist (T = 3, T = 5," in report.explanation
    assert report._repr_markdown_().startswith("**right** ")


def test_a_wrong_claim() -> None:
    report = check(VANILLA, DROPPED)
    assert not report.correct and not bool(report)
    assert report.mistake == "recurrent-path"
    assert r"Missing: $W_{aa}^{\top} \delta_{z_{a}}^{<t+1>}$" in report.explanation
    assert report._repr_markdown_().startswith("**wrong: recurrent-path** ")
    lines = str(report).splitlines()
    assert lines[0] == "wrong: recurrent-path"
    assert lines[1] == "  claimed  δ_a⟨t⟩ = W_yaᵀ δ_z_ŷ⟨t⟩"
    assert "  Missing: W_aaᵀ δ_z_a⟨t+1⟩." in lines
    assert report.claim == DROPPED


def test_the_wrong_part_is_shown() -> None:
    report = check(VANILLA, "dL/dW_aa = sum_t delta_z_a[t] @ a[t]^T")
    assert "It has $a^{<t>}$, where $a^{<t-1>}$ belongs." in report.explanation
    report = check(VANILLA, "delta_x = W_aa^T @ delta_z_a")
    assert "It has $W_{aa}$, where $W_{ax}$ belongs." in report.explanation


@pytest.mark.parametrize("turned", [False, True])
def test_the_counterexample_is_true(turned: bool) -> None:
    """Its numbers are those of the network at the first point."""
    claim = " = ".join(reversed(DROPPED.split(" = "))) if turned else DROPPED
    text = check(VANILLA, claim).explanation
    found = re.search(r"t = (\d), T = 3, entry (\d) is claimed to be (\S+), and is (\S+)\.$", text)
    assert found is not None
    t, entry = int(found[1]), int(found[2])
    verdict = judge_of(scope_of(VANILLA)).verdict(Claim(scope_of(VANILLA), parse(claim, scope_of(VANILLA))))
    assert verdict.failure is not None and dict(verdict.failure.steps) == {"t": t}
    net = network(scope_of(VANILLA), verdict.failure.place)
    assert net is not None
    true = net.loss_slope(None, lambda of: net.total(of, ("a", t)))[0, entry - 1]
    above = net.loss_slope(None, lambda of: net.total(of, ("z_yhat", t)))[0]
    claimed = net.parameters["W_ya"][:, entry - 1] @ above
    assert float(found[3]) == pytest.approx(float(claimed), rel=1e-5)
    assert float(found[4]) == pytest.approx(float(true), rel=1e-5)


def test_shapes_that_do_not_fit_are_told() -> None:
    text = check(VANILLA, "dL/dW_ya = sum_t a[t] @ delta_z_yhat[t]^T").explanation
    assert "expected equal shapes, found a matrix of n_y by n_a and a matrix of n_a by n_y" in text
    text = check(VANILLA, "delta_a[t] = W_ya @ delta_z_yhat[t]").explanation
    assert "found a matrix of n_y by n_a and a column of n_y" in text


def test_steps_that_do_not_exist_are_told() -> None:
    for claim in ("dL/dW_ax = sum_t delta_z_a[t] @ x[t-1]^T", "a[0] = z_a[0]", "2 = 2", "n_a = T"):
        report = check(VANILLA, claim)
        assert (report.verdict, report.mistake, bool(report)) == ("nothing claimed", None, False)
        assert "there is no step at which all of it exists" in report.explanation


def test_of_a_chain_the_first_false_equation_is_reported() -> None:
    report = check(VANILLA, "delta_z_yhat = yhat - y = y - yhat = yhat - y")
    assert report.mistake == "sign"
    assert str(report).splitlines()[1] == "  claimed  ŷ⟨t⟩ − y⟨t⟩ = y⟨t⟩ − ŷ⟨t⟩"


def test_the_mathematics_stands_between_dollars() -> None:
    for text in (DROPPED, "dL/dW_aa = 1/m * sum_t delta_z_a[t] @ a[t-1]^T", "delta_a = 3 * x"):
        explanation = check(VANILLA, text).explanation
        assert explanation.count("$") % 2 == 0
        outside = "".join(explanation.split("$")[::2])
        assert "\\" not in outside and "_{" not in outside


def test_every_mistake_has_words() -> None:
    assert all(words.endswith(".") for words in MISTAKES.values())
