"""What a network's functions take and give, as plain data: the same for C and NumPy.

Canonical array names, used between `codegen.calling.network` (which checks the caller's arrays) and the
backends (which compute). n is the size of the vector at hand, T = T_x + T_y for the encoder–decoder:

| name | layout | in |
|---|---|---|
| a parameter's name (see `parameter_key`) | its declared shape | all |
| `x` | (T_x, B, n_x) | all |
| `y` | (T_y, B, *yhat) | loss_and_grad; feed = target |
| `a0` for each state a | (B, n), always present | all |
| `last_x`, `last_y` | (B,) intp, or None: all examples have full length | all |
| `dyhat` | (T_y, B, *yhat) | vjp |
| `dstates.a` | (T, B, n) | vjp |

Results, None where not wanted: `yhat` (T_y, B, *yhat) and `states.a` (T + 1, B, n), whose index 0 is
the initial state, of forward; `loss` (1,) float64; `d.NAME` for parameters, `d.x` and `d.a0`, in the
layout of what they are the gradient of. A backend overwrites results, whatever they held before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from chalkgrad.codegen.choices import DtypeName
from chalkgrad.telling import Told, brief

_NO_PARAMETER = frozenset({"last_x", "last_y", "dyhat", "loss"})
Array = NDArray[Any]
Arrays = Mapping[str, Array | None]


def parameter_key(name: str) -> str:
    """The canonical name of a parameter: its own, unless that is the name of something else here."""
    return f"params.{name}" if name in _NO_PARAMETER else name


@dataclass(frozen=True)
class Counts:
    """How many steps have an input (T_x), how many an output (T_y), and the batch size.

    many-to-many, many-to-one, one-to-one: T_x = T, the length of the trajectory; one-to-many: T_y = T
    and T_x = 1; many-to-one: T_y = 1; encoder–decoder: T = T_x + T_y. A model without an output has
    T_y = 0, except where T_y is what counts the steps (one-to-many, encoder–decoder).
    """

    T_x: int
    T_y: int
    B: int


@dataclass(frozen=True, repr=False)
class Interface(Told):
    """The shapes that a network's functions agree on, in size names, and the choices they depend on."""

    name: str
    architecture: str
    feed: str
    parameters: Mapping[str, tuple[str, ...]] = field(hash=False)
    states: Mapping[str, str] = field(hash=False)  # state → its size
    x: str  # size of the input
    yhat: tuple[str, ...] | None  # None: no output, hence no loss_and_grad
    tied: tuple[tuple[str, str], ...] = ()  # pairs of sizes that must be equal (a fed-back output)
    sizes: Mapping[str, int] | None = field(default=None, hash=False)  # None: read off the arrays
    dtype: DtypeName | None = None  # None: follows the arguments (float32 only if all are float32)
    T: int | tuple[int, int] | None = None  # the fixed number of steps; a pair for encoder–decoder

    @property
    def told(self) -> str:
        """In one line."""
        fed = f", feed={self.feed}" if self.feed != "none" else ""
        fixed = "".join(f", {name}={number}" for name, number in (self.sizes or {}).items())
        steps = "" if self.T is None else f", T={self.T}"
        return f"{self.name}, {self.architecture}{fed}{fixed}{steps}, {self.dtype or 'any dtype'}"

    def __str__(self) -> str:
        """That line, and the shape of everything."""
        shapes = {"parameters": self.parameters, "x": {"": ("T_x", "B", self.x)}}
        if self.yhat is not None:
            shapes["y, yhat"] = {"": ("T_y", "B", *self.yhat)}
        shapes["states"] = {name: ("T", "B", size) for name, size in self.states.items()}
        return "\n".join([self.told, *(f"  {kind:<11} {_laid(found)}" for kind, found in shapes.items())])

    def __repr__(self) -> str:
        return brief(self, self.told)


def _laid(shapes: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{name} ({', '.join(shape)})".strip() for name, shape in shapes.items())


class Backend(Protocol):
    """Computes one of "loss_and_grad", "forward", "vjp" on checked arrays."""

    def run(self, function: str, counts: Counts, arrays: Arrays) -> None:
        """Fill the results among `arrays`; all are C-contiguous and of one dtype (see the table)."""

    def prepare(self, function: str, counts: Counts, arrays: Arrays) -> Prepared:
        """Check in everything once; the arrays are kept alive and read anew at every call."""


class Prepared(Protocol):
    def __call__(self) -> None: ...


class Repeat(Protocol):
    def __call__(self, inputs: Sequence[Array]) -> tuple[float, list[Array]] | None:
        """The loss and new arrays with the results, for inputs of the right shapes and dtype.

        None if one of them would have to be laid out first.
        """


@runtime_checkable
class Repeating(Protocol):
    """A backend that can prepare for calls with other arrays of the same shapes."""

    def repeat(self, function: str, counts: Counts, fixed: Arrays, inputs: Arrays, results: Arrays) -> Repeat:
        """`fixed`: arrays that all these calls share; `inputs`, `results`: examples of the others."""
