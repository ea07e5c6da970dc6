"""Work that no step waits for leaves the loop over time, and is done for all steps at once.

Vector level to vector level. What a loop over time computes falls into three parts: what needs no result
of an earlier step comes before the loop, what no later step needs comes after it, and the recurrence
stays. Products of many rows with one matrix, and sums over all steps as one product, are what this is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, groupby

from codegen.passes.scalars import ZERO, linear_factor, reads_arg, substitute
from codegen.program.ir import (
    Affine,
    Arg,
    Assign,
    Block,
    Buffer,
    Call,
    Const,
    Elementwise,
    Layout,
    Product,
    Program,
    Role,
    RowValue,
    Scalar,
    Span,
    Statement,
)
from codegen.program.walk import added, refs


def distribute(program: Program) -> Program:
    """Split every loop over time into what can be done ahead, the recurrence, and what can wait.

    before   for t: z[t] = W_ax x[t] + W_aa a[t-1] + b;  a[t] = tanh(z[t]);  u[t] = W_ya a[t]
    after    all t: z[t] = W_ax x[t] + b;  for t: z[t] += W_aa a[t-1];  a[t] = tanh(z[t]);
             all t: u[t] = W_ya a[t]
    needs    sums may be formed in any order
    costs    what passes from one part to another is kept for every step
    """
    parts = [
        _split(b, program.buffers) if isinstance(b, Block) and b.span is Span.EACH else [b]
        for b in program.body
    ]
    body = [statement for group in parts for statement in group]
    return replace(program, body=tuple(body), buffers=_kept(program.buffers, body))


@dataclass(frozen=True)
class _Part:
    """A statement, or one term of the sum that a statement forms: those have the same number."""

    assign: Assign
    number: int
    is_product: bool = False

    def commutes(self, other: _Part) -> bool:
        return self.number == other.number or (self.assign.accumulate and other.assign.accumulate)


def _split(block: Block, buffers: Mapping[str, Buffer]) -> list[Statement]:
    parts = [part for n, s in enumerate(block.body) if isinstance(s, Assign) for part in _terms(s, n)]
    after = _after(parts, block.reverse)
    recurrent = {i for i, later in after.items() if i in later}
    waits_for = set().union(*(after[i] for i in recurrent))
    needed = {i for i, later in after.items() if later & recurrent}
    ahead = {i for i in after if i not in waits_for}
    worth = {parts[i].number for i in ahead if parts[i].is_product}
    stays = {parts[i].number for i in waits_for}
    ahead -= {i for i in ahead if parts[i].number in stays - worth}  # a bias alone is no reason to part a sum
    spans = {
        "ahead": _in_order(ahead, after),
        "loop": [i for i in after if i not in ahead and i in needed],
        "behind": _in_order({i for i in after if i not in ahead and i not in needed}, after),
    }
    begun: set[int] = set()
    result: list[Statement] = []
    at_once = replace(block, span=Span.ALL, title=f"{block.title}, all at once")
    for place, members in spans.items():
        body: list[Assign] = []
        noted: set[int] = set()
        for number, group in groupby(members, lambda i: parts[i].number):
            first, *others = (parts[i].assign for i in group)
            value = first.value
            if others:  # terms of one sum
                terms = [value, *(o.value for o in others)]
                value = added(terms, buffers[first.target.buffer].shape)  # type: ignore[arg-type]
            note = "" if number in noted else first.note
            accumulate = first.accumulate or number in begun
            body.append(replace(first, value=value, accumulate=accumulate, note=note))
            begun.add(number)
            noted.add(number)
        if body:
            result.append(replace(block if place == "loop" else at_once, body=tuple(body)))
    return result


def _terms(a: Assign, number: int) -> Iterator[_Part]:
    """The products that a statement adds up, each by itself, and before them the rest."""
    value = a.value
    if not isinstance(value, Elementwise):
        yield _Part(a, number)
        return
    body, products = value.body, list[RowValue]()
    for index, arg in enumerate(value.args):
        factor = linear_factor(body, index) if isinstance(arg, Product) else None
        if factor:
            scaled = Call("mul", (Const(factor), Arg(0)))
            products.append(arg if factor == 1 else Elementwise(scaled, (arg,), value.shape))
            body = substitute(body, lambda s, index=index: ZERO if s == Arg(index) else s)  # type: ignore[misc]
    if body != ZERO or not products:
        yield _Part(replace(a, value=_trimmed(body, value)), number)
    for product in products:
        yield _Part(replace(a, value=product), number, is_product=True)


def _trimmed(body: Scalar, value: Elementwise) -> Elementwise:
    """The body over those of the arguments that it still reads."""
    left = [i for i in range(len(value.args)) if reads_arg(body, i)]
    places = {Arg(i): Arg(n) for n, i in enumerate(left)}
    body = substitute(body, lambda s: places[s] if isinstance(s, Arg) else s)
    return replace(value, body=body, args=tuple(value.args[i] for i in left))


def _after(parts: list[_Part], reverse: bool) -> dict[int, set[int]]:
    """For each part all that has to be done after it, in its own step or a later one of the loop.

    A part that comes after itself takes part in a recurrence. Values of one step only are no bond between
    steps: each step could have its own.
    """
    after: dict[int, set[int]] = {i: set() for i in range(len(parts))}
    for i, part in enumerate(parts):
        target = part.assign.target
        if any(r.buffer == target.buffer and r.lag != target.lag for r in refs(part.assign.value)):
            after[i].add(i)
    for i, j in combinations(range(len(parts)), 2):
        for distance in _conflicts(parts[i], parts[j]):
            forwards = distance >= 0 if not reverse else distance <= 0
            after[i if forwards else j].add(j if forwards else i)
    for middle in after:  # Warshall's closure
        for start, later in after.items():
            if middle in later:
                after[start] = later | after[middle]
    return after


def _in_order(members: set[int], after: Mapping[int, set[int]]) -> list[int]:
    """Parts that are done for all steps at once, each behind those it has to come after.

    That is not the order of one step where a part reads what another one wrote in the step before.
    """
    left, order = sorted(members), list[int]()
    while left:
        following = next(i for i in left if not any(i in after[j] for j in left))
        left.remove(following)
        order.append(following)
    return order


def _conflicts(one: _Part, other: _Part) -> Iterator[int]:
    """How many steps after `one` the `other` touches what one of them writes."""
    writes, later_writes = one.assign.target, other.assign.target
    if writes.buffer == later_writes.buffer and not one.commutes(other):
        yield writes.lag - later_writes.lag
    yield from (writes.lag - r.lag for r in refs(other.assign.value) if r.buffer == writes.buffer)
    yield from (r.lag - later_writes.lag for r in refs(one.assign.value) if r.buffer == later_writes.buffer)


def _kept(buffers: Mapping[str, Buffer], body: list[Statement]) -> dict[str, Buffer]:
    """Room for every step of what passes from one block to another, or is made for all steps at once."""
    uses: dict[str, list[Block]] = {}
    for block in body:
        if isinstance(block, Block):
            for name in dict.fromkeys(n for s in block.body for n in _touched(s)):
                uses.setdefault(name, []).append(block)
    kept = dict(buffers)
    for name, blocks in uses.items():
        buffer = buffers[name]
        crosses = len(blocks) > 1 or blocks[0].span is Span.ALL
        if buffer.role is Role.WORK and buffer.layout is Layout.BATCH and crosses:
            spans = {b.start: b.steps for b in blocks if b.span in (Span.EACH, Span.ALL)}
            if spans:
                first = min(spans, key=lambda start: (start.counts, start.constant))
                steps = sum(spans.values(), Affine())
                kept[name] = replace(buffer, layout=Layout.TIME, first=first + 1, slots=steps)
    return kept


def _touched(statement: Statement) -> Iterator[str]:
    if isinstance(statement, Assign):
        yield statement.target.buffer
        yield from (ref.buffer for ref in refs(statement.value))
