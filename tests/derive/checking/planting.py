"""Mistakes put into true equations, one at a time, each with the name that it should be given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import sympy
from planted_claims import Claim

from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.checking.judging.places import scope_of
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Delta,
    Factors,
    Index,
    Loss,
    Num,
    Over,
    Slope,
    StepNumber,
    Sum,
    Syntax,
    Turned,
    Value,
    Weight,
    added,
    at,
    get,
    negative,
    places,
    put,
    stepped,
)
from chalkgrad.derive.terms.algebra import MatVec, Parameter
from chalkgrad.derive.terms.trees import walk
from chalkgrad.derive.values.oracle import ValueAt, oracles

ONE = Num(sympy.Integer(1))


@dataclass(frozen=True)
class Planted:
    """A wrong text and the name of its mistake."""

    mistake: str
    text: str


def in_any(claim: Claim) -> Iterator[Planted]:
    """Mistakes that every equation can have that has a term, a product or a step."""
    right = claim.right
    yield Planted("sign", claim.having(negative(right)))
    for path, node in places(right):
        if isinstance(node, Sum) and len(node.terms) > 1:
            for number in range(len(node.terms)):
                terms = tuple((-s if i == number else s, v) for i, (s, v) in enumerate(node.terms))
                yield Planted("sign", claim.having(put(right, path, Sum(terms))))
    for divisor in (Count("m"), StepNumber(at("T"))):
        yield Planted("mean", claim.having(Factors(ONE, (("/", divisor), ("*", right)))))
        yield Planted("mean", claim.having(Factors(right, (("/", divisor),))))
    for path, node in places(right):
        if isinstance(node, Turned):
            yield Planted("transpose", claim.having(put(right, path, node.inner)))
        if isinstance(node, Weight) and len(claim.scope.parameters[node.name]) == 2:
            yield from _of_matrix(claim, path, node)
        if isinstance(node, (Value, Delta)):
            for by in (1, -1):
                moved = replace(node, index=node.index.moved(by))
                yield Planted("state-index", claim.having(put(right, path, moved)))


def _of_matrix(claim: Claim, path: tuple[int, ...], node: Weight) -> Iterator[Planted]:
    inside = path and isinstance(get(claim.right, path[:-1]), Turned)
    if not inside:
        yield Planted("transpose", claim.having(put(claim.right, path, Turned(node))))
    for name, shape in claim.scope.parameters.items():
        if name != node.name and len(shape) == 2:
            yield Planted("swapped-weights", claim.having(put(claim.right, path, Weight(name))))


def in_recurrence(claim: Claim) -> Iterator[Planted]:
    """A path dropped: all terms of a kind, or one."""
    if not isinstance(claim.right, Sum) or len(claim.lags) < 2 or len(claim.right.terms) != len(claim.lags):
        return
    terms = claim.right.terms
    for lag, mistake in ((0, "direct-path"), (1, "recurrent-path")):
        those = [i for i, own in enumerate(claim.lags) if own == lag]
        for drop in [[i] for i in those] + ([those] if len(those) > 1 else []):
            kept = tuple(term for i, term in enumerate(terms) if i not in drop)
            softmax = [claim.rules[i].startswith("log-sum-exp") for i in drop]
            if kept and all(softmax) == any(softmax):
                name = "softmax-cross-terms" if all(softmax) else mistake
                yield Planted(name, claim.having(Sum(kept)))


def in_outer(claim: Claim) -> Iterator[Planted]:
    """The outer product of a gradient, in all the ways in which it is not."""
    for path, node in places(claim.right):
        match node:
            case Factors(first=u, rest=(("@", Turned(inner=v)),)):
                wrong = [("transpose", Factors(v, (("@", Turned(u)),)))]
                wrong += [("transpose", Factors(Turned(u), (("@", v),))), ("transpose", Turned(node))]
                wrong += [("transpose", Factors(u, (("@", v),)))]
                for name in claim.scope.values:
                    if name not in ("y", getattr(v, "name", ""), getattr(u, "name", "")):
                        wrong.append(("swapped-vectors", Factors(Delta(name, at("t")), node.rest)))
                        other = Turned(Value(name, at("t")))
                        wrong += (
                            [("swapped-vectors", Factors(u, (("@", other),)))] if isinstance(v, Value) else []
                        )
                for mistake, new in wrong:
                    yield Planted(mistake, claim.having(put(claim.right, path, new)))
            case _:
                pass


def in_gradient(claim: Claim) -> Iterator[Planted]:
    """The sum over time dropped: the part of any step, of the last, of step 3."""
    assert isinstance(claim.left, Slope) and isinstance(claim.left.by, Weight)
    if not isinstance(claim.right, Over):
        return
    bias = len(claim.scope.parameters[claim.left.by.name]) < 2
    mistake, part = "bias-not-summed" if bias else "last-step-only", claim.right.inner
    for step in (at("t"), at("T"), Index((), 3)):
        alone = stepped(part, lambda index, step=step: index.having("t", step))  # type: ignore[misc]
        yield Planted(mistake, claim.having(alone))


def in_activation(claim: Claim) -> Iterator[Planted]:
    """The argument of a function where its derivative is written with its value."""
    for node in dict.fromkeys(n for n in walk(claim.right) if isinstance(n, Value)):
        squared = f"{node.name}[t]^2" in claim.text
        if node.name in claim.scope.activations and squared:
            right = claim.right
            for path, n in list(places(right)):
                if n == node:
                    right = put(right, path, Value(claim.scope.activations[node.name], node.index))
            yield Planted("activation-argument", claim.having(right))


def chains(model: Model, step: int = 2) -> Iterator[tuple[Claim, list[Planted]]]:
    """dL[2]/dW through the value whose equation has W, one term for each use; and with uses dropped."""
    scope = scope_of(model)
    for name in scope.parameters:
        through = _user(model, name)
        loss = Loss(Index((), step))

        def term(k: int, immediate: bool, through: str = through, name: str = name) -> Syntax:
            v = Value(through, Index((), k))
            return Factors(Slope(loss, v), (("@", Slope(v, Weight(name), immediate)),))  # noqa: B023

        terms = {k: term(k, True) for k in range(step, 0, -1)}
        claim = Claim(scope, Slope(loss, Weight(name)), added(*terms.values()))
        planted = []
        (oracle,) = oracles(scope.derivation, 3, points=1)
        if any(oracle.slope(ValueAt(through, 1), step, documented=through == "yhat").entries):
            early = [v for k, v in terms.items() if k < step]
            planted.append(Planted("direct-path", claim.having(added(*early))))
            planted.append(Planted("recurrent-path", claim.having(terms[step])))
        if any(oracle.jacobian(through, 2, ValueAt(through, 1)).entries):
            totals = {k: term(k, False) for k in terms}
            planted.append(Planted("total-for-immediate", claim.having(added(*totals.values()))))
            one = {**terms, step: totals[step]}
            planted.append(Planted("total-for-immediate", claim.having(added(*one.values()))))
        yield claim, planted


def _user(model: Model, parameter: str) -> str:
    """The first value whose equation reads the parameter."""
    for phase in scope_of(model).derivation.phases:
        for equation in phase.forward:
            for node in walk(equation.value):
                matrix = node.matrix if isinstance(node, MatVec) else node
                if isinstance(matrix, Parameter) and matrix.name == parameter:
                    return equation.target.name
    raise LookupError(parameter)
