"""Small changes of a formula, each the way back from a mistake that a student makes.

Every function gives trees that differ from the formula in one respect. Which mistake they undo, and in which
order they are tried, `derive.checking.explaining.mistakes` says as data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Factors,
    FunctionCall,
    Index,
    Loss,
    Over,
    Path,
    Slope,
    Sum,
    Syntax,
    Turned,
    Value,
    Weight,
    at,
    get,
    indices,
    negative,
    parts,
    places,
    product,
    put,
    stepped,
)
from chalkgrad.derive.terms.trees import transform, walk

_MATRICES = ("@", "·")
_FAR = (1, -1, 2, -2)  # how far off an index may be


def leaves(node: Syntax) -> list[Syntax]:
    """Values and δ in the formula, each once, in the order in which they stand."""
    return list(dict.fromkeys(n for n in walk(node) if isinstance(n, (Value, Delta))))


def exchanged(
    root: Syntax, old: Syntax, new: Syntax, where: Callable[[Syntax, Path], bool] = lambda root, path: True
) -> Iterator[Syntax]:
    """`new` for `old`: everywhere, at one place, or everywhere within one part; only at places `where`."""
    among = places if type(old) is type(new) else parts
    found = [path for path, n in among(root) if n == old and where(root, path)]
    if not found:
        return
    yield _put_all(root, found, new)
    if len(found) < 2:
        return
    for path in found:
        yield put(root, path, new)
    for path, _ in places(root):
        inside = [p for p in found if p[: len(path)] == path]
        if 1 < len(inside) < len(found):
            yield _put_all(root, inside, new)


def _put_all(root: Syntax, paths: list[tuple[int, ...]], new: Syntax) -> Syntax:
    for path in paths:
        root = put(root, path, new)
    return root


# ----------------------------------------------------------------------------- signs and transposes


def signs(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Another sign: of the whole, or of one term."""
    yield negative(side)
    for path, node in places(side):
        if isinstance(node, Sum):
            for number in range(len(node.terms)):
                terms = [(-s if i == number else s, v) for i, (s, v) in enumerate(node.terms)]
                single = len(terms) == 1 and terms[0][0] > 0
                yield put(side, path, terms[0][1] if single else Sum(tuple(terms)))


def transposes(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """A transpose more or less: of a factor, or moved from one of two factors to the other."""
    for path, node in places(side):
        if isinstance(node, Turned):
            yield put(side, path, node.inner)
    for path, node in places(side):
        if isinstance(node, Factors) and any(sign in _MATRICES for sign, _ in node.rest):
            factors = node.children
            for number, factor in enumerate(factors):
                yield put(side, (*path, number), toggled(factor))
            for number, (sign, _) in enumerate(node.rest):
                if sign in _MATRICES:
                    both = put(node, (number,), toggled(factors[number]))
                    yield put(side, path, put(both, (number + 1,), toggled(factors[number + 1])))

    for bare in (True, False):
        found = [path for path, node in places(side) if _is_matrix(side, path, node, bare)]
        if len(found) > 1:
            everywhere = side
            for path in found:
                everywhere = put(everywhere, path, toggled(get(side, path)))
            yield everywhere


def _is_matrix(side: Syntax, path: Path, node: Syntax, bare: bool) -> bool:
    """A parameter that is a factor, bare or turned."""
    if not path or not isinstance(get(side, path[:-1]), Factors):
        return False
    return isinstance(node, Weight) if bare else isinstance(node, Turned) and isinstance(node.inner, Weight)


def runs(side: Syntax) -> Iterator[tuple[Syntax, Callable[[Syntax], Syntax]]]:
    """Every part with a value or δ in it, or factors that stand together, and how another takes its place."""
    for path, node in parts(side):
        if leaves(node):
            yield node, lambda new, path=path: put(side, path, new)  # type: ignore[misc]
        if isinstance(node, Factors) and len({sign for sign, _ in node.rest}) == 1:
            sign, factors = node.rest[0][0], node.children
            filled = [number for number, factor in enumerate(factors) if leaves(factor)]
            for start in range(len(factors)):
                first = next((number for number in filled if number >= start), len(factors))
                for stop in range(max(start + 2, first + 1), len(factors) + (start > 0)):

                    def grouped(
                        new: Syntax,
                        path: Path = path,
                        factors: tuple[Syntax, ...] = factors,
                        start: int = start,
                        stop: int = stop,
                        sign: str = sign,
                    ) -> Syntax:
                        others = [*factors[:start], new, *factors[stop:]]
                        return put(side, path, Factors(others[0], tuple((sign, f) for f in others[1:])))

                    yield product(sign, factors[start:stop]), grouped


def toggled(node: Syntax) -> Syntax:
    return node.inner if isinstance(node, Turned) else Turned(node)


def turned(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """A product turned as a whole, or written in the other order."""
    for path, node in places(side):
        if isinstance(node, Factors):
            yield put(side, path, Turned(node))
    if not isinstance(side, Factors):
        yield toggled(side)


def reversed_products(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """A product in the other order, each factor turned or none."""
    for path, node in places(side):
        if isinstance(node, Factors) and all(sign in _MATRICES for sign, _ in node.rest):
            first, *rest = reversed(node.children)
            backwards = Factors(first, tuple(("@", factor) for factor in rest))
            yield put(side, path, backwards)
            yield put(side, path, transform_children(backwards, toggled))


def transform_children(node: Syntax, change: Callable[[Syntax], Syntax]) -> Syntax:
    return node.rebuild(tuple(change(child) for child in node.children))


def immediates(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """∂⁺ for ∂, at every derivative of a value by a parameter or at one."""
    found = [
        (path, n)
        for path, n in places(side)
        if isinstance(n, Slope) and isinstance(n.of, Value) and isinstance(n.by, Weight) and not n.immediate
    ]
    if len(found) > 1:
        everywhere = side
        for path, n in found:
            everywhere = put(everywhere, path, replace(n, immediate=True))
        yield everywhere
    for path, n in found:
        yield put(side, path, replace(n, immediate=True))


def immediates_of_values(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """∂⁺ for ∂, at a derivative of a value by a value."""
    for path, n in places(side):
        if isinstance(n, Slope) and isinstance(n.of, Value) and isinstance(n.by, Value) and not n.immediate:
            yield put(side, path, replace(n, immediate=True))


def totals(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """∂ for ∂⁺."""
    for path, n in places(side):
        if isinstance(n, Slope) and n.immediate:
            yield put(side, path, replace(n, immediate=False))


def objectives(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """The derivative of the whole loss for that of the loss of one step."""
    found = [(path, n) for path, n in places(side) if isinstance(n, Slope) and _of_one_step(n)]
    everywhere = side
    for path, n in found:
        everywhere = put(everywhere, path, replace(n, of=Loss()))
        yield put(side, path, replace(n, of=Loss()))
    if len(found) > 1:
        yield everywhere


def _of_one_step(node: Slope) -> bool:
    return isinstance(node.of, Loss) and node.of.index is not None


# ----------------------------------------------------------------------------- steps


def shifts(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Another step of a value or δ, a step or two away or told by another index."""
    letters = {name for n in walk(side) for index in indices(n) for name in index.names}
    letters |= {n.index for n in walk(side) if isinstance(n, Over)}
    letters |= {"t"} if "T" in letters else set()
    for leaf in dict.fromkeys(n for n in walk(side) if isinstance(n, (Value, Delta, Loss))):
        if leaf.index is None:
            continue
        near = [leaf.index.moved(by) for by in _FAR]
        near += [at(name, by) for name in sorted(letters) for by in (0, -1, 1)]
        for index in dict.fromkeys(near):
            if index != leaf.index:
                yield from exchanged(side, leaf, replace(leaf, index=index))
    for path, node in places(side):
        if isinstance(node, Over):
            for by in (1, -1):
                later = at(node.index, by)
                letter = node.index
                body = stepped(node.inner, lambda i, letter=letter, later=later: i.having(letter, later))  # type: ignore[misc]
                yield put(side, path, replace(node, inner=body))


def bounds_of_products(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """A product with a bound one away."""
    return _bounds(side, product=True)


def bounds_of_sums(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """A sum over every step, or with a bound one away."""
    return _bounds(side, product=False)


def _bounds(side: Syntax, product: bool) -> Iterator[Syntax]:
    for path, node in places(side):
        if isinstance(node, Over) and node.first is not None and node.last is not None:
            if node.product is not product:
                continue
            if not product:
                yield put(side, path, replace(node, first=None, last=None))
            for by in (1, -1):
                yield put(side, path, replace(node, first=node.first.moved(by)))
                yield put(side, path, replace(node, last=node.last.moved(by)))


def summed(side: Syntax, length: int) -> Iterator[Syntax]:
    """The sum over all steps of a formula for one step: any, or the last."""
    letters = side.free - {"T"}
    if len(letters) == 1:
        yield Over(side, next(iter(letters)))
    if not letters and not any(isinstance(n, Over) for n in walk(side)):
        numbers = {index.number for n in walk(side) for index in indices(n) if not index.names}
        for step in (length, *sorted(numbers - {length}, reverse=True)):
            yield Over(stepped(side, lambda index, step=step: _from(index, step)), "t")  # type: ignore[misc]
    for path, node in places(side):
        if isinstance(node, Over) and node.first == node.last is not None and not node.product:
            yield put(side, path, replace(node, first=None, last=None))


def _from(index: Index, step: int) -> Index:
    """t where that step stands, and what is so far from it."""
    if index.names:
        return index.having("T", at("t"))
    return at("t", index.number - step)


# ----------------------------------------------------------------------------- other names


def arguments(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """The argument of a function for its value or the reverse, and another argument of a derivative."""
    partners: dict[str, list[str]] = {}
    for value, argument in scope.activations.items():
        partners.setdefault(value, []).append(argument)
        partners.setdefault(argument, []).append(value)
    for leaf in leaves(side):
        if isinstance(leaf, Value):
            for name in partners.get(leaf.name, ()):
                yield from exchanged(side, leaf, replace(leaf, name=name), _is_scalar_work)
    for path, node in places(side):
        match node:
            case FunctionCall(
                function=outer, inner=FunctionCall(function=function, primes=0, inner=inner)
            ) if function == outer:
                yield put(side, path, replace(node, inner=inner))
            case _:
                pass
        if isinstance(node, FunctionCall) and node.primes and isinstance(node.inner, Value):
            for name in scope.values:
                if name != node.inner.name:
                    yield put(side, (*path, 0), replace(node.inner, name=name))


def _is_scalar_work(root: Syntax, path: Path) -> bool:
    """Whether the place is worked on component by component, and is no factor of a product of matrices."""
    parent = get(root, path[:-1]) if path else root
    matrices = isinstance(parent, Factors) and any(sign == "@" for sign, _ in parent.rest)
    return not matrices and not isinstance(parent, (Turned, Slope))


def weights(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Another parameter, or two of them exchanged."""
    found = list(dict.fromkeys(n for n in walk(side) if isinstance(n, Weight)))
    for old in found:
        for name in scope.parameters:
            if name != old.name:
                yield from exchanged(side, old, Weight(name))
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            swap = {one: other, other: one}
            yield transform(side, lambda n, swap=swap: swap.get(n, n))  # type: ignore[misc]


def outer_vectors(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """v uᵀ for u vᵀ."""
    for path, node in places(side):
        if isinstance(node, Factors):
            factors = node.children
            for number, (sign, _) in enumerate(node.rest):
                one, other = factors[number], factors[number + 1]
                if sign in _MATRICES and isinstance(other, Turned) and not isinstance(one, Turned):
                    swapped = put(put(node, (number,), other.inner), (number + 1,), Turned(one))
                    yield put(side, path, swapped)


def vectors(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Another value or δ at the same step or beside it."""
    found = leaves(side)
    for old in found:
        assert isinstance(old, (Value, Delta))
        for kind in (type(old), Value, Delta):
            for name in scope.values:
                for by in (0, -1, 1):
                    new = kind(name, old.index.moved(by))
                    if new != old and not (kind is Delta and name == "y"):
                        yield from exchanged(side, old, new)
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            swap = {one: other, other: one}
            if type(one) is type(other):
                yield transform(side, lambda n, swap=swap: swap.get(n, n))  # type: ignore[misc]
