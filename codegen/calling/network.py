"""The network that `codegen.build` and `codegen.numpy_twin` return, whatever computes behind it.

It checks a call (`codegen.calling.arguments`), makes room for the results, lets a backend fill them, and
hands them back in the caller's terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import NoReturn, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from chalkgrad.codegen.building import fork
from chalkgrad.codegen.calling.again import Memory
from chalkgrad.codegen.calling.arguments import CheckedCall, Inputs, Lengths, Signature
from chalkgrad.codegen.calling.convert import describe
from chalkgrad.codegen.choices import REDUCTIONS, Reduction, check_choice
from chalkgrad.codegen.errors import ArgumentError, ArgumentTypeError, BusyError
from chalkgrad.codegen.program.interface import Array, Backend, Interface, Prepared
from chalkgrad.telling import Told

_FUNCTIONS = ("loss_and_grad", "forward", "vjp", "plan")


class Network(Told):
    """A network's loss, gradients and outputs as functions of its parameters.

    Shapes, with T_x, T_y and T for the steps that have an input, an output, a state:

    - `params`: a mapping with exactly the parameters, each of its declared shape.
    - `x`: (T_x, B, n_x). Its number of axes alone decides on a batch: with two, (T_x, n_x), no other
      array or result has an axis B either.
    - `y`, `dyhat`: (T_y, B, n_y); many-to-one: (1, B, n_y) or (B, n_y).
    - `initial`: state → (B, n), zero where missing; `dstates`: state → (T, B, n), index 0 is step 1.
    - `lengths`: (B,) whole numbers in 1..T_x, for one-to-many in 1..T_y, for an encoder–decoder a pair
      (lengths of x, lengths of y), either of which may be None.
    - `steps`: T_y, needed where no array tells it.
    - `wrt`: the names to differentiate by, of parameters, "x", and initial states ("a0").

    Arrays may have any memory layout and may be read-only. Lists and integers are cast; what would lose
    precision is refused. NaN and infinities take part as any number does. Every wrong call raises
    ArgumentError (a ValueError) or ArgumentTypeError (a TypeError), which name the argument, or
    MemoryError. Calls from several threads at once do not disturb each other.

    `source` is the text that computes it. A network can be pickled and copied: what travels is how it was
    made, and it is made again where it arrives, from the cache there if that has it.
    """

    def __init__(
        self,
        interface: Interface,
        backend: Backend,
        source: str = "",
        recipe: Callable[[], Network] | None = None,
    ) -> None:
        """recipe: makes another one, in any process; a network without one cannot be pickled."""
        self.interface = interface
        self.source = source
        self._recipe = recipe
        self._backend = backend
        self._signature = Signature(interface)
        self._memory = Memory(backend)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """name → shape of every parameter; only where the sizes are fixed, as after `codegen.build`."""
        sizes = self.interface.sizes
        if sizes is None:
            raise ArgumentError("shapes", "a network with fixed sizes", "one that reads them off its arrays")
        return {name: tuple(sizes[s] for s in shape) for name, shape in self.interface.parameters.items()}

    def __str__(self) -> str:
        functions = ("forward", "vjp") if self.interface.yhat is None else _FUNCTIONS
        return f"{self.interface}\n  {'functions':<11} {', '.join(functions)}"

    def __repr__(self) -> str:
        return f"<Network {self.interface.told}>"

    def __reduce__(self) -> tuple[Callable[[Callable[[], Network]], Network], tuple[Callable[[], Network]]]:
        if self._recipe is None:
            raise TypeError("this network does not know how it was made: build it where it is needed")
        return _made, (self._recipe,)

    def loss_and_grad(
        self,
        params: Mapping[str, ArrayLike],
        x: ArrayLike,
        y: ArrayLike,
        initial: Mapping[str, ArrayLike] | None = None,
        lengths: Lengths | None = None,
        wrt: str | Iterable[str] | None = None,
        reduction: Reduction = "sum",
    ) -> tuple[float, dict[str, Array]]:
        """The loss, and its gradient by name, each in the shape of what it belongs to.

        `reduction` "sum" adds over outputs, steps and examples; "mean" divides that by the number of
        examples, which must not be 0.
        """
        simple = initial is None and lengths is None and reduction == "sum"
        if simple and (known := self._memory.find(params, x, y, wrt)):
            return known
        call = CheckedCall(params, x, y, initial=initial, lengths=lengths, with_y=True)
        plan, inputs = self._plan(call, wrt, reduction)
        loss, grads = plan()
        if simple:
            zeros = {f"{state}0": inputs.arrays[f"{state}0"] for state in self.interface.states}
            self._memory.keep(params, x, y, wrt, inputs.counts, zeros, grads)
        return loss, grads

    def plan(
        self,
        params: Mapping[str, ArrayLike],
        x: ArrayLike,
        y: ArrayLike,
        initial: Mapping[str, ArrayLike] | None = None,
        lengths: Lengths | None = None,
        wrt: str | Iterable[str] | None = None,
        reduction: Reduction = "sum",
    ) -> Plan:
        """`loss_and_grad`, checked once and for all: calling the plan reruns it on the same arrays.

        It reads params, x, y and initial anew each time, so change them in place. They are never copied:
        each must be a C-contiguous array of the right dtype. Lengths are copied.
        """
        call = CheckedCall(params, x, y, initial=initial, lengths=lengths, with_y=True, copy=False)
        return self._plan(call, wrt, reduction)[0]

    def forward(
        self,
        params: Mapping[str, ArrayLike],
        x: ArrayLike,
        initial: Mapping[str, ArrayLike] | None = None,
        lengths: Lengths | None = None,
        steps: SupportsIndex | None = None,
        y: ArrayLike | None = None,
    ) -> tuple[Array | None, dict[str, Array]]:
        """The output (T_y, B, n_y), None for a model without one, and the states: name → (T, B, n).

        `y` is given if and only if the targets are fed back.
        """
        with_y = self._reads_targets(y)
        call = CheckedCall(params, x, y, initial=initial, lengths=lengths, steps=steps, with_y=with_y)
        inputs = self._signature.check(call)
        counts = inputs.counts
        yhat = None
        if self.interface.yhat is not None:
            yhat = _room(inputs, (counts.T_y, counts.B), self.interface.yhat)
        states = {
            name: _room(inputs, (inputs.steps + 1, counts.B), (size,))
            for name, size in self.interface.states.items()
        }
        results = {"yhat": yhat} | {f"states.{name}": array for name, array in states.items()}
        self._runner("forward", inputs, results)()
        return (
            None if yhat is None else _without_batch(yhat, inputs, 1),
            {name: _without_batch(array[1:], inputs, 1) for name, array in states.items()},
        )

    def vjp(
        self,
        params: Mapping[str, ArrayLike],
        x: ArrayLike,
        dyhat: ArrayLike | None = None,
        dstates: Mapping[str, ArrayLike] | None = None,
        initial: Mapping[str, ArrayLike] | None = None,
        lengths: Lengths | None = None,
        wrt: str | Iterable[str] | None = None,
        steps: SupportsIndex | None = None,
        y: ArrayLike | None = None,
    ) -> dict[str, Array]:
        """The gradient, by name, of Σ dyhat ∗ yhat + Σ dstates ∗ states; what is missing counts as zero.

        `y` is given if and only if the targets are fed back.
        """
        if dyhat is not None:
            self._demand_output("dyhat", "None")
        with_y = self._reads_targets(y)
        names = self._signature.check_wrt(wrt)
        call = CheckedCall(params, x, y, dyhat, dstates, initial, lengths, steps, with_y=with_y)
        inputs = self._signature.check(call)
        results, grads = self._gradients(inputs, names)
        self._runner("vjp", self._with_cotangents(inputs), results)()
        return grads

    def _plan(
        self, call: CheckedCall, wrt: str | Iterable[str] | None, reduction: Reduction
    ) -> tuple[Plan, Inputs]:
        self._demand_output("y", "vjp, since the model has no output and so no loss")
        names = self._signature.check_wrt(wrt)
        if not isinstance(reduction, str):
            raise ArgumentTypeError("reduction", "'sum' or 'mean'", describe(reduction))
        check_choice("reduction", reduction, REDUCTIONS)
        inputs = self._signature.check(call)
        if reduction == "mean" and inputs.counts.B == 0:
            raise ArgumentError("reduction", "'sum' for a batch without examples", "'mean'")
        results, grads = self._gradients(inputs, names)
        loss = np.zeros(1)
        run = self._runner("loss_and_grad", inputs, {"loss": loss, **results}, again=not call.copy)
        return Plan(run, loss, grads, inputs.counts.B if reduction == "mean" else 1), inputs

    def _with_cotangents(self, inputs: Inputs) -> Inputs:
        """The inputs with zeros for the cotangents that the caller left out."""
        counts, face = inputs.counts, self.interface
        zero: dict[str, Array | None] = {}
        if face.yhat is not None:
            shape = tuple(inputs.sizes[size] for size in face.yhat)
            zero["dyhat"] = np.zeros((counts.T_y, counts.B, *shape), inputs.dtype)
        for state, size in face.states.items():
            zero[f"dstates.{state}"] = np.zeros((inputs.steps, counts.B, inputs.sizes[size]), inputs.dtype)
        return replace(inputs, arrays=zero | dict(inputs.arrays))

    def _gradients(
        self, inputs: Inputs, names: tuple[str, ...]
    ) -> tuple[dict[str, Array | None], dict[str, Array]]:
        """Room for the wanted gradients: by canonical name, None if not wanted; and as handed back."""
        face, T_x, B = self.interface, inputs.counts.T_x, inputs.counts.B
        rooms: dict[str, tuple[tuple[int, ...], tuple[str, ...]]] = {
            **{name: ((), sizes) for name, sizes in face.parameters.items()},
            "x": ((T_x, B), (face.x,)),
            **{f"{state}0": ((B,), (size,)) for state, size in face.states.items()},
        }
        batch_axis = {"x": 1} | {f"{state}0": 0 for state in face.states}
        wanted = {name: _room(inputs, *rooms[name]) for name in names}
        return (
            {f"d.{name}": wanted.get(name) for name in rooms},
            {name: _without_batch(array, inputs, batch_axis.get(name)) for name, array in wanted.items()},
        )

    def _runner(
        self, function: str, inputs: Inputs, results: Mapping[str, Array | None], again: bool = False
    ) -> Prepared:
        """What fills the results when called: once, or again and again."""
        if inputs.counts.B == 0:
            return _nothing_to_do
        arrays = {**inputs.arrays, **results}
        if again:
            return self._backend.prepare(function, inputs.counts, arrays)
        return partial(self._backend.run, function, inputs.counts, arrays)

    def _reads_targets(self, y: ArrayLike | None) -> bool:
        wanted = self.interface.feed == "target"
        if wanted and y is None:
            raise ArgumentError("y", "the targets, which this model feeds back", "None")
        if not wanted and y is not None:
            raise ArgumentError("y", "None: no target is fed back", describe(y))
        return wanted

    def _demand_output(self, argument: str, expected: str) -> None:
        if self.interface.yhat is None:
            raise ArgumentError(argument, expected, "a call that needs an output")


class Plan(Told):
    """A call of `loss_and_grad` that was checked once; one plan serves one thread at a time.

    `plan()` returns the loss and the gradients: always the same dict and arrays, overwritten in place.
    Raises BusyError while it computes for somebody else.
    """

    __slots__ = ("__weakref__", "_divisor", "_free", "_grads", "_loss", "_run")

    def __init__(self, run: Prepared, loss: Array, grads: dict[str, Array], divisor: int) -> None:
        self._run, self._loss, self._grads, self._divisor = run, loss, grads, divisor
        self._free = [True]  # empty during a call
        fork.remember(self)

    def __call__(self) -> tuple[float, dict[str, Array]]:
        try:
            del self._free[0]  # in one step, and without a call at which an interrupt could come between
        except IndexError:
            raise BusyError("plan: it computes already: make another one for each thread") from None
        try:
            self._run()
            loss = self._loss.item()
            if self._divisor != 1:
                loss /= self._divisor
                for gradient in self._grads.values():
                    np.divide(gradient, self._divisor, out=gradient)
            return loss, self._grads
        finally:
            self._free.append(True)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a plan belongs to its arrays and its process: make one there with network.plan")

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self._grads.items())
        return f"the loss, and its gradients by {shapes}"

    def after_fork(self) -> None:
        """Free: a thread that was in a call is not there."""
        self._free[:] = [True]


def _made(recipe: Callable[[], Network]) -> Network:
    return recipe()


def _nothing_to_do() -> None:
    """Stands for a call without examples: the results are zero or empty as they were made."""


def _room(inputs: Inputs, rows: tuple[int, ...], sizes: tuple[str, ...]) -> Array:
    """An array for a result, which the backend overwrites; zero if there is no example to compute."""
    shape = (*rows, *(inputs.sizes[size] for size in sizes))
    allocate = np.empty if inputs.counts.B else np.zeros
    try:
        return allocate(shape, inputs.dtype)
    except ValueError as error:
        raise ArgumentError("steps", "results that fit into memory", f"one of shape {shape}") from error


def _without_batch(array: Array, inputs: Inputs, axis: int | None) -> Array:
    return array if inputs.batched or axis is None else array.squeeze(axis)
