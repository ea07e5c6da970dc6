"""A small reader of the ASCII grammar, for what tests write by hand: `read(text, names)` gives a tree."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

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
    Operator,
    Over,
    Power,
    Slope,
    StepNumber,
    Sum,
    Total,
    Turned,
    Value,
    Weight,
)

_STEP = r"\[([^\]]+)\]"
_LETTERS = re.compile(r"([+-]?)(T_x|T_y|tau|[A-Za-z]|\d+)")


@dataclass(frozen=True)
class Names:
    """What the names of a claim may be."""

    values: Collection[str]
    parameters: Collection[str]
    sizes: Collection[str]
    functions: Collection[str]

    def pattern(self) -> re.Pattern[str]:
        def one_of(names: Collection[str]) -> str:
            return "(?:" + "|".join(sorted(map(re.escape, names), key=len, reverse=True)) + ")"

        value, moved = one_of(self.values), one_of({*self.values, *self.parameters, "L"})
        below = rf"(?P<by>{one_of({*self.values, *self.parameters})})(?:\[(?P<by_at>[^\]]+)\])?"
        return re.compile(
            rf"\s*(?:(?P<slope>d(?P<plus>\+?)(?P<of>{moved})(?:\[(?P<of_at>[^\]]+)\])?/d{below}(?![\w]))"
            rf"|(?P<over>(?:sum|prod)_(?:\{{(?P<letter>\w+)=(?P<first>[^}}]+)\}}\^\{{(?P<last>[^}}]+)\}}|(?P<bare>[a-z])\b))"
            rf"|(?P<delta>delta_(?P<delta_of>{value}){_STEP})"
            rf"|(?P<value>(?P<value_of>{value}){_STEP})"
            rf"|(?P<loss>L(?:\[(?P<loss_at>[^\]]+)\])?(?![\w]))"
            rf"|(?P<call>(?P<function>{one_of({*self.functions, 'diag', 'sum'})})(?P<primes>'*)\()"
            rf"|(?P<weight>{one_of(self.parameters)}(?![\w]))|(?P<count>{one_of(self.sizes)}(?![\w]))"
            rf"|(?P<step>T_x|T_y|T)(?![\w])|(?P<number>\d+)|(?P<turned>\^T(?!\w))|(?P<sign>[-+*@/^()=]))"
        )


def index(text: str) -> Index:
    """t-1, T_x+1, 2"""
    letters, number = [], 0
    for sign, word in _LETTERS.findall(text.replace(" ", "")):
        one = -1 if sign == "-" else 1
        if word.isdigit():
            number += one * int(word)
        else:
            letters.append((word, one))
    return Index(tuple(letters), number)


def read(text: str, names: Names) -> Claim:
    """left = right. Raises ValueError for what is not in the grammar."""
    reader = _Reader(_tokens(text, names.pattern()))
    left = reader.sum()
    reader.due("=")
    right = reader.sum()
    reader.due("end")
    return Claim(left, right)


Token = tuple[str, re.Match[str] | None]


def _tokens(text: str, pattern: re.Pattern[str]) -> list[Token]:
    found: list[Token] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:
            raise ValueError(f"{text!r}: not in the grammar at {text[position:]!r}")
        kinds = ("slope", "over", "delta", "value", "loss", "call", "weight", "count", "step", "number")
        kind = next((kind for kind in (*kinds, "turned") if match[kind] is not None), match["sign"])
        found.append((kind, match))
        position = match.end()
    return [*found, ("end", None)]


@dataclass
class _Reader:
    tokens: list[Token]
    position: int = field(default=0)

    @property
    def kind(self) -> str:
        return self.tokens[self.position][0]

    def take(self) -> re.Match[str]:
        match = self.tokens[self.position][1]
        self.position += 1
        assert match is not None
        return match

    def due(self, kind: str) -> None:
        if self.kind != kind:
            raise ValueError(f"expected {kind}, found {self.kind}")
        self.position += kind != "end"

    def sum(self) -> Node:
        sign = -1 if self.kind == "-" else 1
        if sign < 0:
            self.take()
        terms = [(sign, self.product())]
        while self.kind in ("+", "-"):
            sign = 1 if self.take()["sign"] == "+" else -1
            terms.append((sign, self.product()))
        return terms[0][1] if len(terms) == 1 and terms[0][0] > 0 else Sum(tuple(terms))

    def product(self) -> Node:
        found = self.factor()
        while self.kind in ("*", "@", "/"):
            op = cast(Operator, self.take()["sign"])
            found = Mul(op, found, self.factor())
        return found

    def factor(self) -> Node:
        if self.kind == "over":
            match = self.take()
            kind = "sum" if match["over"].startswith("sum") else "prod"
            if match["bare"]:
                return Over(kind, match["bare"], None, None, self.product())
            bounds = index(match["first"]), index(match["last"])
            return Over(kind, match["letter"], *bounds, self.product())
        found = self.atom()
        while self.kind in ("turned", "^"):
            found = Turned(found) if self.take()["turned"] else Power(found, int(self.take()["number"]))
        return found

    def atom(self) -> Node:
        kind = self.kind
        if kind == "(":
            self.take()
            found = self.sum()
            self.due(")")
            return found
        match = self.take()
        at = [match[key] for key in ("of_at", "by_at", "loss_at")]
        of_at, by_at, loss_at = (None if own is None else index(own) for own in at)
        match kind:
            case "slope":
                of = Loss(of_at) if match["of"] == "L" else Value(match["of"], cast(Index, of_at))
                by = Weight(match["by"]) if by_at is None else Value(match["by"], by_at)
                return Slope(of, by, match["plus"] == "+")
            case "delta":
                return Delta(match["delta_of"], index(match["delta"].rpartition("[")[2][:-1]))
            case "value":
                return Value(match["value_of"], index(match["value"].rpartition("[")[2][:-1]))
            case "loss":
                return Loss(loss_at)
            case "weight":
                return Weight(match["weight"])
            case "count":
                return Count(match["count"])
            case "step":
                return StepNumber(index(match["step"]))
            case "number":
                return Num(Fraction(int(match["number"])))
            case "call":
                inner = self.sum()
                self.due(")")
                return self.called(match["function"], len(match["primes"]), inner)
        raise ValueError(f"expected an operand, found {kind}")

    def called(self, name: str, primes: int, inner: Node) -> Node:
        if name == "diag":
            return Diag(inner)
        return Total(inner) if name == "sum" else Call(name, primes, inner)
