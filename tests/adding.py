"""Functions that the language does not have, added for one test: a record, and a row for what C has."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from sympy import Lambda, Piecewise

from chalkgrad.codegen.c import elementary
from chalkgrad.codegen.c import library as c_library
from chalkgrad.codegen.program import operations
from chalkgrad.codegen.program.operations import Operation
from chalkgrad.derive.cells import parse, tables
from chalkgrad.derive.checking.reading import scanner, scope
from chalkgrad.derive.terms import functions
from chalkgrad.derive.terms.functions import Function, Named, sigmoid
from chalkgrad.derive.writing import latex, metrics

_u, _v = sympy.symbols("u v")


class silu(Named):
    """z σ(z)"""

    definition = Lambda(_u, _u * sigmoid(_u))


class maximum(Named):
    """The larger of two numbers."""

    nargs = 2
    definition = Lambda((_u, _v), Piecewise((_v, _u <= _v), (_u, True)))


class hypot(Named):
    """√(u² + v²)"""

    nargs = 2
    definition = Lambda((_u, _v), sympy.sqrt(_u**2 + _v**2))


RECORDS = {
    "atan": Function("atan", sympy.atan, "atan", np.arctan, "arctan", r"\arctan"),
    "silu": Function("silu", silu, sign="SiLU", told=True),
    "maximum": Function("maximum", maximum, sign="max", latex=r"\max", arity=2, told=True),
    "hypot": Function("hypot", hypot, "hypot", np.hypot, arity=2),
}
ROWS = {
    "atan": Operation("atan", np.arctan, c="atan"),
    "hypot": Operation("hypot", lambda u, v: np.sqrt(u * u + v * v), numpy="np.hypot", c="hypot", arity=2),
}
"""silu and maximum need none: the lowering writes them out."""


def add_record(monkeypatch: pytest.MonkeyPatch, function: Function) -> None:
    """As if it stood in `derive.terms.functions`: what is made of the records there follows."""
    name = function.name
    monkeypatch.setitem(functions.ELEMENTWISE, name, function)
    monkeypatch.setitem(functions._KEPT, function.meaning, function)
    monkeypatch.setitem(functions._SIGNS, name, function.written)
    for module in (parse, tables):
        monkeypatch.setattr(module, "NAMES", (*functions.NAMES, *functions.ELEMENTWISE))
    if function.latex:
        monkeypatch.setitem(latex._FUNCTIONS, function.written, function.latex)
        monkeypatch.setattr(scanner, "_FUNCTIONS", {*scanner._FUNCTIONS, function.latex[1:]})
        monkeypatch.setattr(metrics, "_NAMES", {*metrics._NAMES, function.latex[1:]})
    for word in function.spellings:
        monkeypatch.setitem(scope.FUNCTIONS, word.removeprefix("\\"), name)


def add_row(monkeypatch: pytest.MonkeyPatch, operation: Operation) -> None:
    """As if it stood in `codegen.program.operations`."""
    monkeypatch.setitem(operations.OPERATIONS, operation.name, operation)
    monkeypatch.setattr(operations, "FUNCTIONS", (*operations.FUNCTIONS, operation.name))
    assert operation.name not in elementary.FUNCTIONS
    c_library._pieces.cache_clear()


def added(monkeypatch: pytest.MonkeyPatch, name: str) -> Function:
    """The function, with its record and its row."""
    add_record(monkeypatch, RECORDS[name])
    if name in ROWS:
        add_row(monkeypatch, ROWS[name])
    return RECORDS[name]
