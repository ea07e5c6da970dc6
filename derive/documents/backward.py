"""Back-propagation through time as a document: δ with its base case and recurrence, and the gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import sympy

from chalkgrad.derive.choices import Layout
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.claims.formula import (
    Constant,
    Formula,
    Laid,
    Local,
    Loss,
    Of,
    OverTime,
    Partial,
    Plus,
    Product,
    Turned,
    Values,
    Weights,
)
from chalkgrad.derive.claims.formula import Gradient as GradientOf
from chalkgrad.derive.deriving.derivation import LOSS, OUTSIDE, Derivation, Gradient, Phase, Sum, Term
from chalkgrad.derive.deriving.timeline import Stretch, stretches
from chalkgrad.derive.documents.factors import source, sum_formula, term_formula
from chalkgrad.derive.documents.pieces import (
    Over,
    called,
    gradient_shape,
    over,
    pairing,
    paragraph,
    rules,
    steps,
)
from chalkgrad.derive.documents.stated import objective_name, parameter_names
from chalkgrad.derive.documents.tree import Block, Equations, Inline, Line, Paragraph, Remark, Section
from chalkgrad.derive.terms.algebra import Expr, Map, Parameter, Role, StepLike, Symbol, exact
from chalkgrad.derive.terms.trees import walk
from chalkgrad.derive.writing.expressions import symbol_node, t
from chalkgrad.derive.writing.formulas import formula_node
from chalkgrad.derive.writing.tree import (
    EQUALS,
    Derivative,
    Fence,
    Ident,
    Name,
    Node,
    Number,
    Objective,
    Op,
    When,
    row,
)

Said = tuple[str, StepLike, StepLike, tuple[Term, ...]]  # of a value: at which steps, and the terms


def delta(target: Symbol, step: StepLike, layout: Layout) -> Formula:
    """δ of a value, a column or, in numerator layout, a row."""
    of = Of(Symbol(target.name, target.shape, 0, Role.COTANGENT), step)
    return Laid(of) if layout == "jacobian" and target.shape else of


class Backward:
    """The sections of a derivation in one layout, towards the loss or what is brought from outside."""

    def __init__(self, derivation: Derivation, layout: Layout, towards: str) -> None:
        self.derivation = derivation.towards(towards)
        self.whole, self.layout, self.towards = derivation, layout, towards
        self.names, self.objective = parameter_names(derivation), objective_name(derivation)

    def node(self, formula: Formula) -> Node:
        return formula_node(formula, self.objective)

    def claim(self, left: Formula, right: Formula, where: Over, flat: bool = False) -> Equality:
        return Equality(left, right, where, flat=flat, towards=self.towards)

    def shape(self, target: Symbol | Parameter) -> Node:
        """Of a gradient: the shape of what it is by, turned in numerator layout."""
        return gradient_shape(target.shape, self.layout)

    # ------------------------------------------------------------------------- δ

    def section(self) -> Section:
        """δ of every value, the last step first."""
        blocks: list[Block] = [self._told(), *self.recurrences()]
        blocks += indicators(x.expr for p in self.derivation.phases for e in p.adjoint for x in e.terms)
        return Section("backward", "Backward: the recurrence", tuple(blocks))

    def recurrences(self, shown: Callable[[Said], bool] = lambda said: True) -> Iterator[Block]:
        """A block for every value, the last phase first, of the equations that are to be shown."""
        runs = stretches(self.derivation)
        for phase, all_of_it in reversed(list(zip(self.derivation.phases, runs, strict=True))):
            found = [s for s in all_of_it if shown(_said(s))]
            if found:
                where = steps(phase.segment.first, phase.segment.last, backwards=True)
                yield paragraph(f"{phase.segment.label.capitalize()}, {{}}:", where)
            for target in dict.fromkeys(s.target for s in found):
                own = [s for s in found if s.target == target]
                yield Equations(tuple(line for s in own for line in self.lines(phase, s)), answer=True)

    def _told(self) -> Paragraph:
        last, v = self.derivation.schedule.length, Ident("v")
        zero = row(Name("v", t, Role.COTANGENT), EQUALS, Number("0"))
        loss: Inline = "the loss" if self.whole.loss is not None else Objective(self.objective)
        return paragraph(
            "What {} at step {} does to {} goes through every equation that reads it: one that gives {} "
            "adds what its own immediate derivative makes of {}. No step follows the last one: {} for {}, "
            "which is the base case; from there the recurrence goes down to step 1.",
            v,
            When(t),
            loss,
            Ident("u"),
            Name("u", None, Role.COTANGENT),
            zero,
            row(When(t), Op(">"), When(last)),
        )

    def lines(self, phase: Phase, stretch: Stretch) -> Iterator[Line]:
        """From the sum over paths to what it is."""
        step, target = called(stretch.first, stretch.last), stretch.target
        where, terms = over(stretch.first, stretch.last), [a.term for a in stretch.arrivals]
        left = delta(target, step, self.layout)
        shape = self.shape(target)
        if not terms:
            yield Line(
                self.node(left),
                Number("0"),
                shape=shape,
                equality=self.claim(left, self._zero(target), where),
                where=self._where(phase, stretch),
                rule=("no equation reads it",),
            )
            return
        paths = self.paths(target, terms, step)
        first = self.node(left)
        if paths is not None:
            reads = "chain rule" if len(terms) == 1 else "chain rule, a sum over its readers"
            yield Line(
                first,
                self.node(paths),
                rule=(reads,),
                where=self._where(phase, stretch),
                shape=shape,
                equality=self.claim(left, paths, where),
            )
        worked = plus([term_formula(x, step, self.layout) for x in terms])
        yield Line(
            None if paths is not None else first,
            self.node(worked),
            numbers=stretch.numbers,
            rule=rules((x.rule for x in terms), self.names),
            shape=shape,
            where=() if paths is not None else self._where(phase, stretch),
            equality=self.claim(left, worked, where),
        )

    def _zero(self, of: Symbol | Parameter) -> Formula:
        """Of the shape of a gradient."""
        zero = Constant(sympy.Integer(0), of.shape)
        return Laid(zero) if self.layout == "jacobian" and of.shape else zero

    def _where(self, phase: Phase, stretch: Stretch) -> tuple[Inline, ...]:
        segment, length = phase.segment, self.derivation.schedule.length
        shown = steps(stretch.first, stretch.last, backwards=True)
        recurs = any(a.term.lag for a in stretch.arrivals)
        if (stretch.first, stretch.last) == (segment.first, segment.last) and not recurs:
            return (shown,)
        if recurs:
            return ("recurrence, ", shown)
        return ("base case, ", shown) if stretch.last == length else (shown,)

    def paths(self, target: Symbol, terms: Sequence[Term], step: StepLike) -> Formula | None:
        """Σ over the equations that read the value: (∂⁺u/∂v)ᵀ δ_u; None where it comes from outside."""
        pieces: list[Formula] = []
        known: set[tuple[str, int]] = set()
        for term in terms:
            if term.seed == OUTSIDE:
                return None
            start = source(term.expr)
            name = self.objective if start is None else start.name
            if (name, term.lag) in known:
                continue
            known.add((name, term.lag))
            later = exact(step) + term.lag
            local = Local(name, later, target.name, step)
            if start is None:
                pieces.append(local if self.layout == "jacobian" else Turned(local))
            else:
                cotangent = delta(start, later, self.layout)
                both = (cotangent, local) if self.layout == "jacobian" else (Turned(local), cotangent)
                pieces.append(Product(both))
        return plus(pieces)

    # ------------------------------------------------------------------------- gradients

    def gradients(self, wrt: Sequence[str] | None = None) -> Section:
        """Sums over time, a block for each parameter, then the input and the initial states."""
        entering = Derivative(Objective(self.objective), Ident("W"))
        told = paragraph(
            "A parameter is the same at every step, so its total derivative {} is a sum over all the "
            "steps at which it enters.",
            entering,
        )
        every = self.whole.gradients
        shown = list(every.values()) if wrt is None else [every[name] for name in dict.fromkeys(wrt)]
        blocks = [Equations(tuple(self.gradient(g)), answer=True) for g in shown]
        return Section("gradients", "The gradients: sums over time", (told, *blocks))

    def gradient(self, gradient: Gradient) -> Iterator[Line]:
        """The lines about one gradient."""
        match gradient.of:
            case Parameter() as of:
                yield from self._parameter(gradient, of)
            case Symbol(name=name) as of if name == gradient.name:
                yield from self._input(gradient, of)
            case Symbol() as of:
                yield from self._initial(gradient, of)
            case _:
                raise TypeError(f"no gradient for {gradient.of}")

    def _parameter(self, gradient: Gradient, of: Parameter) -> Iterator[Line]:
        left = GradientOf(of.name, self.layout == "jacobian" and bool(of.shape))
        first, shape = self.node(left), self.shape(of)
        runs = _runs(self.derivation, gradient)
        if not runs:
            yield Line(
                first,
                Number("0"),
                shape=shape,
                rule=("it does not enter",),
                numbers=(gradient.number,),
                equality=self.claim(left, self._zero(of), ()),
            )
            return
        through = plus([self._entering(start, stop, parts, of) for start, stop, parts in runs])
        flat = self.claim(Partial(Loss(), Weights(of.name)), through, (), flat=True)
        yield Line(
            first,
            self.node(through),
            rule=("chain rule, a sum over the steps",),
            equality=flat,
        )
        worked = plus([self._summed(start, stop, parts) for start, stop, parts in runs])
        yield Line(
            None,
            self.node(worked),
            numbers=(gradient.number,),
            shape=shape,
            rule=rules((s.rule for s in gradient.sums), self.names),
            equality=self.claim(left, worked, ()),
        )

    def _entering(self, first: StepLike, last: StepLike, parts: Sequence[Sum], of: Parameter) -> Formula:
        """Σ ∂L/∂u⟨t⟩ ∂⁺u⟨t⟩/∂W over the equations of u that read W."""
        step, pieces = called(first, last), []
        for name in dict.fromkeys(_reader(s, self.objective) for s in parts):
            local = Local(name, step, of.name, None)
            loss = Partial(Loss(), Values((name,), step))
            pieces.append(local if name == self.objective else Product((loss, local)))
        body = plus(pieces)
        return body if first == last else OverTime(t, first, last, body)

    def _summed(self, first: StepLike, last: StepLike, parts: Sequence[Sum]) -> Formula:
        body = plus([sum_formula(s, called(first, last), self.layout) for s in parts])
        return body if first == last else OverTime(t, first, last, body)

    def _input(self, gradient: Gradient, of: Symbol) -> Iterator[Line]:
        """The gradient of the input at every step that has one."""
        start, count = self.derivation.schedule.x_steps
        late = [s for s in gradient.sums if self.derivation.phases[s.phase].segment.readout]
        main = [s for s in gradient.sums if s not in late]
        ranges = [(start + 1, start + count, main)]
        if late:
            last = self.derivation.phases[late[0].phase].segment.first
            ranges = [(start + 1, last - 1, main), (last, last, [*main, *late])]
        for first, final, sums in ranges:
            step, left = called(first, final), delta(of, called(first, final), self.layout)
            parts = [term_formula(Term(s.expr, s.rule), step, self.layout) for s in sums]
            right = plus(parts) if parts else self._zero(of)
            yield Line(
                Derivative(Objective(self.objective), symbol_node(of, step)),
                self.node(right) if parts else Number("0"),
                numbers=(gradient.number,),
                rule=rules((s.rule for s in sums), self.names),
                where=(steps(first, final),),
                shape=self.shape(of),
                equality=self.claim(left, right, over(first, final)),
            )

    def _initial(self, gradient: Gradient, of: Symbol) -> Iterator[Line]:
        """What step 1 hands back to the state before it."""
        parts = [term_formula(Term(s.expr, s.rule), 1, self.layout) for s in gradient.sums]
        left = delta(of, 0, self.layout)
        yield Line(
            Derivative(Objective(self.objective), symbol_node(of, 0)),
            self.node(plus(parts)) if parts else Number("0"),
            numbers=(gradient.number,),
            rule=rules((s.rule for s in gradient.sums), self.names),
            shape=self.shape(of),
            equality=self.claim(left, plus(parts) if parts else self._zero(of), ()),
        )


def outside_section(derivation: Derivation, layout: Layout) -> Section | None:
    """The equations of a vector–Jacobian product that differ from those of the loss."""
    way, known = Backward(derivation, layout, OUTSIDE), _known(derivation)
    x = derivation.schedule.x.name
    alike = {name: gradient.sums for name, gradient in derivation.gradients.items()}
    others = _from_outside(derivation)
    more = [g for name, g in others.items() if name != x and g.sums != alike[name]]
    blocks = list(way.recurrences(lambda said: said not in known))
    blocks += [Equations(tuple(way.gradient(g)), answer=True) for g in more]
    if not blocks:
        return None
    told = paragraph(
        "Whoever asks for a vector–Jacobian product brings a cotangent {} for an output or a state in place "
        "of a loss; {} then stands for {}, whose derivative {} is, and what is brought is added where it "
        "arrives. Equations that are not repeated here are those above.",
        Name("v", t, Role.EXTERNAL),
        Objective(way.objective),
        pairing(),
        Name("v", t, Role.COTANGENT),
    )
    return Section("outside", "With a cotangent from outside", (told, *blocks))


def shared_section(derivation: Derivation, layout: Layout) -> Section:
    """What a vector–Jacobian product and the loss have in common, as said of the former: for the check."""
    way, known = Backward(derivation, layout, OUTSIDE), _known(derivation)
    gradients = [Equations(tuple(way.gradient(g))) for g in _from_outside(derivation).values()]
    return Section("shared", "Shared", (*way.recurrences(lambda said: said in known), *gradients))


def _known(derivation: Derivation) -> set[Said]:
    """The equations of the loss."""
    return {_said(s) for found in stretches(derivation.towards(LOSS)) for s in found}


def _from_outside(derivation: Derivation) -> Mapping[str, Gradient]:
    """The gradients that a cotangent from outside has."""
    return replace(derivation, loss=None).gradients


def _said(stretch: Stretch) -> Said:
    """What the equation of a stretch says, and where."""
    return stretch.target.name, stretch.first, stretch.last, tuple(a.term for a in stretch.arrivals)


def plus(terms: Sequence[Formula]) -> Formula:
    return terms[0] if len(terms) == 1 else Plus(tuple(terms))


def _reader(part: Sum, objective: str) -> str:
    """The value whose equation reads the parameter."""
    start = source(part.expr)
    return objective if start is None else start.name


def _runs(derivation: Derivation, gradient: Gradient) -> list[tuple[StepLike, StepLike, list[Sum]]]:
    """The steps that use a parameter; runs that touch and add the same thing are one."""
    ranges: dict[Expr, list[tuple[StepLike, StepLike]]] = {}
    for item in gradient.sums:
        segment = derivation.phases[item.phase].segment
        runs = ranges.setdefault(item.expr, [])
        if runs and runs[-1][1] + 1 == segment.first:
            runs[-1] = (runs[-1][0], segment.last)
        else:
            runs.append((segment.first, segment.last))
    parts = {s.expr: s for s in gradient.sums}
    together: dict[tuple[StepLike, StepLike], list[Sum]] = {}
    for expr, found in ranges.items():
        for run in found:
            together.setdefault(run, []).append(parts[expr])
    return [(first, last, sums) for (first, last), sums in together.items()]


def indicators(exprs: Iterable[Expr]) -> list[Block]:
    """What 1[z > 0] means, where it occurs."""
    nodes = (node for expr in exprs for node in walk(expr) if isinstance(node, Map))
    steps_ = (p for node in nodes for p in node.body.atoms(sympy.Piecewise))
    if not any([value for value, _ in p.args] == [0, 1] for p in steps_):
        return []
    z, zero = Ident("z"), Number("0")
    indicator = row(Ident("1", "bold"), Fence(row(z, Op(">"), zero), "[]"))
    positive, at_zero = row(z, Op(">"), zero), row(z, EQUALS, zero)
    told = paragraph("{} is 1 where {} and 0 elsewhere, at {} too.", indicator, positive, at_zero)
    return [Remark("remark", (told,))]
