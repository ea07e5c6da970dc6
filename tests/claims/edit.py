"""Random edits of claims: one thing of a tree is changed, on the right or on the left."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

from tests.claims.models import Network
from tests.claims.trees import (
    Call,
    Claim,
    Count,
    Delta,
    Diag,
    Index,
    Loss,
    Mul,
    Node,
    Num,
    Over,
    Power,
    Slope,
    StepNumber,
    Sum,
    Turned,
    Value,
    Weight,
    at,
    free_letters,
    places,
    put,
    stepped,
)

Change = Callable[[Node, random.Random, Network], Node | None]
_ONE, _TWO = Num(Fraction(1)), Num(Fraction(2))


def edited(claim: Claim, rng: random.Random, network: Network) -> Claim:
    """Another claim, one edit away."""
    while True:
        left = rng.random() < 0.2
        side = claim.left if left else claim.right
        path, node = rng.choice(list(places(side)))
        names = list(CHANGES)
        new = CHANGES[rng.choice(names)](node, rng, network)
        if new is None or new == node:
            continue
        try:
            changed = put(side, path, new)
        except TypeError:
            continue
        found = replace(claim, left=changed) if left else replace(claim, right=changed)
        if len(free_letters(found.left) | free_letters(found.right)) <= 2:
            return found


# ----------------------------------------------------------------------------- changes


def _negated(node: Node, rng: random.Random, network: Network) -> Node | None:
    return None if isinstance(node, (Sum, Weight, Loss)) and rng.random() < 0.5 else Sum(((-1, node),))


def _doubled(node: Node, rng: random.Random, network: Network) -> Node | None:
    return Mul("*", _TWO, node)


def _at_another_step(node: Node, rng: random.Random, network: Network) -> Node | None:
    letters = ["T_x", "T_y"] if network.two else ["T"]
    others = [Index((), 1), at(rng.choice(letters)), Index((), rng.randint(2, 3))]
    choice = rng.randrange(5)

    def moved(index: Index) -> Index:
        return index.plus(rng.choice((-1, 1))) if choice < 3 else rng.choice(others)

    return stepped(node, moved) if isinstance(node, (Value, Delta, Loss)) else None


def _bounds(node: Node, rng: random.Random, network: Network) -> Node | None:
    if not isinstance(node, Over) or node.first is None or node.last is None:
        return None
    by = rng.choice((-1, 1))
    if rng.random() < 0.5:
        return replace(node, first=node.first.plus(by))
    return replace(node, last=node.last.plus(by))


def _turned(node: Node, rng: random.Random, network: Network) -> Node | None:
    return node.inner if isinstance(node, Turned) else Turned(node)


def _swapped(node: Node, rng: random.Random, network: Network) -> Node | None:
    return Mul(node.op, node.right, node.left) if isinstance(node, Mul) else None


def _other_product(node: Node, rng: random.Random, network: Network) -> Node | None:
    return replace(node, op={"*": "@", "@": "*", "/": "*"}[node.op]) if isinstance(node, Mul) else None


def _dropped(node: Node, rng: random.Random, network: Network) -> Node | None:
    match node:
        case Sum(terms=terms) if len(terms) > 1:
            kept = list(terms)
            kept.pop(rng.randrange(len(kept)))
            return kept[0][1] if len(kept) == 1 and kept[0][0] > 0 else Sum(tuple(kept))
        case Mul(left=left, right=right):
            return rng.choice((left, right))
        case Diag(inner=inner) | Power(inner=inner) | Call(inner=inner) | Over(inner=inner):
            return None if isinstance(node, Over) and node.letter in free_letters(inner) else inner
    return None


def _renamed(node: Node, rng: random.Random, network: Network) -> Node | None:
    values = [*network.order, "x"]
    match node:
        case Value(index=index):
            kind = rng.choice((Value, Value, Delta))
            return kind(rng.choice(values), index)
        case Delta(index=index):
            return rng.choice((Delta, Delta, Value))(rng.choice(values), index)
        case Weight():
            return Weight(rng.choice(list(network.parameters)))
    return None


def _immediate(node: Node, rng: random.Random, network: Network) -> Node | None:
    return replace(node, immediate=not node.immediate) if isinstance(node, Slope) else None


def _of_one_step(node: Node, rng: random.Random, network: Network) -> Node | None:
    if isinstance(node, Loss):
        return Loss(at("t")) if node.index is None else Loss()
    if isinstance(node, Slope) and isinstance(node.of, Loss):
        return replace(node, of=Loss(at("t")) if node.of.index is None else Loss())
    return None


def _function(node: Node, rng: random.Random, network: Network) -> Node | None:
    if isinstance(node, Call):
        if node.name == "softmax":
            return None
        if rng.random() < 0.5:
            return replace(node, primes=(node.primes + 1) % 2)
        return replace(node, name={"tanh": "sigmoid"}.get(node.name, "tanh"))
    if isinstance(node, (Value, Delta)):
        return Call(rng.choice(("tanh", "sigmoid")), rng.randrange(2), node)
    return None


def _diagonal(node: Node, rng: random.Random, network: Network) -> Node | None:
    return Diag(node) if isinstance(node, (Value, Delta)) else None


def _number(node: Node, rng: random.Random, network: Network) -> Node | None:
    match node:
        case Num():
            return rng.choice((_TWO, Num(Fraction(0)), StepNumber(at("T_x" if network.two else "T"))))
        case Power(inner=inner, exponent=exponent):
            return Power(inner, exponent + 1)
        case Value() | Delta() | Weight():
            return rng.choice((_ONE, Num(Fraction(0)), Power(node, 2), Count(network.sizes[0])))
    return None


CHANGES: Mapping[str, Change] = {
    "negated": _negated,
    "doubled": _doubled,
    "at another step": _at_another_step,
    "at one more": _at_another_step,
    "bounds": _bounds,
    "turned": _turned,
    "swapped": _swapped,
    "another product": _other_product,
    "dropped": _dropped,
    "renamed": _renamed,
    "immediate": _immediate,
    "of one step": _of_one_step,
    "function": _function,
    "diagonal": _diagonal,
    "number": _number,
}
