"""Calls whose like was checked before: the same names, shapes and dtypes need no second look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chalkgrad.codegen.program.interface import Array, Arrays, Counts, Repeat, Repeating, parameter_key

_ROOM = 32
"""So many kinds of calls are remembered."""


class Again:
    """Calls of loss_and_grad on `params`, `x` and `y` that one checked call stands for."""

    def __init__(
        self, repeat: Repeat, shapes: Mapping[str, tuple[int, ...]], grads: Mapping[str, Array]
    ) -> None:
        """shapes: of x, y and the parameters, in this order, as the caller gives them."""
        self._repeat = repeat
        self._names = tuple(shapes)[2:]
        self._shapes = list(shapes.values())
        self._types = [np.ndarray] * len(shapes)
        self._dtypes = [next(iter(grads.values())).dtype] * len(shapes)
        self._results = tuple(grads)

    def __call__(self, params: Mapping[str, Any], x: Any, y: Any) -> tuple[float, dict[str, Array]] | None:
        """Loss and gradients; None if these arguments have to be checked like any others."""
        if type(params) is not dict or len(params) != len(self._names):
            return None
        arrays = [x, y, *map(params.get, self._names)]
        if (
            [*map(type, arrays)] != self._types
            or [array.shape for array in arrays] != self._shapes
            or [array.dtype for array in arrays] != self._dtypes
            or (answer := self._repeat(arrays)) is None
        ):
            return None
        return answer[0], dict(zip(self._results, answer[1], strict=False))


class Memory:
    """The kinds of calls that a network has seen."""

    def __init__(self, backend: object) -> None:
        self._backend = backend if isinstance(backend, Repeating) else None
        self._known: dict[Any, Again] = {}
        self._last: tuple[Any, Again] | None = None  # wrt, and the kind of call that was found last

    def find(self, params: Any, x: Any, y: Any, wrt: Any) -> tuple[float, dict[str, Array]] | None:
        """The result, if this call is like one that was checked."""
        if (last := self._last) and last[0] is wrt and (found := last[1](params, x, y)):
            return found
        try:
            again = self._known.get((x.shape, y.shape, wrt))
        except (AttributeError, TypeError):  # no arrays; or names in a list
            return None
        if again is None:
            return None
        self._last = wrt, again
        return again(params, x, y)

    def keep(
        self, params: Any, x: Any, y: Any, wrt: Any, counts: Counts, fixed: Arrays, grads: Mapping[str, Array]
    ) -> None:
        """Remember a call that was checked, if its arrays were taken as they are."""
        given = {"x": x, "y": y, **params}
        plain = all(type(a) is np.ndarray and a.flags.carray for a in given.values())
        if self._backend is None or not plain or not grads or not isinstance(wrt, (str, tuple, type(None))):
            return
        dtype = next(iter(grads.values())).dtype
        if counts.B == 0 or any(a.dtype is not dtype for a in given.values()):
            return
        inputs = {parameter_key(name) if name in params else name: array for name, array in given.items()}
        results = {f"d.{name}": array for name, array in grads.items()}
        repeat = self._backend.repeat("loss_and_grad", counts, fixed, inputs, results)
        if len(self._known) >= _ROOM:
            self._known.clear()
        self._known[x.shape, y.shape, wrt] = Again(
            repeat, {name: a.shape for name, a in given.items()}, grads
        )
