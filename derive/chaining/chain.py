"""The note's chain rule, as documented and as it is: one term for every step at which the parameter enters.

    ∂L⟨t⟩/∂W = Σₖ ∂L⟨t⟩/∂s⟨t⟩ · ∂s⟨t⟩/∂s⟨t−1⟩ ⋯ ∂s⟨k+1⟩/∂s⟨k⟩ · ∂⁺s⟨k⟩/∂W

s stacks what a step hands on: the states, and ŷ where it is fed back or where something besides the
states leads to it. Through several coupled states the single paths are exponentially many; stacked
there is one term per k. Founding note, "Backpropagation": its last line for T = 2 is the term k = 1.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from graphlib import TopologicalSorter
from typing import TypeVar

import sympy

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT, Model
from chalkgrad.derive.chaining.unfold import Inlining, Key, Unfolded, cotangent_keys, without
from chalkgrad.derive.deriving.derivation import LOSS, Derivation, Gradient, derived
from chalkgrad.derive.deriving.extent import Extent, Steps, extent
from chalkgrad.derive.deriving.steps import is_arithmetic
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.showing import Shown
from chalkgrad.derive.terms.algebra import Expr, Map, MatVec, Parameter, Symbol, arg, is_zero, symbols
from chalkgrad.derive.terms.softmax import softmax_argument
from chalkgrad.derive.terms.trees import walk
from chalkgrad.derive.values.expand import INITIAL, Exact, matrix
from chalkgrad.derive.values.expand import symbols as data_symbols
from chalkgrad.derive.values.walk import Data, Numbers, Tensor, Walk, named_equations

N = TypeVar("N")


@dataclass(frozen=True, repr=False)
class ChainTerm(Shown):
    """What the gradient gets through the parameter's use at step `k`.

    terms: the evaluated result, absolute expressions of the parameter's shape to be added up; the
    cotangents that are left in them are in `Chain.where`. With initial states of zero: `vanishes`, the term
    is zero; `immediate_vanishes`, its last factor ∂⁺s⟨k⟩/∂W is.
    """

    k: int
    terms: tuple[Expr, ...]
    vanishes: bool
    immediate_vanishes: bool


@dataclass(frozen=True, repr=False)
class Chain(Shown):
    """∂L⟨loss_step⟩/∂parameter over `unfolded.extent`, by the chain rule through time.

    through: the components of s. quoted: the network is the note's, and so are the documented lines.
    terms: one per step at which the parameter enters, the latest first. where: cotangents of the loss of
    this one step that several places read, the latest first.
    """

    derivation: Derivation
    unfolded: Unfolded
    parameter: Parameter
    through: tuple[Symbol, ...]
    quoted: bool
    terms: tuple[ChainTerm, ...]
    where: Mapping[Key, tuple[Expr, ...]]

    @property
    def loss_step(self) -> int:
        return self.unfolded.loss_step

    @cached_property
    def gradient(self) -> Gradient:
        return next(g for g in self.unfolded.derivation.parameter_gradients if g.of == self.parameter)

    def values(self, sizes: Mapping[str, int] | None = None, initial: str = "symbols") -> list[sympy.Matrix]:
        """The terms as SymPy matrices of the parameter's shape; their sum is the gradient.

        The symbols are those of `derive.unroll` with the same sizes and `initial`. Raises ChoiceError.
        """
        if initial not in INITIAL:
            raise ChoiceError("initial", " or ".join(INITIAL), initial)
        at = self.sized(sizes)
        walk = ChainWalk(self, at, Exact(), data_symbols(self.derivation, at, initial))
        return [matrix(walk.sum_of(term.terms)) for term in self.terms]

    def sized(self, sizes: Mapping[str, int] | None) -> Extent:
        """Its steps with these sizes, 1 where missing. Raises ChoiceError."""
        at = extent(self.derivation, None, sizes, lambda _: 1)
        return replace(at, times=self.unfolded.extent.times)

    def __repr__(self) -> str:
        return f"<Chain of L at step {self.loss_step} by {self.parameter.name}, {self.derivation!r}>"


def chain(
    model: Model | Derivation,
    T: Steps = None,
    loss_step: int | None = None,
    parameter: str | None = None,
) -> Chain:
    """The chain rule through T steps for the loss of one step and one parameter.

    T: 2 by default (1 for one-to-one), a pair (T_x, T_y) for an encoder–decoder, by default (2, 2).
    loss_step: a step of the trajectory that has an output, by default the last. parameter: by default the
    first matrix that is applied to a value of the step before. Raises ChoiceError for what does not fit.
    """
    derivation = derived(model)
    if derivation.loss is None:
        raise ChoiceError("model", "a model with an output, which has a loss", derivation.model.name)
    at = extent(derivation, T, None, lambda _: 1)
    looked_at = Unfolded(derivation.towards(LOSS), at, _loss_step(derivation, at, loss_step))
    gradient = _gradient(looked_at.derivation, parameter)
    assert isinstance(gradient.of, Parameter)
    return _build(derivation, looked_at, gradient, gradient.of)


def _loss_step(derivation: Derivation, at: Extent, wanted: int | None) -> int:
    assert derivation.schedule.y_steps is not None
    steps = at.span(derivation.schedule.y_steps)
    if wanted is None:
        return steps[-1]
    if isinstance(wanted, bool) or wanted not in steps:
        span = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} … {steps[-1]}"
        raise ChoiceError("loss_step", f"a step with an output: {span}", wanted)
    return int(wanted)


def _gradient(derivation: Derivation, wanted: str | None) -> Gradient:
    gradients = {g.name: g for g in derivation.parameter_gradients}
    if wanted is None:
        recurrent = dict.fromkeys(_recurrent(derivation))
        name = next((n for n in gradients if n in recurrent), next(iter(gradients), None))
        if name is None:
            raise ChoiceError("model", "a model with a parameter", derivation.model.name)
        return gradients[name]
    if wanted not in gradients:
        raise ChoiceError("parameter", f"one of {', '.join(gradients)}", wanted)
    return gradients[wanted]


def _recurrent(derivation: Derivation) -> list[str]:
    """The matrices applied to a value of the step before, as it is or inside an intermediate."""
    found: list[str] = []
    for phase in derivation.phases:
        late: set[str] = set()
        for equation in phase.forward:
            for node in walk(equation.value):
                if isinstance(node, MatVec) and any(s.lag or s.name in late for s in symbols(node.vector)):
                    found.append(node.matrix.name)
            plain = not any(isinstance(n, MatVec) for n in walk(equation.value))
            if plain and any(s.lag for s in symbols(equation.value)):
                late.add(equation.target.name)
    return found


# ----------------------------------------------------------------------------- building


def _build(derivation: Derivation, looked_at: Unfolded, gradient: Gradient, parameter: Parameter) -> Chain:
    known = looked_at.cotangents()
    uses = looked_at.uses(gradient, known)
    through = _through(derivation, looked_at, gradient, uses)
    keep = _kept(known, uses, derivation, looked_at.loss_step)
    inlining, vanishing = Inlining(known, keep), looked_at.vanishing(known)
    terms = tuple(
        ChainTerm(
            k,
            tuple(map(inlining.of, exprs)),
            _vanish(looked_at, exprs, vanishing),
            _vanish(looked_at, exprs, looked_at.vanishing(known, {(s.name, k) for s in through})),
        )
        for k, exprs in uses.items()
    )
    where = {key: tuple(map(inlining.of, known[key])) for key in _reached(terms, known, inlining)}
    quoted = _is_the_notes(derivation, looked_at, parameter)
    return Chain(derivation, looked_at, parameter, through, quoted, terms, where)


def _through(
    derivation: Derivation, looked_at: Unfolded, gradient: Gradient, uses: Mapping[int, tuple[Expr, ...]]
) -> tuple[Symbol, ...]:
    """The components of s: the states that are handed on, with ŷ where they alone do not tell the loss."""
    written = {f.target.name: f.target for p in derivation.phases for f in p.forward}
    yhat = written[YHAT]
    carried = [written[name] for name in written if name in derivation.carried and name != YHAT]
    step = looked_at.loss_step
    above = looked_at.cotangents(stop={s.name for s in carried} | {YHAT} & derivation.carried)
    handed = {s.name for s in carried}
    open_keys = {key for key in above if key[0] not in handed}
    beside = any(key[1] < step for key in above)
    direct = any(key in open_keys for e in uses.get(step, ()) for key in cotangent_keys(e))
    if YHAT in derivation.carried or beside:
        return (*carried, yhat)
    if not direct:
        return tuple(carried)
    only_direct = set(uses) == {step} and all(
        key in open_keys for e in uses[step] for key in cotangent_keys(e)
    )
    return (yhat,) if only_direct else (*carried, yhat)


def _vanish(looked_at: Unfolded, exprs: tuple[Expr, ...], vanishing: Container[Key]) -> bool:
    return all(is_zero(without(e, looked_at.zeros, vanishing)) for e in exprs)


_FULLY_INLINED = 3  # as many steps read well in one line


def _kept(
    known: Mapping[Key, tuple[Expr, ...]],
    uses: Mapping[int, tuple[Expr, ...]],
    derivation: Derivation,
    loss_step: int,
) -> set[Key]:
    """The cotangents that get a line: what is read twice, sums over paths, states in long chains."""
    keep = {key for key, terms in known.items() if key[0] in derivation.carried and len(terms) > 1}
    read = {key: [k for e in terms for k in cotangent_keys(e)] for key, terms in known.items()}
    once, twice = dict.fromkeys(known, 0), dict.fromkeys(known, 0)  # a bit for each use that leads there

    def count(keys: Iterable[Key], led: int) -> None:
        for key in keys:
            twice[key] |= once[key] & led
            once[key] |= led

    for number, exprs in enumerate(uses.values()):
        count((key for e in exprs for key in cotangent_keys(e)), 1 << number)
    for key in reversed(list(TopologicalSorter(read).static_order())):
        count(read[key], once[key])
    keep |= {key for key in known if twice[key]}
    if loss_step > _FULLY_INLINED:
        keep |= {key for key in known if key[0] in derivation.carried}
    return keep


def _reached(
    terms: tuple[ChainTerm, ...], known: Mapping[Key, tuple[Expr, ...]], inlining: Inlining
) -> list[Key]:
    """The kept cotangents that some term leads to, the latest first."""
    reached: set[Key] = set()
    pending = [key for term in terms for e in term.terms for key in cotangent_keys(e)]
    while pending:
        key = pending.pop()
        if key not in reached:
            reached.add(key)
            pending.extend(k for e in known[key] for k in cotangent_keys(inlining.of(e)))
    return [key for key in known if key in reached]


def _is_the_notes(derivation: Derivation, looked_at: Unfolded, parameter: Parameter) -> bool:
    """Whether the note's lines are about this: T = 2, a = g(W a[t-1] + W' x + b), ŷ = h(W" a + b"), and W."""
    model = derivation.model
    if model.architecture != choices.MANY_TO_MANY or looked_at.loss_step != 2 or len(model.states) != 1:
        return False
    if list(looked_at.extent.times.values()) != [2] or len(model.cell) != 1 or len(model.output) != 1:
        return False
    (state,) = model.states
    products, biases = _affine(model.cell[0].value)
    above, others = _affine(model.output[0].value)
    return (
        dict(products).get(parameter) == replace(state, lag=-1)
        and {vector for _, vector in products} == {replace(state, lag=-1), model.x}
        and [vector for _, vector in above] == [state]
        and (len(products), len(biases), len(others)) == (2, 1, 1)
    )


def _affine(value: Expr) -> tuple[list[tuple[Parameter, Expr]], list[Parameter]]:
    """The products (W, v) and the biases of a sum, inside a function or bare; none for anything else."""
    if isinstance(value, Map) and len(value.args) == 1 and not is_arithmetic(value.body):
        value = value.args[0]
    pending = [softmax_argument(value) or value]
    products: list[tuple[Parameter, Expr]] = []
    biases: list[Parameter] = []
    while pending:
        node = pending.pop()
        match node:
            case Map(body=body, args=args) if body == sympy.Add(*(arg(i) for i in range(len(args)))):
                pending.extend(args)
            case MatVec(matrix=matrix, vector=Symbol() as vector, transposed=False):
                products.append((matrix, vector))
            case Parameter():
                biases.append(node)
            case _:
                return [], []
    return products, biases


# ----------------------------------------------------------------------------- as matrices


class ChainWalk(Walk[N]):
    """The forward pass, and cotangents of the loss of one step; expressions are absolute."""

    def __init__(self, chain: Chain, at: Extent, numbers: Numbers[N], data: Data[N]) -> None:
        super().__init__(chain.derivation, named_equations(chain.derivation), at, numbers, data)
        self._terms = chain.unfolded.cotangents()
        self._made: dict[tuple[str, int], Tensor[N]] = {}

    def _cotangent(self, symbol: Symbol, t: int) -> Tensor[N]:
        key = (symbol.name, t)
        if key not in self._made:
            self._made[key] = self.sum_of(self._terms[key])
        return self._made[key]

    def sum_of(self, terms: tuple[Expr, ...]) -> Tensor[N]:
        """Σ of absolute expressions."""
        result, *others = (self.value(term, 0) for term in terms)
        for other in others:
            result = self._sum(result, other)
        return result
