"""The factors of the chain rule worked out, as Jacobians read back from the adjoint equations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy

from derive.adjoint import pull
from derive.algebra import Expr, Map, Parameter, Symbol, constant
from derive.chain import Chain
from derive.derivation import Phase
from derive.jacobian import (
    Column,
    Diagonal,
    Edge,
    Factor,
    Move,
    Number,
    Product,
    Weight,
    count_paths,
    edges,
    parameter_edges,
    parameter_paths,
    paths,
)
from derive.latex import partial_latex
from derive.latex_expr import expr_tex, parameter_latex, symbol_latex, transposed_latex
from derive.latex_page import Row
from derive.latex_scalar import Level, Tex, joined, name_latex, number_latex, parenthesised
from derive.loss import documented
from derive.unfold import inlined, summed

MOST_PATHS = 12  # more ways than this through one step are told line by line
_j, _k = sympy.Symbol("j", integer=True), sympy.Symbol("k", integer=True)

Stacked = Callable[[sympy.Expr | int], str]


def factor_rows(chain: Chain, stacked: Stacked) -> list[list[Row]]:
    """The factors of the chain, in groups: of the loss, of one step, of the parameter within one step.

    stacked: a step → the LaTeX of s there.
    """
    groups = [_loss_rows(chain, stacked)]
    if chain.terms:
        first = chain.terms[-1].k
        for steps, phases in _runs(chain, range(first + 1, chain.loss_step + 1)):
            groups.append(_step_rows(_Step(chain, phases, steps, _j, stacked)))
        for steps, phases in _runs(chain, sorted(term.k for term in chain.terms)):
            groups.append(_parameter_rows(_Step(chain, phases, steps, _k, stacked)))
    return groups


# ----------------------------------------------------------------------------- of the loss


def _loss_rows(chain: Chain, stacked: Stacked) -> list[Row]:
    """∂L/∂ŷ from the documented formula, then ∂ŷ/∂s where ŷ is no component of s, and ∂L/∂s."""
    derivation, step = chain.derivation, chain.loss_step
    kind, y = derivation.model.loss, derivation.schedule.y
    assert derivation.loss is not None and y is not None and kind is not None
    loss, here = symbol_latex(derivation.loss, step), stacked(step)
    yhat = next(f.target for p in derivation.phases for f in p.forward if f.target.name == "yhat")
    pulled = pull(documented(kind, yhat, y), constant(1), derivation.loss)
    parts = [p.contribution for p in pulled if p.leaf == yhat]
    output = symbol_latex(yhat, step)
    rows = [Row(partial_latex(loss, output), _row_vector(summed(tuple(parts)), step))]
    if yhat in chain.through:
        blocks = [partial_latex(loss, output) if s == yhat else "0" for s in chain.through]
        return rows if len(blocks) == 1 else [*rows, Row(partial_latex(loss, here), _matrix([blocks]))]
    names = {s.name for s in chain.through}
    graph = edges(phase for _, phase in _full(chain, step))
    inside = {name: [e for e in group if not e.lag] for name, group in graph.items() if name not in names}
    ways = [_block(list(_ways_to(inside, "yhat", s.name)), step, _unit(s)) for s in chain.through]
    rows.append(Row(partial_latex(output, here), _matrix([ways])))
    return [*rows, Row(partial_latex(loss, here), _matrix([_slopes(chain, names)]))]


def _slopes(chain: Chain, names: Collection[str]) -> list[str]:
    """∂L/∂s for s without ŷ, one component after the other, through the output alone."""
    found = chain.unfolded.cotangents(stop=names)
    slopes = []
    for component in chain.through:
        terms = found.get((component.name, chain.loss_step), ())
        inner = tuple(inlined(term, found, ()) for term in terms)
        slopes.append(_row_vector(summed(inner), 0) if inner else "0")
    return slopes


def _row_vector(expr: Expr, step: int) -> str:
    """A gradient as the row that a derivative of a scalar is."""
    text = expr_tex(expr, step).text
    return rf"{parenthesised(text)}^{{\top}}" if expr.shape else text


def _ways_to(graph: Mapping[str, Sequence[Edge]], start: str, end: str) -> Iterable[Product]:
    for edge in graph.get(start, ()):
        if edge.target == end:
            yield edge.factors
        else:
            for rest in _ways_to(graph, edge.target, end):
                yield edge.factors + rest


# ----------------------------------------------------------------------------- of one step


@dataclass(frozen=True)
class _Step:
    """A run of steps that one set of phases computes, called by `name` where there are several."""

    chain: Chain
    phases: tuple[tuple[int, Phase], ...]
    steps: tuple[int, ...]
    name: sympy.Expr
    stacked: Stacked

    @property
    def at(self) -> sympy.Expr | int:
        return self.steps[0] if len(self.steps) == 1 else self.name

    @property
    def graph(self) -> dict[str, tuple[Edge, ...]]:
        return edges(phase for _, phase in self.phases)

    @property
    def remark(self) -> str:
        if len(self.steps) == 1:
            return ""
        shown = [str(step) for step in self.steps]
        listed = shown if len(shown) < 4 else [shown[0], r"\ldots", shown[-1]]
        return f"{self.name} = {', '.join(listed)}"

    @property
    def symbols(self) -> list[Symbol]:
        """What the step computes, in order."""
        return [f.target for _, phase in self.phases for f in phase.forward]


def _full(chain: Chain, step: int) -> tuple[tuple[int, Phase], ...]:
    """The phases that compute at `step`, with the adjoint equation of ŷ that the loss can do without."""
    return tuple((index, chain.derivation.phases[index]) for index, _ in chain.unfolded.active(step))


def _runs(chain: Chain, steps: Iterable[int]) -> list[tuple[tuple[int, ...], tuple[tuple[int, Phase], ...]]]:
    """The steps grouped by the phases that compute them."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for step in steps:
        groups.setdefault(tuple(index for index, _ in _full(chain, step)), []).append(step)
    return [(tuple(group), _full(chain, group[0])) for group in groups.values()]


def _step_rows(step: _Step) -> list[Row]:
    """∂s⟨j⟩/∂s⟨j−1⟩; of several components every block, named by its row and column."""
    through, graph, at = step.chain.through, step.graph, step.at
    left = partial_latex(step.stacked(at), step.stacked(at - 1))
    if sum(count_paths(graph, s.name) for s in through) > MOST_PATHS * len(through):
        return _step_lines(step)
    rows = []
    for u in through:
        ways = list(paths(graph, u.name))
        for v in through:
            block = _block([p.factors for p in ways if p.leaf == v.name], at, _unit(u))
            place = rf"_{{{name_latex(u.name)},\,{name_latex(v.name)}}}"
            shown = left if len(through) == 1 else rf"\left[ {left} \right]{place}"
            rows.append(Row(shown, block, (), step.remark))
    return rows


def _step_lines(step: _Step) -> list[Row]:
    """The same, one value of the step after the other."""
    graph, at, rows = step.graph, step.at, []
    by, alone = step.stacked(at - 1), len(step.chain.through) == 1
    below = {s.name: s for s in step.symbols}
    before = {s.name: symbol_latex(s, at - 1) for s in step.chain.through}
    for value in _needed(step, list(graph)):
        terms = []
        for edge in graph.get(value.name, ()):
            if edge.lag:
                tail = [] if alone else [partial_latex(before[edge.target], by)]
            else:
                if edge.target not in below:
                    continue
                tail = [partial_latex(symbol_latex(below[edge.target], at), by)]
            terms.append(_product_latex(edge.factors, at, tail))
        rows.append(Row(partial_latex(symbol_latex(value, at), by), _added(terms), (), step.remark))
    return rows


def _needed(step: _Step, sources: Sequence[str]) -> list[Symbol]:
    """The values of the step from which s follows, in the order of computation."""
    graph, wanted = step.graph, [s.name for s in step.chain.through]
    for name in wanted:
        wanted.extend(e.target for e in graph.get(name, ()) if not e.lag and e.target not in wanted)
    return [s for s in step.symbols if s.name in wanted]


def _matrix(blocks: Sequence[Sequence[str]]) -> str:
    if len(blocks) == len(blocks[0]) == 1:
        return blocks[0][0]
    rows = r" \\ ".join(" & ".join(row) for row in blocks)
    return rf"\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def _block(ways: Sequence[Product], at: sympy.Expr | int, unit: str) -> str:
    return _added([_product_latex(way, at, unit=unit) for way in ways])


def _added(terms: Sequence[str]) -> str:
    """The sum, positive terms first."""
    return joined(sorted(terms, key=lambda term: term.startswith("-"))) if terms else "0"


def _unit(symbol: Symbol) -> str:
    return "I" if symbol.shape else "1"


# ----------------------------------------------------------------------------- of the parameter


def _parameter_rows(step: _Step) -> list[Row]:
    """∂⁺s⟨k⟩/∂W applied to a small change dW, a line for every component."""
    graph, at, chain = step.graph, step.at, step.chain
    entries = parameter_edges(chain.gradient, [index for index, _ in step.phases])
    by, moved = parameter_latex(chain.parameter.name), _moved_latex(chain.parameter)
    if sum(count_paths(graph, s.name) for s in chain.through) > MOST_PATHS * len(chain.through):
        return _parameter_lines(step, entries)
    rows = []
    for component in chain.through:
        ways = [_product_latex(way, at) for way in parameter_paths(graph, entries, component.name)]
        left = rf"{_immediate(symbol_latex(component, at), by)}\,{moved}"
        rows.append(Row(left, _added(ways), (), step.remark))
    return rows


def _parameter_lines(step: _Step, entries: Mapping[str, Sequence[Product]]) -> list[Row]:
    graph, at, rows = step.graph, step.at, []
    by, moved = parameter_latex(step.chain.parameter.name), _moved_latex(step.chain.parameter)
    known = {s.name: s for s in step.symbols}
    for value in _needed(step, list(graph)):
        terms = [_product_latex(way, at) for way in entries.get(value.name, ())]
        for edge in graph.get(value.name, ()):
            if not edge.lag and edge.target in known:
                tail = rf"{_immediate(symbol_latex(known[edge.target], at), by)}\,{moved}"
                terms.append(_product_latex(edge.factors, at, [tail]))
        left = rf"{_immediate(symbol_latex(value, at), by)}\,{moved}"
        rows.append(Row(left, _added(terms), (), step.remark))
    return rows


def _immediate(of: str, by: str) -> str:
    return rf"\frac{{\partial^{{+}} {of}}}{{\partial {by}}}"


def _moved_latex(parameter: Parameter, transposed: bool = False) -> str:
    name = rf"(\mathrm{{d}}{parameter_latex(parameter.name)})"
    return rf"{name}^{{\top}}" if transposed else name


# ----------------------------------------------------------------------------- products


def _product_latex(factors: Product, at: sympy.Expr | int, tail: Sequence[str] = (), unit: str = "I") -> str:
    """The factors side by side, a sign and numbers in front; scalars alone stand before the unit matrix."""
    sign, size = 1, sympy.Integer(1)
    pieces = []
    for factor in factors:
        if isinstance(factor, Number):
            sign, size = sign * (-1 if factor.value < 0 else 1), size * abs(factor.value)
        else:
            pieces.append(_factor_latex(factor, at))
    front = [] if size == 1 else [number_latex(sympy.Rational(size))]
    front += [piece.text for piece in pieces if not piece.vector]
    body = [piece.text for piece in pieces if piece.vector] + list(tail)
    if not body and (unit == "I" or not front):
        body = [unit]
    return ("-" if sign < 0 else "") + r"\,".join([*front, " ".join(body)] if body else front)


def _factor_latex(factor: Factor, at: sympy.Expr | int) -> Tex:
    """A factor; `vector` says that it is more than a scalar."""
    match factor:
        case Diagonal(expr=expr):
            shown = expr_tex(expr, at)
            if not _spreads(expr):
                return Tex(rf"\operatorname{{diag}}{parenthesised(shown.text)}", vector=True)
            return Tex(shown.at(Level.ATOM))
        case Weight(matrix=matrix, transposed=transposed):
            return Tex(transposed_latex(matrix) if transposed else parameter_latex(matrix.name), vector=True)
        case Column(expr=expr, row=row):
            shown = expr_tex(expr, at)
            text = parenthesised(shown.text) if row else shown.at(Level.ATOM)
            if _spreads(expr):
                text = r"\mathbf{1}" if shown.text == "1" else rf"{shown.at(Level.ATOM)}\,\mathbf{{1}}"
            return Tex(rf"{text}^{{\top}}" if row else text, vector=True)
        case Move(parameter=parameter, transposed=transposed):
            return Tex(_moved_latex(parameter, transposed), vector=True)
        case _:
            raise TypeError(f"no LaTeX for {type(factor).__name__}")


def _spreads(expr: Expr) -> bool:
    """Whether the same number stands in every component."""
    return not expr.shape or (isinstance(expr, Map) and not any(a.shape for a in expr.args))
