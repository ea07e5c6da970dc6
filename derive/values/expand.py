"""The unrolled network at concrete T and sizes, as plain SymPy: loss and derived gradients.

The loss is the documented one, on ŷ, from the equations of the model. The gradients come from walking
the adjoint equations of the derivation; nothing is differentiated here. For numbers, see
`derive.evaluate`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import sympy

from chalkgrad.derive.cells.model import YHAT, Model
from chalkgrad.derive.deriving.derivation import LOSS, Derivation, derived
from chalkgrad.derive.deriving.extent import Extent, Steps, extent
from chalkgrad.derive.deriving.loss import documented
from chalkgrad.derive.errors import ChoiceError, DerivationError
from chalkgrad.derive.terms.algebra import Shape, arg
from chalkgrad.derive.terms.functions import written_out
from chalkgrad.derive.values.lazy import Lazy
from chalkgrad.derive.values.walk import Data, Numbers, Tensor, Walk, model_equations, named_equations
from chalkgrad.telling import Told, brief

N = TypeVar("N")
INITIAL = ("symbols", "zero")


@dataclass(frozen=True, repr=False)
class Unrolled(Told):
    """The network unrolled; vectors are matrices of one column, scalars of one entry; T counts from 1.

    loss: fully expanded, in the symbols below. gradients, worked out on first access: parameter name →
    Matrix of its shape; "x" → {t: Matrix}; state name + "0" → Matrix. parameters: name → Matrix.
    x[t], y[t], yhat[t]: t counts the steps that have one. initial: state name → Matrix, zeros where
    `initial` says so.
    """

    loss: sympy.Expr
    gradients: Mapping[str, Any]
    parameters: Mapping[str, sympy.Matrix]
    x: Mapping[int, sympy.Matrix]
    y: Mapping[int, sympy.Matrix]
    yhat: Mapping[int, sympy.Matrix]
    initial: Mapping[str, sympy.Matrix]

    def __str__(self) -> str:
        return "\n".join(
            f"{left} = {_told(value)}" for left, value in self._equations("∂L/∂{}", "{}⟨{}⟩", str)
        )

    def latex(self) -> str:
        """$$ … $$: a display for the loss and one for each gradient, expanded."""
        pairs = self._equations(r"\frac{{\partial L}}{{\partial {}}}", "{}^{{<{}>}}", sympy.latex)
        return "\n\n".join(f"$${left} = {_written(value)}$$" for left, value in pairs)

    def __repr__(self) -> str:
        return brief(self, f"loss, gradients by {', '.join(self.gradients)}")

    def _repr_markdown_(self) -> str:
        return self.latex()

    def _equations(
        self, slope: str, at: str, written: Callable[[sympy.Symbol], str]
    ) -> Iterator[tuple[str, Any]]:
        """Left sides, and what they are. slope, at, written: how a derivative, a step, a name looks."""
        yield "L", self.loss
        for name, found in self.gradients.items():
            if name in self.parameters:
                yield slope.format(written(sympy.Symbol(name))), found
            elif name == "x":
                yield from ((slope.format(at.format("x", t)), value) for t, value in found.items())
            else:
                yield slope.format(at.format(written(sympy.Symbol(name.removesuffix("0"))), 0)), found


def unroll(
    model: Model | Derivation,
    T: Steps = None,
    sizes: Mapping[str, int] | None = None,
    initial: str = "symbols",
) -> Unrolled:
    """The network unrolled over T steps, by default 2, 1 for one-to-one, (2, 2) for the encoder–decoder.

    sizes: size name → int, 1 where missing. initial: "symbols", or "zero" for a⁰ = 0. Raises ChoiceError
    for a T, a size or an initial that does not fit, DerivationError for a model without a loss.
    """
    if initial not in INITIAL:
        raise ChoiceError("initial", " or ".join(INITIAL), initial)
    derivation = derived(model)
    at = extent(derivation, T, sizes, lambda name: 1)
    data = symbols(derivation, at, initial)
    walk = Walk(derivation, model_equations(derivation), at, Exact(), data)
    plan = derivation.schedule
    names = (*(p.name for p in plan.parameters), "x", *(f"{s.name}0" for s in plan.states))
    return Unrolled(
        documented_loss(walk, derivation),
        Lazy(names, lambda: _gradients(derivation, at, data)),
        {name: matrix(tensor) for name, tensor in data.parameters.items()},
        {t: matrix(tensor) for t, tensor in data.x.items()},
        {t: matrix(tensor) for t, tensor in data.y.items()},
        {k: matrix(walk.values[YHAT, t]) for k, t in enumerate(walk.output_steps, start=1)},
        {name: matrix(tensor) for name, tensor in data.initial.items()},
    )


def documented_loss(walk: Walk[N], derivation: Derivation) -> N:
    """The loss as documented, on the ŷ of a walk. Raises DerivationError for a model without one."""
    model, y = derivation.model, derivation.schedule.y
    if model.loss is None or y is None:
        raise DerivationError(f"{model.name}: expected a model with an output and a loss, found no output")
    yhat = type(y)(YHAT, y.shape)
    return walk.total(documented(model.loss, yhat, y), walk.output_steps)


def _gradients(derivation: Derivation, at: Extent, data: Data[sympy.Expr]) -> dict[str, Any]:
    pulled = Walk(derivation, named_equations(derivation), at, Exact(), data).backward(LOSS)
    found: dict[str, Any] = {name: matrix(tensor) for name, tensor in pulled.parameters.items()}
    found["x"] = {t: matrix(tensor) for t, tensor in pulled.x.items()}
    return found | {f"{name}0": matrix(tensor) for name, tensor in pulled.initial.items()}


_AT_A_STEP = re.compile(r"(\w+?)__(\d+)(?:_(\d+))?")  # x__1, or x__1_2 for its second component


def _told(value: Any) -> str:
    """For a terminal, in one line."""
    names = {symbol: sympy.Symbol(_at(symbol, "{0}⟨{2}⟩", "{0}_{1}⟨{2}⟩")) for symbol in value.free_symbols}
    return str(sympy.StrPrinter({"order": "none"}).doprint(_entry(value).xreplace(names))).replace("**", "^")


def _written(value: Any) -> str:
    """As LaTeX."""
    names = {
        symbol: _at(symbol, "{0}^{{<{2}>}}", "{0}_{{{1}}}^{{<{2}>}}")
        for symbol in value.free_symbols
        if _AT_A_STEP.fullmatch(symbol.name)
    }
    return str(sympy.latex(_entry(value), symbol_names=names))


def _entry(value: Any) -> Any:
    """Of a matrix with one entry, that."""
    return value[0] if isinstance(value, sympy.MatrixBase) and value.shape == (1, 1) else value


def _at(symbol: sympy.Symbol, whole: str, component: str) -> str:
    """A name at a step, by one of two patterns of (name, component, step); any other name as it is."""
    if not (found := _AT_A_STEP.fullmatch(symbol.name)):
        return str(symbol.name)
    name, step, place = found.groups()
    return (component if place else whole).format(name, place, step)


def matrix(tensor: Tensor[sympy.Expr]) -> sympy.Matrix:
    """A vector is one column, a scalar one entry."""
    rows, columns = (*tensor.shape, 1, 1)[:2]
    return sympy.Matrix(rows, columns, tensor.entries)


# ----------------------------------------------------------------------------- expressions as numbers


class Exact(Numbers[sympy.Expr]):
    """SymPy expressions; functions of our own are written out, rationals stay rationals."""

    def compile(self, body: sympy.Expr, count: int) -> Callable[..., sympy.Expr]:
        plain = written_out(_unguarded(body))
        places = [arg(i) for i in range(count)]
        return lambda *values: plain.xreplace(dict(zip(places, values, strict=True)))

    def add(self, terms: Sequence[sympy.Expr]) -> sympy.Expr:
        return sympy.Add(*terms)

    def dot(self, left: Sequence[sympy.Expr], right: Sequence[sympy.Expr]) -> sympy.Expr:
        return sympy.Add(*(u * v for u, v in zip(left, right, strict=True)))

    def maximum(self, entries: Sequence[sympy.Expr]) -> sympy.Expr:
        """0: any shift gives the same log-sum-exp, and this one the shortest expression."""
        return sympy.S.Zero


def _unguarded(body: sympy.Expr) -> sympy.Expr:
    """Without guards against 0 · ∞: a case s = c is gone where the general formula has its value at c."""

    def unguard(*branches: Any) -> sympy.Expr:
        if len(branches) == 2 and isinstance(branches[0].cond, sympy.Eq) and branches[1].cond == sympy.true:
            (guarded, equal), (general, _) = (branch.args for branch in branches)
            if general.subs(*equal.args) == guarded:
                return general
        return sympy.Piecewise(*branches)

    return body.replace(sympy.Piecewise, unguard)


# ----------------------------------------------------------------------------- naming the symbols


def symbols(derivation: Derivation, at: Extent, initial: str = "symbols") -> Data[sympy.Expr]:
    """A real symbol for every number that the network reads; no two have the same name.

    W_aa if it is one number, W_aa_1_2 otherwise; x__1 at step 1, x__1_2 its component 2; a__0.
    """
    plan = derivation.schedule
    wanted: dict[tuple[str, Any], tuple[str, Shape]] = {
        ("parameter", p.name): (p.name, p.shape) for p in plan.parameters
    }
    wanted |= {("x", k): (f"x__{k}", plan.x.shape) for k in range(1, len(at.span(plan.x_steps)) + 1)}
    if plan.y is not None and plan.y_steps is not None:
        wanted |= {("y", k): (f"y__{k}", plan.y.shape) for k in range(1, len(at.span(plan.y_steps)) + 1)}
    if initial == "symbols":
        wanted |= {("initial", s.name): (f"{s.name}__0", s.shape) for s in plan.states}
    named = _named({key: (name, at.shape(shape)) for key, (name, shape) in wanted.items()})

    def kind(wanted_kind: str) -> dict[Any, Tensor[sympy.Expr]]:
        return {key: tensor for (kind, key), tensor in named.items() if kind == wanted_kind}

    states = kind("initial") or {s.name: _zeros(at.shape(s.shape)) for s in plan.states}
    return Data(kind("parameter"), states, kind("x"), kind("y"))


def _named(
    wanted: Mapping[tuple[str, Any], tuple[str, tuple[int, ...]]],
) -> dict[tuple[str, Any], Tensor[sympy.Expr]]:
    """Symbols for every group; where names collide, the group of one number keeps its name."""
    taken: set[str] = set()
    found: dict[tuple[str, Any], Tensor[sympy.Expr]] = {}
    for key in sorted(wanted, key=lambda k: len(_spelled(*wanted[k])) > 1):
        name, shape = wanted[key]
        spelled, count = _spelled(name, shape), 1
        while not taken.isdisjoint(spelled):
            count += 1
            spelled = _spelled(f"{name}_v{count}", shape)
        taken.update(spelled)
        found[key] = Tensor(shape, tuple(sympy.Symbol(s, real=True) for s in spelled))
    return {key: found[key] for key in wanted}


def _spelled(name: str, shape: tuple[int, ...]) -> list[str]:
    if all(n == 1 for n in shape):
        return [name]
    indices = product(*(range(1, n + 1) for n in shape))
    return ["_".join((name, *map(str, index))) for index in indices]


def _zeros(shape: tuple[int, ...]) -> Tensor[sympy.Expr]:
    return Tensor(shape, (sympy.S.Zero,) * (shape[0] if shape else 1))
