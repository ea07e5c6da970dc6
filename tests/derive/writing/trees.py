"""Random written mathematics, and the formulas of models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import sympy
from hypothesis import strategies as st

from chalkgrad import derive
from chalkgrad.derive.terms.algebra import Expr, Role
from chalkgrad.derive.terms.functions import NAMES
from chalkgrad.derive.writing.expressions import expr_node
from chalkgrad.derive.writing.notation import Notation, notation
from chalkgrad.derive.writing.tree import (
    AST,
    MINUS,
    PLUS,
    Accent,
    Big,
    Call,
    Cases,
    Derivative,
    Fence,
    Frac,
    Ident,
    Matrix,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Root,
    Row,
    Size,
    Sub,
    Sup,
    Transposed,
    When,
    Words,
    Wrong,
    row,
)

T, T_x = sympy.symbols("T T_x", integer=True, positive=True)
t, k = sympy.symbols("t k", integer=True)
NOTATIONS = [
    Notation(),
    Notation("d2l", place="below"),
    Notation("pascanu", place="below", loss="ℰ"),
    Notation("werbos", place="behind", total="+", immediate="", delta="F"),
]
SIGNS = ["+", "-", "=", "<", ">", "≤", "≥", "≠", "≈", "∗", "·", "×", "⊙", "∈", "→", "⋯", "…", ",", ";", ":"]
NAMED = [
    "a",
    "z_a",
    "yhat",
    "alpha",
    "gate_x",
    "h_top",
    "my_long_name",
    "z_yhat",
    "b_",
    "x1",
    "alpha2",
    "s_g_1",
]
MODELS = [
    ("vanilla", {}),
    ("vanilla", {"g": "relu", "h": "softmax", "loss": "binary_cross_entropy"}),
    ("gru", {"architecture": "encoder-decoder", "feed": "output"}),
    ("gru_reset_after", {"architecture": "one-to-many"}),
    ("lstm", {"h": "softmax"}),
    ("vanilla_stacked", {"h": "identity"}),
]

steps = st.sampled_from([0, 1, 12, t, t - 1, t + 1, T, T_x + 1, k, k - 2])
names = st.builds(Name, st.sampled_from(NAMED), st.none() | steps, st.sampled_from(list(Role)))
parameters = st.builds(
    Par, st.sampled_from(["W_aa", "enc_W_aa", "dec_b", "scale", "gamma_z", "U"]), st.booleans()
)
idents = st.one_of(
    st.builds(Ident, st.sampled_from([*"abcxyz", "alpha", "Gamma", "∂", "i'"])),
    st.builds(Ident, st.sampled_from(["I", "diag", "step_1"]), st.just("upright")),
    st.builds(Ident, st.sampled_from(["1", "s"]), st.just("bold")),
)
numbers = st.builds(
    Number, st.sampled_from(["0", "1", "2.50", "-3", "0.001"]), st.none() | st.integers(-9, 9)
)
leaves = st.one_of(
    names,
    parameters,
    idents,
    numbers,
    st.builds(Size, st.sampled_from(["n_a", "n_in"])),
    st.builds(When, steps),
    st.builds(Objective, st.sampled_from(["L", "loss_1"]), st.none() | steps),
    st.builds(Words, st.sampled_from(["if ", " it is so", "50 % of δ & #1_x {y} | <z> $ \\ ~"])),
    st.builds(Derivative, names, parameters | names, st.booleans()),
)


def _above(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    mixed = st.lists(inner | st.builds(Op, st.sampled_from(SIGNS)), min_size=1, max_size=6)
    return st.one_of(
        st.builds(lambda items, thin: Row(tuple(items), thin), mixed, st.booleans()),
        st.builds(_summed, st.lists(inner, min_size=2, max_size=5)),
        st.builds(_starred, st.lists(inner, min_size=2, max_size=5)),
        st.builds(Fence, inner, st.sampled_from(["()", "[]", "||", "‖‖"]), st.booleans()),
        st.builds(Frac, inner, inner),
        st.builds(Sup, inner, inner),
        st.builds(Sub, inner, inner),
        st.builds(Accent, inner, st.sampled_from(["^", "‾"])),
        st.builds(Transposed, inner),
        st.builds(Root, inner),
        st.builds(
            Call, st.sampled_from([*NAMES, "σ", "g", "diag", "ReLU"]), inner, st.booleans(), st.integers(0, 2)
        ),
        st.builds(Big, st.sampled_from(["Σ", "Π", "max"]), st.none() | inner, st.none() | inner, inner),
        st.builds(lambda a, b, c: Matrix(((a, b), (c, a))), inner, inner, inner),
        st.builds(lambda a, b, c: Cases(((a, row(b, Op("≤"), c)), (c, None))), inner, inner, inner),
        st.builds(Wrong, inner),
    )


def _summed(items: list[Node]) -> Node:
    found: list[Node] = [MINUS, items[0]]
    for i, item in enumerate(items[1:]):
        found += [MINUS if i % 2 else PLUS, item]
    return Row(tuple(found))


def _starred(items: list[Node]) -> Node:
    found = [items[0]]
    for item in items[1:]:
        found += [AST, item]
    return Row(tuple(found))


nodes = st.recursive(leaves, _above, max_leaves=25)


@cache
def formulas() -> tuple[tuple[Node, Notation], ...]:
    """Right-hand sides of some models in every notation, each once."""
    found: dict[tuple[Node, str], tuple[Node, Notation]] = {}
    for name, choices in MODELS:
        derivation = derive.bptt(derive.load(name, **choices))
        for chosen in ("note", "d2l", "pascanu", "werbos"):
            written = notation(chosen, derivation)
            for expr in _expressions(derivation):
                node = expr_node(expr, t)
                found.setdefault((node, chosen), (node, written))
    return tuple(found.values())


def _expressions(derivation: derive.Derivation) -> Iterator[Expr]:
    for definition in (*derivation.model.cell, *derivation.model.output):
        yield definition.value
    for phase in derivation.phases:
        yield from (f.value for f in phase.forward)
        yield from (term.at_t for e in phase.adjoint for term in e.terms)
    for gradient in derivation.gradients.values():
        yield from (s.expr for s in gradient.sums)
