"""The parser's mistakes: what each one says, and that no text does anything else."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, strategies

from chalkgrad.derive.cells.parse import Scope, parse
from chalkgrad.derive.cells.scan import MAX_DEPTH, MAX_LENGTH, one_line
from chalkgrad.derive.errors import ModelFileError
from chalkgrad.derive.terms.functions import NAMES
from chalkgrad.derive.terms.trees import walk

OPERAND, OPERATOR = "a name, a number or '('", "one of the operators"
END = "the end of the equation"

# text, column, part of what was expected, part of what was found
MISTAKES = [
    # names
    ("zz", 1, "a declared name", "the unknown name 'zz'"),
    ("v + bb", 5, "perhaps 'b'", "'bb'"),
    ("U @ v + VV @ x", 9, "a declared name", "'VV'"),
    ("zz[t-1]", 1, "a declared name", "'zz'"),
    ("y + v", 1, "a declared name", "'y'"),
    ("t", 1, "a declared name", "'t'"),
    ("tanh + v", 1, "'tanh(…)'", "the function 'tanh'"),
    ("g", 1, "'g(…)'", "the function 'g'"),
    ("tan(v)", 1, "perhaps 'tanh'", "'tan'"),
    ("v(v)", 1, "a function", "'v'"),
    ("(v)(v)", 2, "a function", "'v'"),
    ("tanh(v)(v)", 1, "a function", "'tanh(v)'"),
    # time
    ("v + a", 5, "'a[t-1]'", "'a', used before its definition"),
    ("a[t]", 1, "'a[t-1]'", "used before its definition"),
    ("q", 1, "an equation for 'q' before this one", "used before its definition"),
    ("e + v", 1, "an equation for 'e' before this one", "used before its definition"),
    ("x[t-1]", 1, "only states", "'x[t-1]'"),
    ("q[t-1]", 1, "only states", "'q[t-1]'"),
    ("b[t-1]", 1, "only states", "'b[t-1]'"),
    ("v + a[t+1]", 7, "[t] or [t-1]", "'[t+1]'"),
    ("a[t-2]", 3, "[t] or [t-1]", "'[t-2]'"),
    ("a[t-1.0]", 3, "[t] or [t-1]", "'[t-1.0]'"),
    ("a[1]", 3, "[t] or [t-1]", "'[1]'"),
    ("a[v]", 3, "[t] or [t-1]", "'[v]'"),
    ("a[t, t]", 3, "[t] or [t-1]", "'[t, t]'"),
    ("v[t][t]", 1, "a name before '['", "'v[t]'"),
    ("(v + r)[t-1]", 2, "a name before '['", "'v + r'"),
    # shapes
    ("v + x", 5, "a vector (n_a) or a scalar", "a vector (n_x)"),
    ("(v * r) / x", 11, "a vector (n_a) or a scalar", "a vector (n_x)"),
    ("W @ v", 5, "a vector (n_x) after '@'", "a vector (n_a)"),
    ("W @ s", 5, "a vector (n_x) after '@'", "a scalar"),
    ("W @ 2", 5, "a vector (n_x) after '@'", "a scalar"),
    ("W.T @ x", 7, "a vector (n_a) after '@'", "a vector (n_x)"),
    ("U @ W.T @ v", 5, "a matrix (n_a, …) after '@'", "a matrix (n_x, n_a)"),
    ("x @ W", 1, "a matrix before '@'", "a vector (n_x)"),
    ("v @ v", 1, "a matrix before '@'", "a vector (n_a)"),
    ("W @ x * r @ v", 1, "a matrix before '@'", "(n_a)"),
    ("r * W @ x", 1, "parentheses: r * (W @ x)", "a vector (n_a)"),
    ("b - r * W @ x + v", 5, "parentheses: r * (W @ x)", "a vector (n_a)"),
    ("r * U @ (v + b)", 1, "parentheses: r * (U @", "a vector (n_a)"),
    ("W * r @ x", 5, "parentheses: (W @ x) * r", "a vector (n_a)"),
    ("W / r @ x", 5, "parentheses: (W @ x) / r", "a vector (n_a)"),
    # matrices where none can be
    ("W", 1, "a vector or a scalar", "the matrix 'W'"),
    ("2 * W", 1, "a vector or a scalar", "the matrix '2 * W'"),
    ("U @ W", 1, "a vector or a scalar", "the matrix 'U @ W'"),
    ("W + U", 5, "a vector or a scalar", "a matrix"),
    ("v + W", 5, "a vector or a scalar", "a matrix"),
    ("W - v", 1, "a vector or a scalar", "a matrix"),
    ("2 / W @ x", 5, "a vector or a scalar", "a matrix"),
    ("W * U @ v", 5, "a vector or a scalar", "a matrix"),
    ("W ** 2", 1, "a vector or a scalar", "the matrix 'W'"),
    ("tanh(W)", 6, "in 'tanh'", "a matrix (n_a, n_x)"),
    ("sum(W)", 5, "in 'sum'", "a matrix (n_a, n_x)"),
    ("v.T", 1, "a matrix before '.T'", "a vector (n_a)"),
    # functions
    ("softmax(s)", 9, "a vector in 'softmax'", "a scalar"),
    ("h(s)", 3, "a vector in 'h'", "a scalar"),
    ("sum(2)", 5, "a vector in 'sum'", "a scalar"),
    ("mean(k)", 6, "a vector in 'mean'", "a scalar"),
    ("tanh(v, r)", 1, "one argument of 'tanh'", "2"),
    ("tanh()", 6, OPERAND, "')'"),
    ("tanh(v=v)", 7, OPERATOR, "'='"),
    ("tanh(*v)", 6, OPERAND, "'*'"),
    ("tanh(**v)", 6, OPERAND, "'**'"),
    # powers and numbers
    ("v ** s", 6, "a constant exponent", "'s'"),
    ("2 ** v", 6, "a constant exponent", "'v'"),
    ("v ** W", 6, "a constant exponent", "'W'"),
    ("v ** sqrt(2)", 6, "a constant exponent", "'sqrt(2)'"),
    ("1e999", 1, "float64", "'1e999'"),
    ("v + 1e999", 5, "float64", "'1e999'"),
    ("1e-400", 1, "float64", "'1e-400'"),
    ("1e-99999999999", 1, "float64", "'1e-99999999999'"),
    ("0x10", 1, "a decimal number", "'0x10'"),
    ("1_000", 1, "a decimal number", "'1_000'"),
    ("1j", 1, "a decimal number", "'1j'"),
    ("v + 2j", 5, "a decimal number", "'2j'"),
    ("1.5.2", 1, "a decimal number", "'1.5.2'"),
    ("007", 1, "without leading zeros", "'007'"),
    ("v / 0", 1, "finite real numbers", "'v / 0'"),
    ("v + 1 / (1 - 1)", 5, "finite real numbers", "'1 / (1 - 1)'"),
    ("0 ** -1", 1, "finite real numbers", "'0 ** -1'"),
    ("(-4) ** 0.5 * v", 1, "finite real numbers", "'(-4) ** 0.5'"),
    ("sqrt(-1)", 1, "finite real numbers", "'sqrt(-1)'"),
    ("log(0)", 1, "finite real numbers", "'log(0)'"),
    ("exp(exp(1e300))", 5, "finite real numbers", "'exp(1e300)'"),
    ("1e300 * 1e300 * v", 1, "finite real numbers", "'1e300 * 1e300'"),
    ("v / (1e-300 * 1e-300)", 6, "finite real numbers", "'1e-300 * 1e-300'"),
    ("v / 1e-320", 1, "finite real numbers", "'v / 1e-320'"),
    # the rest of Python
    ("True", 1, OPERAND, "the Python keyword 'True'"),
    ("None", 1, OPERAND, "'None'"),
    ("not v", 1, OPERAND, "'not'"),
    ("lambda: v", 1, OPERAND, "'lambda'"),
    ("v if v else r", 3, OPERATOR, "'if'"),
    ("v < r", 3, OPERATOR, "'<'"),
    ("v == r", 3, OPERATOR, "'='"),
    ("v := r", 3, OPERATOR, "':'"),
    ("(v := r)", 4, OPERATOR, "':'"),
    ("v; r", 2, OPERATOR, "';'"),
    ("v # + r", 3, OPERATOR, "'#'"),
    ("v // r", 4, OPERAND, "'/'"),
    ("v % r", 3, OPERATOR, "'%'"),
    ("~v", 1, OPERAND, "'~'"),
    ("'text'", 1, OPERAND, '"\'"'),
    ('f"{v}"', 2, OPERATOR, "'\"'"),
    ("[v]", 1, OPERAND, "'['"),
    ("{v}", 1, OPERAND, "'{'"),
    ("[v for v in r]", 1, OPERAND, "'['"),
    ("v, r", 1, "an expression", "'v, r'"),
    ("...", 1, OPERAND, "'.'"),
    ("v \\\n + r", 3, OPERATOR, "'\\\\'"),
    ("__import__('os').system('x')", 12, OPERAND, '"\'"'),
    ("__import__(os)", 1, "a function", "'__import__'"),
    ("exec(v)", 1, "a function", "'exec'"),
    ("x.__class__", 2, "'.T'", "'.__class__'"),
    ("x.T.__class__.__base__", 4, "'.T'", "'.__class__'"),
    ("W .real", 3, "'.T'", "'.real'"),
    ("__builtins__", 1, "a declared name", "'__builtins__'"),
    # form
    ("", 1, OPERAND, END),
    (" \n ", 1, OPERAND, END),
    ("v +", 4, OPERAND, END),
    ("v r", 3, OPERATOR, "'r'"),
    ("2 v", 3, OPERATOR, "'v'"),
    ("* v", 1, OPERAND, "'*'"),
    ("v @ @ r", 5, OPERAND, "'@'"),
    ("(v + r", 1, "')' to close '('", END),
    ("tanh(v[t)", 9, "']'", "')'"),
    ("v[t", 2, "']' to close '['", END),
    ("v)", 2, "or the end", "')'"),
    ("()", 2, OPERAND, "')'"),
    ("é", 1, "ASCII", "'é'"),
    ("v + ŷ", 5, "ASCII", "'ŷ'"),
    ("v − r", 3, "ASCII", "'−'"),
    ("v\x00", 2, OPERATOR, "'\\x00'"),
    ("\x00", 1, OPERAND, "'\\x00'"),
    ("v \x0c+ r", 3, OPERATOR, "'\\x0c'"),
]


@pytest.mark.parametrize(("text", "column", "expected", "found"), MISTAKES)
def test_mistakes(scope: Scope, text: str, column: int, expected: str, found: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        parse(text, scope)
    error = caught.value
    assert (error.file, error.equation, error.column) == ("cell.toml", "e", column)
    assert expected in error.expected
    assert found in error.found
    assert str(error).startswith(f"cell.toml: equation 'e', column {column}: expected ")
    assert "\n" not in str(error)


HOSTILE = [
    "(" * 10_000 + "v" + ")" * 10_000,
    "(" * 4_000 + "v" + ")" * 4_000,
    "(" * 5_000,
    "tanh(" * 1_000 + "v" + ")" * 1_000,
    "f(" * 60 + "v +" + ")" * 60,
    "-" * 9_999 + "v",
    "v**" * 3_000 + "2",
    "v+" * 4_000 + "v",
    "W" + ".T" * 4_000 + "@x",
    "v" + "[t]" * 3_000,
    "v" * 20_000,
    "v" * 9_000,
    "1" * 9_000,
    "1." + "1" * 9_000,
    "0." + "0" * 9_000 + "1",
    "1" * 5_000 + "v",
    "9.9" * 3_000,
    " " * 9_999 + "!",
    "9**9**9**9**9",
    "2**(2**(2**(2**(2**2))))",
    "1.000000001 ** 100000000",
    "(3/2) ** 100000000.5",
    "(2 * sum(0*v + 1)) ** 100000000",
    "(2 + sqrt(3)) ** 1000000",
    "exp(exp(exp(exp(1e308))))",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20].strip())
def test_hostile_text_is_a_mistake_like_any_other(scope: Scope, text: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        parse(text, scope)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_small_stack_survives_deep_text(scope: Scope) -> None:
    found: list[str] = []

    def work() -> None:
        for text in HOSTILE:
            with pytest.raises(ModelFileError) as caught:
                parse(text, scope)
            found.append(caught.value.found)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert len(found) == len(HOSTILE)


def test_depth_and_length_have_limits_that_equations_stay_below(scope: Scope) -> None:
    assert parse("+".join(["v"] * MAX_DEPTH), scope).shape == ("n_a",)
    assert parse("(" * MAX_DEPTH + "v" + ")" * MAX_DEPTH, scope) == scope.values["v"]
    assert parse("v" + " " * (MAX_LENGTH - 1), scope) == scope.values["v"]
    for text in ("+".join(["v"] * (MAX_DEPTH + 1)), "(" * (MAX_DEPTH + 1) + "v" + ")" * (MAX_DEPTH + 1)):
        with pytest.raises(ModelFileError, match=f"at most {MAX_DEPTH} nested"):
            parse(text, scope)
    with pytest.raises(ModelFileError, match=f"at most {MAX_LENGTH} characters"):
        parse("v" + " " * MAX_LENGTH, scope)


def test_nothing_is_evaluated(scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in ("open('made', 'w')", "__import__('pathlib').Path('made').touch()", "exec(open)"):
        with pytest.raises(ModelFileError):
            parse(text, scope)
    assert not list(tmp_path.iterdir())


def test_fuzz_characters(scope: Scope) -> None:
    texts = strategies.text(max_size=60) | strategies.text("vxrsabWUk0123.e+-*/@()[]t, \n", max_size=60)

    def holds(text: str) -> None:
        try:
            parse(text, scope)
        except ModelFileError as error:
            assert error.column in range(1, len(one_line(text)) + 2)

    given(texts)(holds)()


def test_fuzz_tokens(scope: Scope) -> None:
    """Texts that are nearly equations: most of them reach the syntax tree."""
    names = list("vxrsWUabk")
    atoms = [*names, "W.T", "a[t-1]", "v[t]", "zz", "0", "2", "0.5", "1e300", "1e-5"]
    operators = ["+", "-", "*", "/", "@", "**"]
    leaf = strategies.sampled_from(atoms)
    tree = strategies.recursive(
        leaf,
        lambda inner: (
            strategies.builds("{}{}{}".format, inner, strategies.sampled_from(operators), inner)
            | strategies.builds("({})".format, inner)
            | strategies.builds("-{}".format, inner)
            | strategies.builds("{}({})".format, strategies.sampled_from([*NAMES, "g", "h", "f"]), inner)
        ),
        max_leaves=12,
    )

    def holds(text: str) -> None:
        try:
            node = parse(text, scope)
        except ModelFileError as error:
            assert error.column in range(1, len(text) + 1)
            return
        assert len(node.shape) <= 1
        assert all(len(n.shape) <= 1 for n in walk(node))

    given(tree)(holds)()
