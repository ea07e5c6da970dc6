"""The parser: what an equation means, judged by numbers, and what every mistake says."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from chalkgrad.derive.cells.parse import Scope, parse
from chalkgrad.derive.cells.scan import one_line
from chalkgrad.derive.errors import ModelFileError
from chalkgrad.derive.terms.algebra import Expr, Map, MatVec, Parameter, Reduce, Symbol, arg, elementwise
from chalkgrad.derive.terms.functions import NAMES

SIZES = {"n_x": 3, "n_a": 4}
X = Symbol("x", ("n_x",))
V = Symbol("v", ("n_a",))
R = Symbol("r", ("n_a",))
S = Symbol("s", ())
A = Symbol("a", ("n_a",))
W = Parameter("W", ("n_a", "n_x"))
U = Parameter("U", ("n_a", "n_a"))
B = Parameter("b", ("n_a",))
K = Parameter("k", ())


def numbers() -> dict[tuple[str, int], np.ndarray]:
    """(name, lag) → array: all different, signs mixed, a scale at which no function saturates."""
    draw = np.random.default_rng(7)

    def some(shape: tuple[str, ...]) -> np.ndarray:
        return np.asarray(draw.normal(size=tuple(SIZES[n] for n in shape)))

    named = {(n.name, 0): some(n.shape) for n in (X, V, R, S, A, W, U, B, K)}
    return named | {("a", -1): some(A.shape), ("v", -1): some(V.shape)}


def evaluate(node: Expr, given: dict[tuple[str, int], np.ndarray]) -> np.ndarray:
    match node:
        case Symbol(name=name, lag=lag):
            return given[name, lag]
        case Parameter(name=name):
            return given[name, 0]
        case MatVec(matrix=matrix, vector=vector, transposed=transposed):
            array = given[matrix.name, 0]
            return np.asarray((array.T if transposed else array) @ evaluate(vector, given))
        case Map(body=body, args=args, shape=shape):
            body = body.doit().subs(
                {sympy.Symbol(n, integer=True, positive=True): k for n, k in SIZES.items()}
            )
            function = sympy.lambdify([arg(i) for i in range(len(args))], body, "numpy")
            value = function(*(evaluate(a, given) for a in args))
            return np.broadcast_to(value, tuple(SIZES[n] for n in shape))
        case Reduce(kind=kind, vector=vector):
            v = evaluate(vector, given)
            return np.asarray({"sum": v.sum(), "max": v.max(), "logsumexp": np.log(np.exp(v).sum())}[kind])
        case _:
            raise TypeError(type(node).__name__)


def meaning(text: str) -> np.ndarray:
    """The text as NumPy reads it, with brackets where a matrix waits for its vector."""
    given = numbers()
    known: dict[str, object] = {name: value for (name, lag), value in given.items() if lag == 0}
    known |= {f"{name}_": value for (name, lag), value in given.items() if lag == -1}
    known |= {"np": np}
    return np.asarray(eval(text, known))


ARITHMETIC = [
    ("v", "v"),
    ("v[t]", "v"),
    ("b[t]", "b"),
    ("v[t-1]", "v_"),
    ("a[t - 1]", "a_"),
    ("+v", "v"),
    ("-v", "-v"),
    ("--v", "v"),
    ("v + r", "v + r"),
    ("v - r - b", "v - r - b"),
    ("v - (r - b)", "v - (r - b)"),
    ("v * r / b", "v * r / b"),
    ("v / (r / b)", "v / (r / b)"),
    ("s * v + k", "s * v + k"),
    ("1 - v", "1 - v"),
    ("2", "2"),
    ("v + .5", "v + 0.5"),
    ("v + 2.", "v + 2"),
    ("v * 1e-5", "v * 1e-5"),
    ("v * 2.5E+3", "v * 2500"),
    ("-v ** 2", "-(v ** 2)"),
    ("v ** -2", "v ** -2.0"),
    ("v ** (4 / 2)", "v ** 2"),
    ("exp(v) ** 0.5", "np.exp(v) ** 0.5"),
    ("2 ** 3 ** 2 * v", "512 * v"),
    ("(1 - v) * r + v * a[t-1]", "(1 - v) * r + v * a_"),
]

PRODUCTS = [
    ("W @ x", "W @ x"),
    ("W[t] @ x", "W @ x"),
    ("W.T @ v", "W.T @ v"),
    ("W.T.T @ x", "W @ x"),
    ("-W @ x", "-(W @ x)"),
    ("+W @ x", "W @ x"),
    ("-W.T @ v", "-(W.T @ v)"),
    ("0.5 * W @ x", "0.5 * (W @ x)"),
    ("s * W @ x", "s * (W @ x)"),
    ("s * -k * W @ x", "-s * k * (W @ x)"),
    ("sum(v) * W @ x", "v.sum() * (W @ x)"),
    ("W * s @ x", "s * (W @ x)"),
    ("W / 2 @ x", "(W @ x) / 2"),
    ("W / s @ x", "(W @ x) / s"),
    ("-(2 * W) / s @ x", "-2 * (W @ x) / s"),
    ("U @ W @ x", "U @ (W @ x)"),
    ("U @ (W @ x)", "U @ (W @ x)"),
    ("(U @ W) @ x", "U @ (W @ x)"),
    ("(U @ W).T @ v", "W.T @ (U.T @ v)"),
    ("2 * U @ (3 * W) @ x", "6 * (U @ (W @ x))"),
    ("W @ W.T @ v", "W @ (W.T @ v)"),
    ("W @ x * r", "(W @ x) * r"),
    ("r * (W @ x)", "r * (W @ x)"),
    ("W @ (2 * x)", "W @ (2 * x)"),
    ("W @ x + U @ v - b", "W @ x + U @ v - b"),
    ("U @ (r * a[t-1]) + b", "U @ (r * a_) + b"),
]

FUNCTIONS = [
    ("tanh(v)", "np.tanh(v)"),
    ("sigmoid(v)", "1 / (1 + np.exp(-v))"),
    ("sigmoid(-v)", "1 / (1 + np.exp(v))"),
    ("relu(v)", "np.where(v > 0, v, 0)"),
    ("leaky_relu(v)", "np.where(v > 0, v, v / 100)"),
    ("softplus(v)", "np.log(1 + np.exp(v))"),
    ("exp(v)", "np.exp(v)"),
    ("log(exp(v) + 1)", "np.log(np.exp(v) + 1)"),
    ("sqrt(square(v))", "abs(v)"),
    ("square(v)", "v * v"),
    ("sin(v) + cos(v)", "np.sin(v) + np.cos(v)"),
    ("identity(v)", "v"),
    ("softmax(v)", "np.exp(v) / np.exp(v).sum()"),
    ("sum(v)", "v.sum()"),
    ("mean(x)", "x.mean()"),
    ("sum(v - v + 2)", "8"),
    ("mean(0 * v + 3)", "3"),
    ("g(v)", "np.tanh(v)"),
    ("h(U @ v + b)", "np.exp(U @ v + b) / np.exp(U @ v + b).sum()"),
    ("same(v)", "v"),
    ("tanh(s)", "np.tanh(s)"),
    ("square(3) * v", "9 * v"),
    ("sqrt(2) * v", "np.sqrt(2) * v"),
    ("(v - mean(v)) / sqrt(mean(square(v - mean(v))) + 1e-5)", "(v - v.mean()) / np.sqrt(v.var() + 1e-5)"),
]


@pytest.mark.parametrize(("text", "expected"), ARITHMETIC + PRODUCTS + FUNCTIONS)
def test_meaning(scope: Scope, text: str, expected: str) -> None:
    found = evaluate(parse(text, scope), numbers())
    due = meaning(expected)
    assert found.shape == due.shape
    np.testing.assert_allclose(found, due, rtol=1e-13, atol=1e-14)


def test_every_function_is_covered() -> None:
    assert set(NAMES) == {n for n in NAMES if any(f"{n}(" in text for text, _ in FUNCTIONS)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v", V),
        ("v[t]", V),
        ("a[t-1]", Symbol("a", ("n_a",), -1)),
        ("identity(v)", V),
        ("W @ x", MatVec(W, X)),
        ("U.T @ W @ x", MatVec(U, MatVec(W, X), transposed=True)),
        ("-W @ x", elementwise(lambda w: -w, (MatVec(W, X),))),
        ("sum(v)", Reduce("sum", V)),
        ("tanh(v)", elementwise(sympy.tanh, (V,))),
    ],
)
def test_nodes(scope: Scope, text: str, expected: Expr) -> None:
    assert parse(text, scope) == expected


def test_softmax_is_shifted_by_its_maximum(scope: Scope) -> None:
    node = parse("softmax(W @ x)", scope)
    assert isinstance(node, Map)
    shifted, normaliser = node.args
    assert node.body == sympy.exp(arg(0) - arg(1))
    assert normaliser == Reduce("logsumexp", shifted)
    assert shifted == elementwise(lambda z, m: z - m, (MatVec(W, X), Reduce("max", MatVec(W, X))))


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("0.1", sympy.Rational(1, 10)),
        ("1e-5", sympy.Rational(1, 100_000)),
        ("123456789012345678901", sympy.Integer(123456789012345678901)),
        ("2.50", sympy.Rational(5, 2)),
        ("1 / 3", sympy.Rational(1, 3)),
        ("0e-999999999", sympy.Integer(0)),
        ("5e-324", sympy.Rational(5, 10**324)),
    ],
)
def test_numbers_are_exact(scope: Scope, literal: str, expected: sympy.Rational) -> None:
    node = parse(literal, scope)
    assert isinstance(node, Map) and node.body == expected and node.shape == ()


def test_operations_stay_nested(scope: Scope) -> None:
    node = parse("(v + r) * b", scope)
    assert isinstance(node, Map) and isinstance(node.args[0], Map) and node.args[0].args == (V, R)


def test_lines_are_joined_and_columns_count_in_the_joined_text(scope: Scope) -> None:
    text = "\n    W @ x\n\t+ U @ v\n\n    + b\n"
    assert one_line(text) == "W @ x + U @ v + b"
    assert parse(text, scope) == parse("W @ x + U @ v + b", scope)
    with pytest.raises(ModelFileError) as caught:
        parse("  v\n  + zz", scope)
    assert caught.value.column == 5
