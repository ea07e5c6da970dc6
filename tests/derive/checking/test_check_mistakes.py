"""Every mistake is recognised on every cell where it can be made, and what is called right then is right."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pytest
from planted_claims import Claim, gradients, recurrences
from planting import Planted, chains, in_activation, in_any, in_gradient, in_outer, in_recurrence
from test_check_correct import listed, model_of, steps_of

from chalkgrad import derive
from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.checking.check import check
from chalkgrad.derive.checking.explaining.mistakes import MISTAKES, OTHER, SHAPE
from chalkgrad.derive.checking.explaining.report import NOTHING, WRONG, CheckReport
from tests.chosen import diagonal, some
from tests.promises import Promise

LISTED = Path(__file__).with_name("wrong_claims.txt")
NOTE_LAST_LINE = (
    r"\frac{\partial L^{<2>}}{\partial W_{aa}} = \frac{\partial L^{<2>}}{\partial \hat{y}^{<2>}} "
    r"\frac{\partial \hat{y}^{<2>}}{\partial a^{<2>}} \frac{\partial a^{<2>}}{\partial a^{<1>}} "
    r"\frac{\partial a^{<1>}}{\partial W_{aa}}"
)
ON_EVERY_CELL = {
    "direct-path",
    "recurrent-path",
    "state-index",
    "transpose",
    "swapped-weights",
    "swapped-vectors",
    "activation-argument",
    "bias-not-summed",
    "last-step-only",
    "total-for-immediate",
    "sign",
    "mean",
}
FEW_CELLS = some(derive.builtin_names(), ("vanilla", "gru").__contains__)
CALLED = "lines that the checker calls right and that are wrong"
AT_MOST = 2  # of one mistake in one equation; the full run takes all


def planted(model: Model) -> Iterator[Planted]:
    for claim in recurrences(model):
        yield from (*in_any(claim), *in_recurrence(claim), *in_activation(claim))
    for claim in gradients(model):
        yield from (*in_any(claim), *in_outer(claim), *in_gradient(claim))
    for _, wrong in chains(model):
        yield from wrong


def a_few(wrong: Iterable[Planted]) -> list[Planted]:
    """A few of each mistake on each left side."""
    count: Counter[tuple[str, str]] = Counter()
    kept = []
    for one in dict.fromkeys(wrong):
        left = one.text.partition("=")[0]
        count[one.mistake, left] += 1
        if count[one.mistake, left] <= AT_MOST:
            kept.append(one)
    return kept


def hold(promise: Promise, due: Iterable[str], reports: Iterable[CheckReport]) -> None:
    """Every claim is judged wrong, and its mistake is called what it is."""
    both = list(zip(due, reports, strict=True))
    promise.none("wrong claims that the checker takes for right", [r for _, r in both if r], len(both))
    misnamed = [(mistake, str(r)) for mistake, r in both if mistake != r.mistake]
    promise.none("mistakes that the checker calls something else", misnamed, len(both))


def hold_planted(promise: Promise, model: Model, wrong: Collection[Planted]) -> None:
    """Some mistakes leave a claim right under a condition, or with nothing that exists: neither is wrong."""
    both = [(one.mistake, check(model, one.text)) for one in wrong]
    both = [(mistake, report) for mistake, report in both if report.verdict == WRONG or not report.conditions]
    both = [(mistake, report) for mistake, report in both if report.verdict != NOTHING]
    assert len(both) > 0.8 * len(wrong)
    hold(promise, (mistake for mistake, _ in both), (report for _, report in both))


@pytest.mark.parametrize(("model", "T", "mistake", "claim"), listed(LISTED))
def test_a_mistake_is_named(model: str, T: str, mistake: str, claim: str, promise: Promise) -> None:
    hold(promise, [mistake], [check(model_of(model), claim, T=steps_of(T))])


def test_every_mistake_is_in_the_list() -> None:
    assert {mistake for _, _, mistake, _ in listed(LISTED)} == set(MISTAKES)


@pytest.mark.parametrize("name", FEW_CELLS)
def test_planted_mistakes_are_named(name: str, promise: Promise) -> None:
    model = derive.load(name)
    wrong = a_few(planted(model))
    assert {one.mistake for one in wrong} == ON_EVERY_CELL
    hold_planted(promise, model, wrong)


@pytest.mark.full
@pytest.mark.parametrize("name", derive.builtin_names())
def test_all_planted_mistakes_are_named(name: str, promise: Promise) -> None:
    model = derive.load(name, g="relu", h="sigmoid")
    hold_planted(promise, model, dict.fromkeys(planted(model)))


@pytest.mark.parametrize("name", derive.builtin_names())
def test_chains_are_right_as_they_are(name: str) -> None:
    model = derive.load(name)
    for claim, _ in chains(model):
        assert check(model, claim.text).correct, claim.text


SOFTMAX_STEPS = (
    "delta_z_yhat[t] = delta_yhat[t] * yhat[t] * (1 - yhat[t])",
    "delta_z_yhat[t] = (yhat[t] - yhat[t]^2) * delta_yhat[t]",
    "delta_z_yhat[t] = diag(yhat[t]) @ delta_yhat[t]",
    "dyhat[t]/dz_yhat[t] = diag(yhat[t] * (1 - yhat[t]))",
    "dL/db_y = sum_t delta_yhat * yhat * (1 - yhat)",
)


@pytest.mark.parametrize("name, loss, claim", diagonal(derive.builtin_names(), derive.LOSSES, SOFTMAX_STEPS))
def test_softmax_taken_componentwise_is_named(name: str, loss: str, claim: str) -> None:
    model = derive.load(name, h="softmax", loss=loss)
    assert check(model, claim).mistake == "softmax-cross-terms"


@pytest.mark.parametrize("T", [2, 3, 5])
def test_the_last_line_of_the_note_leaves_the_direct_path_out(T: int) -> None:
    report = check(derive.load("vanilla"), NOTE_LAST_LINE, T=T)
    assert report.mistake == "direct-path"
    assert r"\frac{\partial^{+} a^{<2>}}{\partial W_{aa}}" in report.explanation


def test_the_lines_of_the_note_are_right_but_for_the_last() -> None:
    last = NOTE_LAST_LINE.partition("=")[2]
    first = NOTE_LAST_LINE.partition("=")[0]
    second = last.replace(r"\frac{\partial a^{<2>}}{\partial a^{<1>}} ", "").replace(
        r"\frac{\partial a^{<1>}}", r"\frac{\partial a^{<2>}}"
    )
    model = derive.load("vanilla")
    assert check(model, f"{first} & = & {second}")
    both = check(model, rf"\begin{{align}} {first} & = & {second} \\ & = & {last} \end{{align}}")
    assert both.mistake == "direct-path"
    assert check(model, f"{first} = {last} = {second}").mistake == "direct-path"


def test_the_index_in_the_second_loss_term_of_the_note() -> None:
    term = r"L^{<%d>}(\hat{y}^{<%d>}, y^{<%d>})"
    model = derive.load("vanilla")
    assert check(model, rf"L(\hat{{y}}, y) = {term % (1, 1, 1)} + {term % (2, 2, 2)}", T=2)
    slip = check(model, rf"L(\hat{{y}}, y) = {term % (1, 1, 1)} + {term % (2, 1, 1)}", T=2)
    assert slip.mistake == "state-index"


def corrected(claim: str) -> str | None:
    """The line that an explanation calls right."""
    found = re.search(r"Right is \$([^$]*)\$", claim)
    return found[1] if found else None


@pytest.mark.parametrize("name", FEW_CELLS)
def test_what_is_called_right_is_right(name: str, promise: Promise) -> None:
    """The LaTeX of an explanation is read back and found right."""
    model = derive.load(name)
    wrong = a_few(planted(model))[::3]
    reports = [check(model, one.text) for one in wrong]
    lines = [corrected(report.explanation) for report in reports if report.verdict == WRONG]
    assert sum(line is not None for line in lines) > 0.8 * len(lines)
    called = [line for line in lines if line is not None]
    promise.none(CALLED, [line for line in called if not check(model, line)], len(called))


@pytest.mark.parametrize("model, T, mistake, claim", some(listed(LISTED), listed(LISTED)[::4].__contains__))
def test_what_is_called_right_is_right_in_the_list(
    model: str, T: str, mistake: str, claim: str, promise: Promise
) -> None:
    line = corrected(check(model_of(model), claim, T=steps_of(T)).explanation)
    called = [] if line is None else [line]
    wrong = [line for line in called if not check(model_of(model), line, T=steps_of(T))]
    promise.none(CALLED, wrong, len(called))


def test_two_mistakes_at_once() -> None:
    model = derive.load("vanilla")
    report = check(model, "dL/dW_aa = -sum_t delta_z_a[t] @ a[t]^T")
    assert report.mistake in ("sign", "state-index")
    assert "Two slips" in report.explanation
    both = check(model, "delta_a[t] = W_ya @ delta_z_yhat[t] - W_aa^T @ delta_z_a[t+1]")
    assert both.mistake in ("sign", "transpose")


def test_no_mistake_is_made_up() -> None:
    report = check(derive.load("lstm"), "delta_c = delta_a * i - 3 * x")
    assert report.mistake == SHAPE
    report = check(derive.load("lstm"), "delta_c = delta_a * i - 3 * f")
    assert report.mistake == OTHER
    assert report.explanation


def test_a_repair_has_to_hold_at_more_than_the_steps_where_it_says_nothing() -> None:
    """o[t-2] exists at the last step alone, where the term is zero anyway."""
    claim = "delta_a[t] = W_ya^T @ delta_z_yhat[t] + W_ka^T @ delta_z_k[t+1] + W_oa^T @ delta_z_o[t+1] * 3"
    report = check(derive.load("lstm"), f"{claim} + W_fa^T @ delta_z_f[t+1] * o")
    assert report.mistake == OTHER


@pytest.mark.parametrize(
    ("architecture", "feed", "claim", "mistake"),
    [
        ("many-to-one", "none", "dL/dW_aa = sum_t delta_z_a[t] @ a[t]^T", "state-index"),
        ("many-to-one", "none", "dL/db_a = delta_z_a[T]", "bias-not-summed"),
        ("one-to-many", "output", "delta_a[t] = W_ya^T @ delta_z_yhat[t]", "recurrent-path"),
        ("one-to-many", "output", "delta_z_yhat[t] = yhat[t] - y[t]", "recurrent-path"),
        ("encoder-decoder", "none", "dL/denc_W_aa = sum_t a[t-1] @ delta_z_a[t]^T", "transpose"),
        ("encoder-decoder", "none", "delta_a[T_x] = enc_W_aa^T @ delta_z_a[T_x+1]", "swapped-weights"),
        ("one-to-one", "none", "delta_z_a = (1 + a^2) * delta_a", "sign"),
    ],
)
def test_mistakes_in_other_architectures(architecture: str, feed: str, claim: str, mistake: str) -> None:
    model = derive.load("vanilla", architecture=architecture, feed=feed)
    assert check(model, claim).mistake == mistake


def test_claims_are_planted_in_many_equations() -> None:
    model = derive.load("gru")
    assert len({one.text for one in planted(model)}) > 300
    assert all(isinstance(claim, Claim) for claim in recurrences(model))
