"""The names that a formula about a network may use, and what they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy

from chalkgrad.derive.checking.reading.scanner import flat
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.terms.algebra import Map, Shape, Symbol, arg, symbols
from chalkgrad.derive.terms.functions import ELEMENTWISE, NAMES
from chalkgrad.derive.terms.softmax import softmax_argument, softmax_parts

TIMES = ("T", "T_x", "T_y")
EXAMPLES = ("m", "N", "B")  # how many examples there are: nothing here depends on it
FUNCTIONS = {name: name for name in NAMES} | {
    spelled: function.name
    for function in ELEMENTWISE.values()
    for word in function.spellings
    if (spelled := flat(word.removeprefix("\\")))
}
"""What a function may be called → its name."""
GIVEN = "y"  # what is not differentiated by
STATES = "s"  # all states of a step, stacked


@dataclass(frozen=True)
class Scope:
    """The names of one derivation."""

    derivation: Derivation

    @cached_property
    def values(self) -> Mapping[str, Shape]:
        """Everything that has a value at a step, the loss excepted."""
        plan, derivation = self.derivation.schedule, self.derivation
        known = {s.name: s.shape for s in (*plan.states, plan.x)}
        if plan.y is not None:
            known[plan.y.name] = plan.y.shape
        written = [f.target for p in derivation.phases for f in p.forward if f.target != derivation.loss]
        return known | {target.name: target.shape for target in written}

    @cached_property
    def states(self) -> tuple[str, ...]:
        """What s⟨t⟩ stacks: the states, and an output that is fed back."""
        names = [state.name for state in self.derivation.schedule.states]
        return tuple(dict.fromkeys([*names, *self.carried]))

    @cached_property
    def introduced(self) -> frozenset[str]:
        """The names of values that are not the file's."""
        own = {d.name for s in self.derivation.schedule.segments for d in s.definitions}
        plan = self.derivation.schedule
        given = {plan.x.name, GIVEN, *(state.name for state in plan.states)}
        return frozenset(self.values) - own - given

    @cached_property
    def stacked(self) -> bool:
        """Whether s is free to stand for the states."""
        return STATES not in self.values and STATES not in self.parameters

    def shape(self, name: str) -> Shape:
        """Of a value; that of all states together, if there are several, is one of a size of its own."""
        if name != STATES or not self.stacked:
            return self.values[name]
        return self.values[self.states[0]] if len(self.states) == 1 else (STATES,)

    @cached_property
    def parameters(self) -> Mapping[str, Shape]:
        return {p.name: p.shape for p in self.derivation.schedule.parameters}

    @cached_property
    def functions(self) -> Mapping[str, str]:
        """A name for a function → that of `derive.terms.functions`."""
        return FUNCTIONS | dict(self.derivation.model.functions)

    @cached_property
    def objective(self) -> str:
        """What the loss is called: L, unless the model has an L of its own."""
        loss = self.derivation.loss
        return "L" if loss is None else loss.name

    @cached_property
    def initial(self) -> Mapping[str, str]:
        """a0 → a: the initial state by its own name."""
        return {f"{s.name}0": s.name for s in self.derivation.schedule.states}

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Another letter for a value: X for the input, as the founding note has it."""
        name = self.derivation.schedule.x.name
        other = name.upper()
        return {} if other in self.values or other in self.parameters else {other: name}

    @cached_property
    def carried(self) -> tuple[str, ...]:
        """What a step hands on to the next, in the order of computation."""
        written = dict.fromkeys(f.target.name for p in self.derivation.phases for f in p.forward)
        return tuple(name for name in written if name in self.derivation.carried)

    @cached_property
    def counts(self) -> tuple[str, ...]:
        """Numbers by name: the sizes, and how many examples there are."""
        taken = {*self.values, *self.parameters}
        return tuple(name for name in (*self.derivation.model.sizes, *EXAMPLES) if name not in taken)

    @cached_property
    def names(self) -> frozenset[str]:
        """What a name may be, for suggestions and for the scanner."""
        deltas = (f"delta_{name}" for name in self.values if name != GIVEN)
        return frozenset((*self.values, *self.parameters, *self.initial, *deltas, self.objective))

    @cached_property
    def activations(self) -> Mapping[str, str]:
        """Value of a function → its argument, by name: a → z_a."""
        found = {}
        for phase in self.derivation.phases:
            for equation in phase.forward:
                match equation.value:
                    case Map(body=sympy.Function(args=(inner,)), args=(Symbol(name=name),)) if inner == arg(
                        0
                    ):
                        found[equation.target.name] = name
                    case _:
                        pass
        return found | dict(self.softmaxes)

    @cached_property
    def softmaxes(self) -> Mapping[str, str]:
        """Output of a softmax → its logits, by name."""
        written = {f.target: f.value for p in self.derivation.phases for f in p.forward}
        found = {}
        for target, value in written.items():
            if isinstance(value, Map) and (parts := softmax_parts(value, written)):
                logits = softmax_argument(value, written) or parts[0]
                if isinstance(logits, Symbol):
                    found[target.name] = logits.name
        return found

    @cached_property
    def pairs(self) -> tuple[tuple[str, int], ...]:
        """Every value with the lags at which equations read it, 0 among them."""
        found = {(name, 0) for name in self.values}
        for phase in self.derivation.phases:
            found |= {(s.name, s.lag) for f in phase.forward for s in symbols(f.value)}
        return tuple(sorted(found))
