"""Common subexpressions of straight-line code, each computed once, in the order of first use."""

from __future__ import annotations

from dataclasses import replace

from chalkgrad.codegen.program.ir import (
    Block,
    Call,
    Let,
    Local,
    Program,
    Rows,
    Scalar,
    Statement,
    Store,
    rebuild,
)
from chalkgrad.codegen.program.names import FreshNames
from chalkgrad.codegen.program.operations import OPERATIONS
from chalkgrad.codegen.program.walk import rewrite


def share_common(program: Program) -> Program:
    """Give a name to every expression that occurs twice, and to dear ones. Straight level.

    before   u = d * (1 - a*a);  v = e * (1 - a*a);  w = tail(u) + tail(v)
    after    common = 1 - a*a;  u = d * common;  v = e * common;  t = tail(u);  s = tail(v);  w = t + s
    """

    def change(statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Rows(body=body):
                return (replace(statement, body=_Sharing(program, body).run()),)
            case Block() | _:
                return (statement,)

    return replace(program, body=rewrite(program.body, change))


class _Sharing:
    def __init__(self, program: Program, body: tuple[Statement, ...]) -> None:
        self._body = body
        taken = {s.name for s in body if isinstance(s, Let)}
        self._names = FreshNames(taken | set(program.buffers))
        self._seen: set[Scalar] = set()
        self._twice: set[Scalar] = set()
        self._known: dict[Scalar, Scalar] = {}
        self._out: list[Statement] = []

    def run(self) -> tuple[Statement, ...]:
        for statement in self._body:
            if isinstance(statement, (Let, Store)):
                self._count(statement.value)
        for statement in self._body:
            match statement:
                case Let(name=name, value=value):
                    for operand in value.operands:
                        self._name_dear(operand)
                    shared = self._inner(value)
                    if shared.operands:
                        self._out.append(Let(name, shared))
                        self._known.setdefault(value, Local(name))
                    else:
                        self._known[Local(name)] = shared
                case Store(value=value):
                    self._name_dear(value)
                    self._out.append(replace(statement, value=self._share(value)))
                case _:
                    self._out.append(statement)
        return tuple(self._out)

    def _count(self, scalar: Scalar) -> None:
        if not scalar.operands:
            return
        if scalar in self._seen:
            self._twice.add(scalar)
            return
        self._seen.add(scalar)
        for operand in scalar.operands:
            self._count(operand)

    def _inner(self, scalar: Scalar) -> Scalar:
        """The expression of a Let: itself the name of its value."""
        if scalar in self._known:
            return self._known[scalar]
        return rebuild(scalar, tuple(self._share(o) for o in scalar.operands))

    def _share(self, scalar: Scalar) -> Scalar:
        if scalar in self._known or not scalar.operands:
            return self._known.get(scalar, scalar)
        changed = self._inner(scalar)
        return self._named(scalar, changed) if scalar in self._twice else changed

    def _named(self, scalar: Scalar, changed: Scalar) -> Local:
        local = Local(self._names.fresh("common"))
        self._out.append(Let(local.name, changed))
        self._known[scalar] = local
        return local

    def _name_dear(self, scalar: Scalar) -> None:
        """All those within the expression, one behind the other."""
        for operand in scalar.operands:
            self._name_dear(operand)
        if isinstance(scalar, Call) and OPERATIONS[scalar.op].dear and scalar not in self._known:
            self._named(scalar, self._inner(scalar))
