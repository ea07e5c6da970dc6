"""Back-propagation through time, derived: `bptt(model)` gives every equation with the rule that made it.

The forward equations of a step are a list of named values; the adjoint walks that list backwards. The
derivation of one step is the derivation of all: T, the batch and all sizes stay symbolic. What is
printed here is what the code generator consumes.

Equations are of three kinds:

    Forward    v[t] = …
    Adjoint    delta_v[t] = dL/dv[t] = Σ terms; a term with lag 1 comes through step t + 1 and is missing
               at the last step (the boundary of the recurrence)
    Gradient   dL/dW = Σ over the steps that use W
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from chalkgrad.derive.cells.model import YHAT, Model
from chalkgrad.derive.deriving.adjoint import pull
from chalkgrad.derive.deriving.architecture import Schedule, Segment, schedule
from chalkgrad.derive.deriving.loss import loss_steps
from chalkgrad.derive.deriving.reuse import Stored, reuse
from chalkgrad.derive.deriving.steps import Namer, Step, name_steps
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.showing import Gradients, Shown
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    Parameter,
    Reduce,
    Role,
    Shape,
    Symbol,
    constant,
    shifted,
    symbols,
)
from chalkgrad.derive.terms.trees import transform

LOSS, OUTSIDE = "loss", "outside"
Key = tuple[str, str]  # the phase of a cotangent, "" for all of them, and its name


@dataclass(frozen=True, repr=False)
class Forward(Shown):
    """(number) target[t] = value."""

    number: int
    target: Symbol
    value: Expr
    rule: str


@dataclass(frozen=True, repr=False)
class Term(Shown):
    """One path along which a cotangent arrives.

    `expr` is written at the step of the consumer: step t for lag 0, step t + 1 for lag 1. `seed` is
    "loss" where the path starts at the loss, "outside" where the caller brings the cotangent, else "".
    """

    expr: Expr
    rule: str
    lag: int = 0
    seed: str = ""

    @property
    def at_t(self) -> Expr:
        """The term as it stands in the equation for step t."""
        return shifted(self.expr, self.lag)


@dataclass(frozen=True, repr=False)
class Adjoint(Shown):
    """(number) delta_target[t] = Σ terms."""

    number: int
    target: Symbol
    terms: tuple[Term, ...]

    def through(self, lag: int) -> tuple[Term, ...]:
        """The terms that come through step t + lag."""
        return tuple(term for term in self.terms if term.lag == lag)

    @property
    def rule(self) -> str:
        paths = {1: "one path", 2: "sum of two paths", 3: "sum of three paths"}
        return paths.get(len(self.terms), f"sum of {len(self.terms)} paths")


@dataclass(frozen=True, repr=False)
class Sum(Shown):
    """Σ of `expr` over the steps of phase `phase`. `seed` as in Term."""

    phase: int
    expr: Expr
    rule: str
    seed: str = ""


@dataclass(frozen=True, repr=False)
class Gradient(Shown):
    """(number) dL/dname = Σ sums; `of` is a parameter, the input x at step t, or a state at step 0."""

    number: int
    name: str
    of: Parameter | Symbol
    sums: tuple[Sum, ...]

    @property
    def shape(self) -> Shape:
        return self.of.shape


@dataclass(frozen=True)
class Phase:
    """One segment of the schedule with its equations, in the order in which they are computed."""

    segment: Segment
    forward: tuple[Forward, ...]
    adjoint: tuple[Adjoint, ...]

    @property
    def backward(self) -> Iterator[tuple[Adjoint, Term]]:
        """Every term with its equation, in the order in which a step is walked back.

        What arrives at the step itself comes before what goes to the step before, which reads it.
        """
        for lag in (0, 1):
            yield from ((e, term) for e in self.adjoint for term in e.through(lag))


@dataclass(frozen=True)
class Derivation(Shown):
    """Everything that back-propagation through time says about a model.

    `phases` follow the schedule. Each phase's adjoint has the terms of both objectives, the loss and a
    cotangent from outside; `towards` keeps one of them. `parameter_gradients` sum over all phases.
    """

    model: Model
    schedule: Schedule
    phases: tuple[Phase, ...]
    parameter_gradients: tuple[Gradient, ...]
    loss: Symbol | None

    def __repr__(self) -> str:
        return f"<Derivation of {self.model!r}>"

    def towards(self, objective: str) -> Derivation:
        """The derivation for one objective, "loss" or "outside": what has no path to it is gone."""
        live = self._live(objective)

        def alive(item: Term | Sum, index: int) -> bool:
            return item.seed == objective if item.seed else self._reads(item.expr, index) <= live

        phases = tuple(
            replace(
                phase,
                adjoint=tuple(
                    replace(e, terms=terms)
                    for e in phase.adjoint
                    if (terms := tuple(t for t in e.terms if alive(t, index)))
                ),
            )
            for index, phase in enumerate(self.phases)
        )
        gradients = tuple(
            replace(g, sums=tuple(s for s in g.sums if alive(s, s.phase))) for g in self.parameter_gradients
        )
        return replace(self, phases=phases, parameter_gradients=gradients)

    @cached_property
    def carried(self) -> frozenset[str]:
        """The values that a step reads from the step before: the states, and an output that is fed back."""
        reads = (s for p in self.phases for e in p.forward for s in symbols(e.value))
        return frozenset(s.name for s in reads if s.lag) | {s.name for s in self.schedule.states}

    @cached_property
    def _computed(self) -> tuple[frozenset[str], ...]:
        """The names that each phase computes."""
        return tuple(frozenset(e.target.name for e in phase.forward) for phase in self.phases)

    def _key(self, symbol: Symbol, index: int) -> Key:
        """Cotangents are told apart by phase, but for those that pass from one to another."""
        if symbol.name in self.carried:
            return ("", symbol.name)
        if self.phases[index].segment.readout and symbol.name not in self._computed[index]:
            index -= 1  # a readout reads what the step before it has computed
        return (str(index), symbol.name)

    def _reads(self, expr: Expr, index: int) -> set[Key]:
        return {self._key(s, index) for s in symbols(expr) if s.role is Role.COTANGENT}

    def _live(self, objective: str) -> set[Key]:
        """The cotangents with a term all of which has a path to the objective."""
        waiting: dict[Key, list[tuple[set[Key], Key]]] = {}  # what a term still waits for, and its target
        reached: list[Key] = []
        for index, phase in enumerate(self.phases):
            for e in phase.adjoint:
                for term in e.terms:
                    if term.seed not in ("", objective):
                        continue
                    target, due = self._key(e.target, index), self._reads(term.expr, index)
                    if term.seed or not due:
                        reached.append(target)
                        continue
                    for key in due:
                        waiting.setdefault(key, []).append((due, target))
        live: set[Key] = set()
        while reached:
            live.add(key := reached.pop())
            for due, target in waiting.pop(key, ()):
                due.discard(key)
                if not due:
                    reached.append(target)
        return live

    @cached_property
    def gradients(self) -> Gradients[Gradient]:
        """name → equation, of the loss: for parameters, `x` (at every step) and initial states `a0`."""
        derivation = self.towards(LOSS) if self.loss is not None else self.towards(OUTSIDE)
        found = {g.name: g for g in derivation.parameter_gradients}
        numbers = [e.number for p in self.phases for e in p.forward]
        numbers += [e.number for p in self.phases for e in p.adjoint]
        number = max([*numbers, *(g.number for g in self.parameter_gradients)])
        x = self.schedule.x
        sums = tuple(
            Sum(i, term.expr, term.rule)
            for i, phase in enumerate(derivation.phases)
            for e in phase.adjoint
            if e.target.name == x.name
            for term in e.terms
        )
        found["x"] = Gradient(number + 1, "x", x, sums)
        for n, state in enumerate(self.schedule.states, start=2):
            name = f"{state.name}0"
            first = next(e.terms for e in _of(state, derivation.phases[:1])) if derivation.phases else ()
            at_start = tuple(Sum(0, t.expr, t.rule) for t in first if t.lag)
            found[name] = Gradient(number + n, name, state, at_start)
        return Gradients(self, found)


def _of(state: Symbol, phases: Iterable[Phase]) -> Iterable[Adjoint]:
    found = [e for p in phases for e in p.adjoint if e.target.name == state.name]
    return found or [Adjoint(0, state, ())]


# ----------------------------------------------------------------------------- deriving


def derived(model: Model | Derivation) -> Derivation:
    """The derivation of a model; a derivation as it is. Raises ChoiceError for anything else."""
    return model if isinstance(model, Derivation) else bptt(model)


def bptt(model: Model) -> Derivation:
    """Derive the gradients of back-propagation through time, T and all sizes symbolic.

    Raises DerivationError for an architecture that the model cannot have (no output, or a scalar one
    that is to be fed back), ChoiceError for what is not a Model.
    """
    if not isinstance(model, Model):
        raise ChoiceError("model", "a Model, which load gives", model)
    plan = schedule(model)
    taken = {d.name for s in plan.segments for d in s.definitions} | {s.name for s in plan.states}
    taken |= {p.name for p in model.parameters} | {p.name for p in plan.parameters}
    taken |= {"x", "y", YHAT} | set(model.sizes)
    steps, loss = _forward(plan, model, taken)
    drafts = [_Draft(segment, own, plan, loss) for segment, own in steps]
    return _numbered(model, plan, drafts, loss)


def _forward(
    plan: Schedule, model: Model, taken: set[str]
) -> tuple[list[tuple[Segment, tuple[Step, ...]]], Symbol | None]:
    """The steps of every segment, the loss last where there is an output."""
    result = []
    loss: Symbol | None = None
    for segment in plan.segments:
        namer = Namer(taken)  # the same names in every segment: it is one trajectory
        steps = name_steps(segment.definitions, namer)
        if segment.definitions and segment.definitions[-1].name == YHAT:
            assert plan.y is not None and model.loss is not None
            steps += loss_steps(model.loss, steps, plan.y, namer)
            loss = steps[-1].target
        result.append((segment, steps))
    return result, loss


class _Draft:
    """The equations of one segment before they have numbers."""

    def __init__(
        self,
        segment: Segment,
        steps: tuple[Step, ...],
        plan: Schedule,
        loss: Symbol | None,
    ) -> None:
        self.segment, self.steps, self._plan, self._loss = segment, steps, plan, loss
        shifts = {s.target.name for s in steps if isinstance(s.value, Reduce) and s.value.kind == "max"}
        self._constant = shifts | {"y"}  # what carries no derivative
        self.terms: dict[Symbol, list[Term]] = {}
        self.sums: dict[Parameter, list[Sum]] = {}
        for target in self._outside():
            self._add(target, Term(replace(target, role=Role.EXTERNAL), "cotangent from outside", 0, OUTSIDE))
        self._stored = Stored(steps)
        self.order: list[Symbol] = []
        for step in reversed(steps):
            self._pull_back(step)
        self.order = list(dict.fromkeys([*self.order, *self.terms]))

    def _outside(self) -> list[Symbol]:
        defined = {step.target.name for step in self.steps}
        states = [s for s in self._plan.states if s.name in defined]
        return states + [s.target for s in self.steps if s.target.name == YHAT]

    def _pull_back(self, step: Step) -> None:
        is_loss = step.target == self._loss
        cotangent = constant(1) if is_loss else replace(step.target, role=Role.COTANGENT)
        if step.target.name in self._constant:
            return
        if not is_loss:
            self.order.append(step.target)
        for part in pull(step.value, cotangent, step.target):
            expr = transform(part.contribution, lambda node: reuse(node, self._stored))
            seed = LOSS if is_loss else ""
            if isinstance(part.leaf, Parameter):
                self.sums.setdefault(part.leaf, []).append(Sum(0, expr, part.rule, seed))
            elif part.leaf.name not in self._constant:
                self._add(replace(part.leaf, lag=0), Term(expr, part.rule, -part.leaf.lag, seed))

    def _add(self, target: Symbol, term: Term) -> None:
        self.terms.setdefault(target, []).append(term)


def _numbered(model: Model, plan: Schedule, drafts: list[_Draft], loss: Symbol | None) -> Derivation:
    """Equations in reading order: forward, adjoint, gradients; what only serves `vjp` comes last."""
    count = iter(range(1, 1_000_000))
    forward = [
        tuple(Forward(next(count), s.target, s.value, _forward_rule(s, loss)) for s in draft.steps)
        for draft in drafts
    ]
    unnumbered = tuple(
        Phase(d.segment, f, tuple(Adjoint(0, t, tuple(d.terms[t])) for t in d.order if t in d.terms))
        for d, f in zip(drafts, forward, strict=True)
    )
    gradients = tuple(
        Gradient(
            0, p.name, p, tuple(replace(s, phase=i) for i, d in enumerate(drafts) for s in d.sums.get(p, ()))
        )
        for p in plan.parameters
    )
    whole = Derivation(model, plan, unnumbered, gradients, loss)
    objective = LOSS if loss is not None else OUTSIDE
    needed = [{e.target for e in p.adjoint} for p in whole.towards(objective).phases]
    numbers = {
        (i, e.target): next(count)
        for i, p in enumerate(unnumbered)
        for e in p.adjoint
        if e.target in needed[i]
    }
    gradients = tuple(replace(g, number=next(count)) for g in gradients)
    numbers |= {
        (i, e.target): next(count)
        for i, p in enumerate(unnumbered)
        for e in p.adjoint
        if e.target not in needed[i]
    }
    phases = tuple(
        replace(p, adjoint=tuple(replace(e, number=numbers[i, e.target]) for e in p.adjoint))
        for i, p in enumerate(unnumbered)
    )
    return replace(whole, phases=phases, parameter_gradients=gradients)


def _forward_rule(step: Step, loss: Symbol | None) -> str:
    if step.target == loss:
        return "loss of one step"
    match step.value:
        case Map() if step.target.name.startswith("z_"):
            return "pre-activation"
        case _:
            return "definition"
