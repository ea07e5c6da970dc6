"""Every function has every form: in SymPy, on each kind of number, in writing and in claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Lambda

from chalkgrad import derive
from chalkgrad.derive.cells.parse import Scope, parse
from chalkgrad.derive.checking.reading.grammar import parse as read
from chalkgrad.derive.checking.reading.scope import Scope as ClaimScope
from chalkgrad.derive.checking.reading.tree import FunctionCall
from chalkgrad.derive.terms import functions
from chalkgrad.derive.terms.algebra import Map, Symbol, arg
from chalkgrad.derive.terms.functions import ELEMENTWISE, NAMES, Function, Named
from chalkgrad.derive.values.arrays import Arrays
from chalkgrad.derive.values.duals import Dual, Duals
from chalkgrad.derive.values.reals import context, tape
from chalkgrad.derive.writing.expressions import t
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.mathml import mathml
from chalkgrad.derive.writing.notation import NOTE
from chalkgrad.derive.writing.scalar import body_piece
from chalkgrad.derive.writing.tree import Call, Name, Node, Piece, listed
from chalkgrad.derive.writing.unicode import unicode
from tests.adding import RECORDS, add_record, added

REAL = context(40)
VANILLA = derive.bptt(derive.load("vanilla"))
_z = sympy.Symbol("z")
NUMBERS = tuple(map(sympy.Rational, ("-13/7", "-2/5", "3/8", "11/9", "17/6")))


def places(function: Function) -> list[sympy.Symbol]:
    return [arg(i) for i in range(function.arity)]


def points(function: Function) -> list[tuple[sympy.Rational, ...]]:
    """Where SymPy gives a real number, apart from the places where the cases of a function meet."""
    rows = [NUMBERS[i:] + NUMBERS[:i] for i in range(function.arity)]
    found = [point for point in zip(*rows, strict=True) if by_sympy(function, point).is_real]
    assert len(found) >= 2
    return found


def by_sympy(function: Function, point: Sequence[sympy.Expr]) -> sympy.Expr:
    """The value from the definition, by SymPy alone."""
    return sympy.N(
        function(*places(function)).xreplace(dict(zip(places(function), point, strict=True))).doit(), 30
    )


# ----------------------------------------------------------------------------- values


Values = Callable[[Function], list[tuple[Any, Any]]]
"""What a form gives and what is due, in pairs."""


def exact(function: Function) -> list[tuple[Any, Any]]:
    run = tape([function(*places(function))], places(function), REAL)
    return [
        (run(*(REAL.mpf(v.p) / v.q for v in point))[0], by_sympy(function, point))
        for point in points(function)
    ]


def array(function: Function) -> list[tuple[Any, Any]]:
    run = Arrays().compile(function(*places(function)), function.arity)
    found = run(*(np.array(column, dtype=float) for column in zip(*points(function), strict=True)))
    return list(zip(found, (by_sympy(function, point) for point in points(function)), strict=True))


def slope(function: Function) -> list[tuple[Any, Any]]:
    """SymPy's derivative against a difference of the function's own values."""
    found = []
    for place in places(function):
        derived = tape([sympy.diff(function(*places(function)), place)], places(function), REAL)
        step = [sympy.Rational(int(p == place), 10**10) for p in places(function)]
        for point in points(function):
            ahead, behind = (
                by_sympy(function, [v + sign * s for v, s in zip(point, step, strict=True)])
                for sign in (1, -1)
            )
            found.append((derived(*(REAL.mpf(v.p) / v.q for v in point))[0], (ahead - behind) * 10**10 / 2))
    return found


def dual(function: Function) -> list[tuple[Any, Any]]:
    """The value, and the derivatives by each argument, which are those of the tape."""
    body = function(*places(function))
    run = Duals(40).compile(body, function.arity)
    derived = tape([sympy.diff(body, place) for place in places(function)], places(function), REAL)
    found = []
    for point in points(function):
        numbers = [REAL.mpf(v.p) / v.q for v in point]
        given = run(*(Dual(number, {i: REAL.one}) for i, number in enumerate(numbers)))
        found.append((given.value, by_sympy(function, point)))
        found += [(given.tangent.get(i, 0), due) for i, due in enumerate(derived(*numbers))]
    return found


def equation(function: Function) -> list[tuple[Any, Any]]:
    """What an equation of a cell makes of a call."""
    vectors = {name: Symbol(name, ("n",)) for name in ("u", "v", "w")}
    given = list(vectors)[: function.arity]
    found = parse(f"{function.name}({', '.join(given)})", Scope("", "a", vectors, {}, {}, {}))
    body = found.body if isinstance(found, Map) else arg(0)
    return [(body, function(*places(function)))]


# ----------------------------------------------------------------------------- writing and reading


def call(function: Function) -> Node:
    """As a document has it, of values at a step."""
    return Call(function.name, listed(Name(name, t) for name in ("a", "x", "y")[: function.arity]))


def is_read(function: Function, text: str) -> bool:
    side, _ = read(f"{text} = 0", ClaimScope(VANILLA))
    return (
        isinstance(side, FunctionCall)
        and side.function == function.name
        and len(side.children) == function.arity
    )


def plain(function: Function, name: str) -> str:
    return f"{name}({', '.join(('a[t]', 'x[t]', 'y[t]')[: function.arity])})"


def spellings(function: Function) -> bool:
    return all(is_read(function, plain(function, word)) for word in function.spellings)


def in_a_body(function: Function) -> bool:
    """A function that SymPy keeps is written by the name that documents have for it."""
    args = [Piece(Name(name, t), vector=True) for name in ("a", "x", "y")]
    shown = body_piece(function(*places(function)), args).node
    kept = functions.function_of(function(*places(function))) is not None
    return not kept or latex(shown) == latex(call(function))


def shown_in_mathml(function: Function) -> bool:
    text = mathml(call(function), NOTE)
    return f">{function.written}</m" in text or "<msqrt>" in text


def agreeing(values: Values) -> Callable[[Function], bool]:
    return lambda function: all(close(found, due) for found, due in values(function))


FORMS: Mapping[str, Callable[[Function], bool]] = {
    "an equation": agreeing(equation),
    "mpmath": agreeing(exact),
    "a slope": agreeing(slope),
    "duals": agreeing(dual),
    "arrays": agreeing(array),
    "a body in writing": in_a_body,
    "LaTeX": lambda function: is_read(function, latex(call(function))),
    "Unicode": lambda function: is_read(function, unicode(call(function))),
    "MathML": shown_in_mathml,
    "plain text": lambda function: is_read(function, plain(function, function.name)),
    "other names": spellings,
}


def lacking(function: Function) -> Iterator[str]:
    """The forms that a function does not have, or that differ from what it means."""
    for name, holds in FORMS.items():
        try:
            good = holds(function)
        except (TypeError, ArithmeticError, AttributeError, derive.DeriveError):
            good = False
        if not good:
            yield name


def close(found: Any, due: Any) -> bool:
    if found == due:
        return True
    return abs(float(found) - float(due)) <= 1e-14 * max(1.0, abs(float(due)))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_function_has_every_form(name: str) -> None:
    assert not list(lacking(ELEMENTWISE[name])), name


@pytest.mark.parametrize("name", RECORDS)
def test_an_added_function_has_every_form(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(lacking(added(monkeypatch, name)))


class crooked(Named):
    """The derivative of its definition is not what it says."""

    definition = Lambda(_z, _z**3)

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return 2 * self.args[0] ** 2


@pytest.mark.parametrize(
    ("function", "missing"),
    [
        (Function("erf", sympy.erf, "erf"), {"arrays"}),
        (Function("atan", sympy.atan, array=np.arctan), {"mpmath", "duals"}),
        (Function("atan", sympy.atan, "atan", np.tan), {"arrays"}),
        (Function("atan", sympy.atan, "tan", np.arctan), {"mpmath", "duals"}),
        (Function("crooked", crooked), {"a slope", "duals"}),
        (
            Function("atan", sympy.atan, "atan", np.arctan, sign="a t"),
            {"a body in writing", "LaTeX", "Unicode"},
        ),
        (Function("atan", sympy.atan, "atan", np.arctan, latex=r"\frac"), {"LaTeX"}),
    ],
)
def test_what_is_missing_or_wrong_is_told(
    function: Function, missing: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_record(monkeypatch, function)
    assert missing <= set(lacking(function))
    assert not set(lacking(function)) - missing - {"other names", "MathML"}


def test_names_follow_from_the_records() -> None:
    """A name that two functions share would be read as one of them."""
    assert (*ELEMENTWISE, "softmax", "sum", "mean") == NAMES
    words = [word for function in ELEMENTWISE.values() for word in {*function.spellings}]
    assert len(words) == len({*words})
