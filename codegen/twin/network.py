"""The backend that runs the NumPy twin: needs no compiler."""

from __future__ import annotations

from functools import partial
from types import ModuleType

import numpy as np

from chalkgrad.codegen.program.interface import Arrays, Counts, Prepared


class TwinBackend:
    """Implements `codegen.program.interface.Backend` over a module written by `codegen.twin.emit`."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def run(self, function: str, counts: Counts, arrays: Arrays) -> None:
        """Fill the wanted results among the arrays."""
        given = {name: array for name, array in arrays.items() if array is not None}
        with np.errstate(all="ignore"):  # NaN and infinities follow IEEE silently, as in C
            results = getattr(self._module, function)(given, counts.T_x, counts.T_y, counts.B)
        for name, value in results.items():
            array = arrays.get(name)
            if array is not None:
                array[...] = np.reshape(value, array.shape)

    def prepare(self, function: str, counts: Counts, arrays: Arrays) -> Prepared:
        """The call with its arguments kept."""
        return partial(self.run, function, counts, arrays)
