"""A tape of vectors of balls: values as they are recorded, cotangents from the last node to the first.

A value is a list of balls, of length 1 for a scalar. A node without cotangent has received none; that is not
a cotangent of 0, which multiplies what it meets.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

from flint import arb, arb_mat

from tests.oracle import balls
from tests.oracle.balls import ELEMENTARY, KINKED, NAN, ONE, ZERO, Doubt
from tests.oracle.kinks import distance
from tests.oracle.nodes import Balls, Matrix, Node, is_one, sums_of_others

UP, DOWN = 1 + arb(2) ** -40, 1 - arb(2) ** -40
NEVER_ROUNDED = frozenset({"leaf", "zero", "number", "neg", "spread", "previous"})
"""Operations whose result is no new number."""


class Tape:
    """Nodes in the order of their computation. With a seed, all numbers that are computed are nudged."""

    def __init__(self, seed: int | None = None) -> None:
        self.nodes: list[Node] = []
        self.leaves: list[Node] = []
        self.matrices: list[Matrix] = []
        self.doubt = Doubt()
        self.kink = float("inf")
        self.random = None if seed is None else random.Random(seed)

    def nudged(self, value: Balls) -> Balls:
        """Each component up or down by 2^-40 of itself; unchanged without a seed."""
        if self.random is None:
            return value
        signs = self.random.getrandbits(len(value) or 1)
        return [v * (UP if signs >> i & 1 else DOWN) for i, v in enumerate(value)]

    def leaf(self, value: Balls) -> Node:
        node = Node("leaf", (), self.nudged(value))
        self.leaves.append(node)
        return node

    def matrix(self, rows: int, columns: int, value: Balls) -> Matrix:
        matrix = Matrix(rows, columns, self.nudged(value))
        self.matrices.append(matrix)
        return matrix

    def zero(self, n: int) -> Node:
        """What is not there: its negative, its products and its sums are not there either."""
        return Node("zero", (), [ZERO] * n)

    def number(self, number: Fraction) -> Node:
        value = [balls.exact(number)]
        binary = number.denominator & (number.denominator - 1) == 0
        return Node("number", (), value if binary else self.nudged(value), number)

    def record(self, op: str, args: tuple[Node, ...], value: Balls, data: object = None) -> Node:
        node = Node(op, args, value if op in NEVER_ROUNDED else self.nudged(value), data)
        self.nodes.append(node)
        return node

    def previous(self, a: Node) -> Node:
        return self.record("previous", (a,), a.value)

    def spread(self, a: Node, n: int) -> Node:
        return self.record("spread", (a,), a.value * n)

    def neg(self, a: Node) -> Node:
        return a if a.op == "zero" else self.record("neg", (a,), [-x for x in a.value])

    def binary(self, op: str, a: Node, b: Node) -> Node:
        left, right = a.value, b.value
        match op:
            case "add" | "sub" if a.op == b.op == "zero":
                return a
            case "add":
                value = [x + y for x, y in zip(left, right, strict=True)]
            case "sub" if is_one(a):
                value = self.complement(b)
            case "sub":
                value = [x - y for x, y in zip(left, right, strict=True)]
            case "mul" if a.op == "zero" or b.op == "zero":
                return self.zero(len(left))
            case "mul":
                value = [x * y for x, y in zip(left, right, strict=True)]
            case "div":
                value = [
                    x / y if balls.nonzero(y, self.doubt) else NAN for x, y in zip(left, right, strict=True)
                ]
            case _:
                raise AssertionError(op)
        return self.record(op, (a, b), value)

    def power(self, a: Node, exponent: Fraction) -> Node:
        return self.record("power", (a,), [balls.power(x, exponent, self.doubt) for x in a.value], exponent)

    def matvec(self, matrix: Matrix, a: Node, *, transposed: bool) -> Node:
        if a.op == "zero":
            return self.zero(matrix.shape[1 if transposed else 0])
        product = (matrix.transpose if transposed else matrix.matrix) * a.column()
        return self.record("matvec", (a,), list(product.entries()), (matrix, transposed))

    def function(self, name: str, a: Node) -> Node:
        value: Balls
        match name:
            case "identity":
                return a
            case "sigmoid":
                value = [balls.sigmoid(x) for x in a.value]
                return self.record(name, (a,), value, self.kept([balls.sigmoid(-x) for x in a.value]))
            case "softmax":
                powers = [balls.exp(x, self.doubt) for x in a.value]
                total = sum(powers, ZERO)
                others = [s / total for s in sums_of_others(powers)]
                return self.record(name, (a,), [e / total for e in powers], self.kept(others))
            case "sum" | "mean" if a.op == "zero":
                return self.zero(1)
            case "sum":
                return self.record(name, (a,), [sum(a.value, ZERO)])
            case "mean":
                return self.record(name, (a,), [sum(a.value, ZERO) / len(a.value)])
        if name in KINKED:
            self.kink = min(self.kink, distance(a))
        forward = ELEMENTARY[name][0]
        return self.record(name, (a,), [forward(x, self.doubt) for x in a.value])

    def kept(self, complement: Balls) -> Balls | None:
        """The complement of a value that is not nudged. A nudged one is subtracted from 1, as programs do."""
        return complement if self.random is None else None

    def complement(self, a: Node) -> Balls:
        """1 - a, without cancellation where a is a sigmoid or a softmax, or one minus such a one.

        1 - 1/(1 + exp(-u)) = 1/(1 + exp(u)); 1 - e_i / sum e = sum of the others / sum e.
        """
        if isinstance(a.data, list):
            return a.data
        if a.op == "sub" and is_one(a.args[0]) and isinstance(a.args[1].data, list):
            return a.args[1].value
        return [ONE - x for x in a.value]

    def forget(self) -> None:
        """All cotangents of an earlier pass."""
        for node in (*self.nodes, *self.leaves):
            node.grad = None
        for matrix in self.matrices:
            matrix.pairs = []

    def pull(self) -> None:
        """From the cotangents that nodes have been given to those of the leaves and matrices."""
        for node in reversed(self.nodes):
            if node.grad is not None:
                if node.op in PULL:
                    PULL[node.op](self, node, node.grad)
                else:
                    self.pull_elementary(node, node.grad)

    def pull_elementary(self, node: Node, g: Balls) -> None:
        slope = ELEMENTARY[node.op][1]
        a = node.args[0]
        slopes = (slope(x, v) for x, v in zip(a.value, node.value, strict=True))
        a.receive([ZERO if s is None else s * d for s, d in zip(slopes, g, strict=True)])


def _passed(tape: Tape, node: Node, g: Balls) -> None:
    node.args[0].receive(g)


def _add(tape: Tape, node: Node, g: Balls) -> None:
    node.args[0].receive(g)
    node.args[1].receive(g)


def _sub(tape: Tape, node: Node, g: Balls) -> None:
    node.args[0].receive(g)
    node.args[1].receive([-d for d in g])


def _mul(tape: Tape, node: Node, g: Balls) -> None:
    a, b = node.args
    a.receive([d * y for d, y in zip(g, b.value, strict=True)])
    b.receive([d * x for d, x in zip(g, a.value, strict=True)])


def _div(tape: Tape, node: Node, g: Balls) -> None:
    a, b = node.args
    over = [d / y for d, y in zip(g, b.value, strict=True)]
    a.receive(over)
    b.receive([-d * v for d, v in zip(over, node.value, strict=True)])


def _power(tape: Tape, node: Node, g: Balls) -> None:
    exponent = node.data
    assert isinstance(exponent, Fraction)
    a = node.args[0]
    a.receive([d * balls.power_slope(x, exponent) for d, x in zip(g, a.value, strict=True)])


def _matvec(tape: Tape, node: Node, g: Balls) -> None:
    """y = W x:  W̄ += ȳ xᵀ,  x̄ += Wᵀ ȳ;  y = Wᵀ x:  W̄ += x ȳᵀ,  x̄ += W ȳ."""
    assert isinstance(node.data, tuple)
    matrix, transposed = node.data
    a = node.args[0]
    matrix.pairs.append((a.value, g) if transposed else (g, a.value))
    back = matrix.matrix if transposed else matrix.transpose
    a.receive(list((back * arb_mat(len(g), 1, g)).entries()))


def _sum(tape: Tape, node: Node, g: Balls) -> None:
    node.args[0].receive(g * len(node.args[0].value))


def _mean(tape: Tape, node: Node, g: Balls) -> None:
    n = len(node.args[0].value)
    node.args[0].receive([g[0] / n] * n)


def _spread(tape: Tape, node: Node, g: Balls) -> None:
    node.args[0].receive([sum(g, ZERO)])


def _sigmoid(tape: Tape, node: Node, g: Balls) -> None:
    others = tape.complement(node)
    node.args[0].receive([d * s * c for d, s, c in zip(g, node.value, others, strict=True)])


def _softmax(tape: Tape, node: Node, g: Balls) -> None:
    """z̄_j = p_j ((1 - p_j) p̄_j - sum over i != j of p_i p̄_i)."""
    p = node.value
    rest = sums_of_others([d * v for d, v in zip(g, p, strict=True)])
    own = [d * c for d, c in zip(g, tape.complement(node), strict=True)]
    node.args[0].receive([v * (o - r) for v, o, r in zip(p, own, rest, strict=True)])


PULL: dict[str, Callable[[Tape, Node, Balls], None]] = {
    "previous": _passed,
    "spread": _spread,
    "neg": lambda tape, node, g: node.args[0].receive([-d for d in g]),
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "power": _power,
    "matvec": _matvec,
    "sigmoid": _sigmoid,
    "softmax": _softmax,
    "sum": _sum,
    "mean": _mean,
}
