"""Work that no step waits for leaves the loop over time, and is done for all steps at once.

Vector level to vector level. What a loop over time computes falls into three parts: what needs no result
of an earlier step comes before the loop, what no later step needs comes after it, and the recurrence
stays. Products of many rows with one matrix, and sums over all steps as one product, are what this is for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import groupby

from chalkgrad.codegen.passes.scalars import ZERO, args_read, linear_factors, substitute
from chalkgrad.codegen.program.ir import (
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
from chalkgrad.codegen.program.walk import added, refs


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


Graph = list[list[int]]
"""Node → those that come after it. The first nodes are the parts."""


def _split(block: Block, buffers: Mapping[str, Buffer]) -> list[Statement]:
    parts = [part for n, s in enumerate(block.body) if isinstance(s, Assign) for part in _terms(s, n)]
    after = _after(parts, block.reverse)
    own, everything = set(range(len(parts))), set(range(len(after)))
    waits_for_none = set(_in_order(everything, after, everything))  # of those that take part in a recurrence
    needed_by_none = set(_in_order(everything, _turned(after), everything))
    ahead = own & waits_for_none
    worth = {parts[i].number for i in ahead if parts[i].is_product}
    stays = {parts[i].number for i in own - waits_for_none}
    ahead -= {i for i in ahead if parts[i].number in stays - worth}  # a bias alone is no reason to part a sum
    spans = {
        "ahead": _in_order(ahead, after, waits_for_none),
        "loop": sorted(own - ahead - needed_by_none),
        "behind": _in_order((own - ahead) & needed_by_none, after, needed_by_none),
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
    products, apart = list[RowValue](), set[Scalar]()
    factors = linear_factors(value.body)
    for index, arg in enumerate(value.args):
        if isinstance(arg, Product) and (factor := factors.get(index)):
            scaled = Call("mul", (Const(factor), Arg(0)))
            products.append(arg if factor == 1 else Elementwise(scaled, (arg,), value.shape))
            apart.add(Arg(index))
    body = substitute(value.body, lambda s: ZERO if s in apart else s) if apart else value.body
    if body != ZERO or not products:
        yield _Part(replace(a, value=_trimmed(body, value)), number)
    for product in products:
        yield _Part(replace(a, value=product), number, is_product=True)


def _trimmed(body: Scalar, value: Elementwise) -> Elementwise:
    """The body over those of the arguments that it still reads."""
    left = sorted(args_read(body))
    places = {Arg(i): Arg(n) for n, i in enumerate(left)}
    body = substitute(body, lambda s: places[s] if isinstance(s, Arg) else s)
    return replace(value, body=body, args=tuple(value.args[i] for i in left))


def _after(parts: list[_Part], reverse: bool) -> Graph:
    """What has to be done after each part, in its own step or a later one of the loop.

    A part that comes after itself takes part in a recurrence. Values of one step only are no bond between
    steps: each step could have its own. Between those that do one thing with a buffer and those that do the
    next thing with it stands a node without work, so that not every pair needs an edge.
    """
    uses: dict[str, dict[tuple[int, int], set[object]]] = {}  # buffer → (lag, part) → what is done
    for number, part in enumerate(parts):
        target = part.assign.target
        for ref in refs(part.assign.value):
            uses.setdefault(ref.buffer, {}).setdefault((ref.lag, number), set()).add("read")
        written = "added to" if part.assign.accumulate else part.number  # what commutes is one thing
        uses.setdefault(target.buffer, {}).setdefault((target.lag, number), set()).add(written)
    after: Graph = [[] for _ in parts]
    for done in uses.values():
        before: list[int] = []
        for members in _turns(done, reverse):
            if before:
                for number in before:
                    after[number].append(len(after))
                after.append(members)
            before = members
    return after


def _turns(uses: Mapping[tuple[int, int], set[object]], reverse: bool) -> Iterator[list[int]]:
    """The parts that do one thing with a buffer at a time, in the order in which they do it to one place."""

    def what(use: tuple[int, int]) -> object:
        return use if len(uses[use]) > 1 else [*uses[use]]

    in_time = sorted(uses, key=lambda use: (use[0] if reverse else -use[0], use[1]))
    for _, group in groupby(in_time, what):
        yield [number for _, number in group]


def _turned(after: Graph) -> Graph:
    before: Graph = [[] for _ in after]
    for node, later in enumerate(after):
        for other in later:
            before[other].append(node)
    return before


def _in_order(members: Set[int], after: Graph, within: Set[int]) -> list[int]:
    """The members, each behind those it has to come after; what is on a circle or behind one is left out.

    That is not the order of one step where a part reads what another one wrote in the step before.
    """
    due = Counter(later for node in within for later in after[node])
    ready = [(node in members, node) for node in within if not due[node]]
    heapify(ready)
    order: list[int] = []
    while ready:
        is_member, node = heappop(ready)
        order += [node] if is_member else []
        for later in after[node]:
            due[later] -= 1
            if not due[later] and later in within:
                heappush(ready, (later in members, later))
    return order


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
