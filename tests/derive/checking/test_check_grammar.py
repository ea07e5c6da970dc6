"""The grammar: what is read, in how many spellings, and what is said about that which is not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_claims import forward, gradients, recurrences
from test_check_correct import listed

from chalkgrad import derive
from chalkgrad.derive.checking.check import check
from chalkgrad.derive.checking.judging.places import scope_of
from chalkgrad.derive.checking.reading.cursor import MAX_DEPTH
from chalkgrad.derive.checking.reading.errors import FormulaError
from chalkgrad.derive.checking.reading.grammar import parse
from chalkgrad.derive.checking.reading.scanner import MAX_LENGTH
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Factors,
    Loss,
    Over,
    Slope,
    Sum,
    Turned,
    Value,
    Weight,
    at,
)
from chalkgrad.derive.errors import DeriveError
from tests.derive.checking.spelled import spelled

VANILLA = derive.load("vanilla")
STACKED = derive.load("vanilla_stacked")


def read(text: str, model: derive.Model = VANILLA) -> object:
    """The right side."""
    return parse(f"a[t] = {text}", scope_of(model))[1]


# ----------------------------------------------------------------------------- spellings


@pytest.mark.parametrize("spellings", listed(Path(__file__).with_name("spellings.txt")), ids=lambda s: s[0])
def test_spellings_of_the_same(spellings: tuple[str, ...]) -> None:
    first, *others = (read(text) for text in spellings)
    for text, other in zip(spellings[1:], others, strict=True):
        if isinstance(other, Factors) and not isinstance(first, Factors):
            pytest.fail(text)
        assert unnamed(other) == unnamed(first), text


def unnamed(node: object) -> str:
    """A tree without the words that were used for functions."""
    return (
        repr(node)
        .replace("name='sigma'", "name='sigmoid'")
        .replace("name='ReLU'", "name='relu'")
        .replace("'·'", "'@'")
    )


def test_side_by_side_is_a_product_in_latex_only() -> None:
    latex = read(r"W_{ya}^{\top} \delta_{z_{\hat{y}}}^{<t>}")
    assert latex == Factors(Turned(Weight("W_ya")), (("·", Delta("z_yhat", at("t"))),))
    with pytest.raises(FormulaError, match="'@' or '\\*' between two factors"):
        read("W_ya^T delta_z_yhat[t]")


def test_a_sum_over_time_reaches_to_the_next_plus() -> None:
    node = read("sum_t a @ x^T * y + yhat")
    assert isinstance(node, Sum)
    assert isinstance(node.terms[0][1], Over)
    assert isinstance(read("yhat @ sum_t a @ x^T"), Factors)


def test_a_state_called_d() -> None:
    immediate = Slope(Value("d", at("t")), Weight("W_dd"), True)
    assert read("d+d[t]/dW_dd", STACKED) == immediate
    assert read("dd[t]/dd[t-1]", STACKED) == Slope(Value("d", at("t")), Value("d", at("t", -1)))
    assert read("d + a / x", STACKED) == Sum(((1, Value("d", at("t"))), (1, read("a / x", STACKED))))  # type: ignore[arg-type]
    assert read("d+a[t]/x[t]", STACKED) == read("d + a / x", STACKED)
    assert read("dL/dd[t]", STACKED) == Slope(Loss(), Value("d", at("t")))


def test_a_quotient_is_an_exponent_in_brackets_of_its_own() -> None:
    assert read("(a^2 / 2)") == read("(a^2) / 2") != read("a^(2 / 2)")
    assert read("a^{1/2}") == read("a^(1/2)") == read("(a^(1/2))")


def test_bare_names_stand_at_the_index_of_the_sum() -> None:
    assert read("sum_k (a + x)") == read("sum_k (a[k] + x[k])")
    assert read("a + sum_k x") == read("a[t] + sum_k x[k]")


@pytest.mark.parametrize("name", derive.builtin_names())
def test_what_is_printed_is_read_back(name: str) -> None:
    model = derive.load(name)
    scope = scope_of(model)
    for claim in (*recurrences(model), *gradients(model), *forward(model)):
        left, right = parse(claim.text, scope)
        assert (left, right) == (claim.left, claim.right)
        assert f"{spelled(left, scope)} = {spelled(right, scope)}" == claim.text


# ----------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "column", "expected", "found"),
    [
        ("dL/dW_aa", 9, "'='", "the end"),
        ("", 1, "a name", "the end"),
        ("= a[t]", 1, "before '='", "'='"),
        ("dL/dW_aa = 2 a[t]", 14, "'@' or '*' between two factors", "'a'"),
        ("dL/dW_aa = (a[t]", 17, "')' or an operator", "the end"),
        ("dL/dW_aa = a[t)", 15, "']', '+' or '-'", "')'"),
        ("dL/dW_ab = 1", 4, "perhaps 'dW_", "'dW_ab'"),
        ("delta_zz[t] = 1", 1, "perhaps 'delta_", "'delta_zz'"),
        ("a[t] = W_ax @ xx", 15, "a name of the model", "'xx'"),
        ("a[t] = a[s+]", 12, "a step", "']'"),
        ("a[t] = a[1.5]", 10, "a step", "'1.5'"),
        ("a[t] = W_aa[t] @ a", 12, "no step behind 'W_aa'", "'['"),
        ("a[t] = g", 9, "'(' and the argument of 'g'", "the end"),
        ("a[t] = a'", 9, "no prime here", '"\'"'),
        ("a[t] = sum_{t=1} x", 18, "both bounds", "'x'"),
        ("a[t] = sum_{tt} x", 13, "an index of one letter", "'tt'"),
        ("a[t] = a^99", 10, "an exponent of at most", "'99'"),
        ("a[t] = a^x", 10, "a number or T", "'x'"),
        ("a[t] = 1e999", 8, "a number that float64 can hold", "'1e999'"),
        ("delta_y[t] = 1", 1, "y is given", "'delta_y'"),
        ("dL/dy[t] = 1", 1, "y is given", "'dL'"),
        ("a[t] = \\foo", 8, "a command of mathematics", "'\\\\foo'"),
        ("a[t] = é", 8, "a name", "'é'"),
        ("a[t] = x == 1", 11, "a name", "'='"),
        ("a[t] = x ; 1", 10, "a name", "';'"),
        ("a[t] = __import__('os')", 8, "a name", "'_'"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, column: int, expected: str, found: str) -> None:
    with pytest.raises(FormulaError) as caught:
        check(VANILLA, text)
    error = caught.value
    assert error.column == column
    assert expected in error.expected
    assert error.found == found
    message, shown, caret = str(error).splitlines()
    assert message.startswith(f"the formula, column {column}: expected ")
    assert shown.strip() == text.strip()
    assert caret.index("^") == column - 1 + 4


def test_the_prime_of_a_softmax_says_what_to_write() -> None:
    model = derive.load("vanilla", h="softmax")
    with pytest.raises(FormulaError, match=r"diag\(v\) - v @ v\^T"):
        check(model, "delta_z_yhat = delta_yhat * h'(z_yhat)")
    with pytest.raises(FormulaError, match="Jacobian"):
        check(VANILLA, "delta_z_yhat = softmax'(z_yhat)")


def test_the_caret_of_a_long_text_stands_under_the_place() -> None:
    text = "a[t] = " + " + ".join(["a[t]"] * 100) + " + oops + " + " + ".join(["a[t]"] * 100)
    with pytest.raises(FormulaError) as caught:
        check(VANILLA, text)
    _, shown, caret = str(caught.value).splitlines()
    assert shown[caret.index("^") :].startswith("oops")
    assert max(map(len, (shown, caret))) < 90


@pytest.mark.parametrize(
    "text",
    [
        "a[t] = " + "(" * 500 + "a" + ")" * 500,
        "a[t] = " + "-" * 5_000 + "a",
        "a[t] = " + "sum_t " * 200 + "a",
        "a[t] = " + "g(" * 200 + "a" + ")" * 200,
        "a[t] = a" + "^2" * 300,
        "a[t] = a" + "^{" * 300,
        "a[t] = a" + ".T" * 3_000,
        "a[t] = " + "\\frac{" * 300,
        "a[t] = " + "a +" * 5_000 + "a",
        "a[t] = sum_{t=1}^{9999} sum_{k=1}^{9999} sum_{s=1}^{9999} 1",
        "a[t] = " + "a[k] + a[s] + a[i] + a[j] + a[n] + a[p] + a[q]",
        "\x00",
        "a" * (MAX_LENGTH + 1),
        "\\",
        "\\hat",
        "\\hat{",
        "W_{",
        "∂",
        "∂/∂",
        "\\frac{\\partial",
        "d+",
        "dL/",
        "a^{<",
        "𝐖 = 1",
        "a[t] = " + "²" * 50,
        "a" + "\u0302" * 100 + " = 1",
    ],
    ids=range(26),
)
def test_large_and_broken_texts_are_refused_at_once(text: str) -> None:
    start = time.process_time()
    with pytest.raises(FormulaError) as caught:
        check(VANILLA, text)
    assert time.process_time() - start < 2
    assert len(str(caught.value)) < 600


def test_nesting_up_to_the_limit_is_read() -> None:
    inner = "(" * (MAX_DEPTH // 2 - 1) + "a" + ")" * (MAX_DEPTH // 2 - 1)
    assert check(VANILLA, f"a[t] = {inner}")


def test_numbers_without_bound_do_not_hang() -> None:
    start = time.process_time()
    for text in ("exp(exp(exp(exp(exp(exp(9 * a^2))))))", "(9 + a^2)^20^20^20^20^20", "1 / (a - a)"):
        assert not check(VANILLA, f"a[t] = {text}").correct
    assert time.process_time() - start < 5


@pytest.mark.parametrize("value", [None, 3, b"a = a", ["a = a"]])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(derive.ChoiceError, match="text"):
        check(VANILLA, value)  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(derive.ChoiceError, match="model"):
        check("vanilla", "a = a")  # type: ignore[arg-type]
    for T in (0, -1, 1.5, True, (2, 2), 99, "3"):
        with pytest.raises(derive.ChoiceError, match="T"):
            check(VANILLA, "a = a", T=T)  # type: ignore[arg-type]
    with pytest.raises(derive.ChoiceError, match="T"):
        check(derive.load("vanilla", architecture="one-to-one"), "a = a", T=2)


PIECES = """
dL/dW_aa d d+a[2]/dW_aa a[t-1] a delta_z_a[t] W_aa W_ya^T @ * + - / = ( ) sum_t sum_{k=1}^{t} ^T ^2 ^ _
{ } [ ] < > t T 1 0 2.5 1e400 g' h'( tanh( exp( log( diag( sum( \\frac \\partial \\hat{y} ^{<t>} \\sum \\top
\\foo \\ ' y yhat x m n_y L L[t] prod_{j=1}^{T} , . .. é ⟨t⟩ ᵀ ² ∂ δ $ &
relu'( 0x1 delta_ enc a^{<t>T} a_{t-1} sqrt( ** //
"""
MODELS = (
    VANILLA,
    STACKED,
    derive.load("vanilla", h="softmax", architecture="encoder-decoder", feed="output"),
)


def survives(text: str, model: derive.Model) -> None:
    """A verdict or an error of ours, in a bounded time."""
    start = time.process_time()
    try:
        str(check(model, text))
    except DeriveError as error:
        assert str(error)
    assert time.process_time() - start < 10


@given(st.text(max_size=60))
def test_any_text_is_refused_or_judged(text: str) -> None:
    survives(text, VANILLA)
    survives(f"a[t] = {text}", VANILLA)


@given(st.lists(st.sampled_from(PIECES.split()), max_size=25), st.sampled_from(MODELS), st.booleans())
def test_any_pieces_are_refused_or_judged(pieces: list[str], model: derive.Model, whole: bool) -> None:
    text = " ".join(pieces)
    survives(f"delta_a[t] = {text}" if whole else text, model)


LEAVES = """
a[t-1] delta_z_a[t] delta_a[t+1] W_aa W_ya x[t] 1 2 yhat[t] y[t] da[t]/da[t-1] dL/da[t] d+a[t]/dW_aa T z_a
dL[2]/dW_ya a[0] a[9] L
"""
FORMULAS = st.recursive(
    st.sampled_from(LEAVES.split()),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("@*+-/"), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        st.tuples(inner, st.sampled_from(["^T", "^2", "^-1", "^(1/2)"])).map(lambda p: f"({p[0]}){p[1]}"),
        st.tuples(st.sampled_from(["g'", "exp", "log", "diag", "sum", "tanh''", "softmax"]), inner).map(
            lambda p: f"{p[0]}({p[1]})"
        ),
        st.tuples(st.sampled_from(["sum_t", "sum_{k=1}^{3}", "sum_{s=t}^T", "prod_{j=1}^t"]), inner).map(
            lambda p: f"({p[0]} {p[1]})"
        ),
    ),
    max_leaves=5,
)


@settings(max_examples=settings().max_examples // 5)
@given(st.sampled_from(["dL/dW_aa", "delta_a[t]", "a[t]", "dL/db_a"]), FORMULAS)
def test_any_formula_is_judged(left: str, right: str) -> None:
    survives(f"{left} = {right}", VANILLA)


def test_nothing_is_left_of_one_claim_in_the_next() -> None:
    right, wrong = "delta_a[T] = W_ya^T @ delta_z_yhat[T]", "delta_a[T] = W_aa^T @ delta_z_yhat[T]"
    assert [check(VANILLA, text).correct for text in (right, wrong, right, wrong)] == [
        True,
        False,
        True,
        False,
    ]


def test_names_of_the_scope_are_those_of_the_model() -> None:
    scope = Scope(derive.bptt(VANILLA))
    assert {"W_aa", "b_y", "a", "x", "y", "yhat", "z_a", "delta_z_a", "a0", "L"} <= scope.names
    assert scope.activations == {"a": "z_a", "yhat": "z_yhat"}
