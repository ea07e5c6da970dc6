"""Where a function of a network keeps things: its buffers, made when they are first asked for.

Names are those of the model where they can be; a cotangent of v is `delta_v`, a gradient `d_W`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from chalkgrad.codegen.program.interface import parameter_key
from chalkgrad.codegen.program.ir import Affine, Buffer, Layout, Ref, Role
from chalkgrad.codegen.program.names import FreshNames

Shape = tuple[str, ...]
StepSpan = tuple[Affine, Affine]  # the first step, and how many


@dataclass(frozen=True)
class Timeline:
    """Which steps have what. `own`: the steps of each network ("", or "enc" and "dec")."""

    states: frozenset[str]
    length: Affine
    x: StepSpan
    y: StepSpan | None
    own: Mapping[str, StepSpan]

    def steps(self, name: str, instance: str) -> StepSpan:
        """The steps at which a value exists; that of a state also before the first."""
        if name in self.states:
            return Affine(0), self.length + 1
        if name == "x":
            return self.x
        if name in ("y", "yhat") and self.y is not None:
            return self.y
        return self.own[instance]


class Places:
    """The buffers of one function. `zeroed` are those that sums go to: they start at zero."""

    def __init__(self, timeline: Timeline, taken: Iterable[str], results: bool) -> None:
        """`results`: outputs and states are results of this function, not work of its own."""
        self.buffers: dict[str, Buffer] = {}
        self.zeroed: dict[str, None] = {}
        self._timeline, self._results = timeline, results
        self._taken = set(taken)
        self._names = FreshNames(self._taken)
        self._known: dict[tuple[tuple[str, str, str], tuple[str | int, ...]], str] = {}

    def value(self, name: str, instance: str, shape: Shape, lag: int, timed: bool) -> Ref:
        """A value of the forward pass; `timed` keeps it for every step."""
        role, public = Role.WORK, None
        if name in ("x", "y"):
            role, public = Role.INPUT, name
        elif self._results and name == "yhat":
            role, public = Role.RESULT, name
        elif self._results and name in self._timeline.states:
            role, public = Role.RESULT, f"states.{name}"
        wanted = f"{instance}_{name}" if instance else name
        buffer = self._buffer(role, shape, public, (name, instance) if timed else None)
        found = self._find(("value", instance, name), wanted, buffer)
        if public == "yhat":
            self._zero(found)
        return Ref(found, lag)

    def cotangent(self, name: str, instance: str, shape: Shape, lag: int, pushed: bool) -> Ref:
        """delta_name; `pushed` if other steps add to it, so that it is kept for every step."""
        if name == "x":
            role, public, wanted = Role.RESULT, "d.x", "d_x"
        else:
            role, public = Role.WORK, None
            wanted = f"delta_{instance}_{name}" if instance else f"delta_{name}"
        buffer = self._buffer(role, shape, public, (name, instance) if pushed else None)
        found = self._find(("cotangent", instance, name), wanted, buffer)
        if pushed:
            self._zero(found)
        return Ref(found, lag)

    def outside(self, name: str, shape: Shape, lag: int, timed: bool) -> Ref:
        """A cotangent that the caller brings: dyhat, or that of a state after each step."""
        public = f"dstates.{name}" if name in self._timeline.states else "dyhat"
        buffer = self._buffer(Role.INPUT, shape, public, (name, "") if timed else None)
        if name in self._timeline.states:
            buffer = replace(buffer, first=Affine(1), slots=self._timeline.length)
        return Ref(self._find(("outside", "", name), public.replace(".", "_"), buffer), lag)

    def parameter(self, name: str, shape: Shape) -> Ref:
        buffer = Buffer("", Role.PARAMETER, Layout.PARAMETER, shape, public=parameter_key(name))
        return Ref(self._find(("parameter", "", name), name, buffer))

    def gradient(self, name: str, shape: Shape) -> Ref:
        """The sum over steps and examples that is the gradient of a parameter."""
        buffer = Buffer("", Role.RESULT, Layout.PARAMETER, shape, public=f"d.{name}")
        return Ref(self._zero(self._find(("gradient", "", name), f"d_{name}", buffer)))

    def initial(self, state: str, shape: Shape, role: Role) -> Ref:
        """The initial state, or its gradient."""
        public = f"{state}0" if role is Role.INPUT else f"d.{state}0"
        buffer = Buffer("", role, Layout.BATCH, shape, public=public)
        return Ref(self._find((role.value, "", public), public.replace(".", "_"), buffer))

    def loss(self) -> Ref:
        buffer = Buffer("", Role.RESULT, Layout.TOTAL, public="loss")
        return Ref(self._zero(self._find(("loss", "", ""), "loss", buffer)))

    def _buffer(self, role: Role, shape: Shape, public: str | None, timed: tuple[str, str] | None) -> Buffer:
        if timed is None:
            return Buffer("", role, Layout.BATCH, shape, public=public)
        first, slots = self._timeline.steps(*timed)
        return Buffer("", role, Layout.TIME, shape, first, slots, public)

    def _find(self, key: tuple[str, str, str], wanted: str, buffer: Buffer) -> str:
        """Phases that simplify differently may give one name to values of different shapes."""
        place = (key, buffer.shape)
        if place not in self._known:
            models_own = wanted in self._taken and wanted not in self.buffers
            name = wanted if models_own else self._names.fresh(wanted)
            self._known[place] = name
            self.buffers[name] = replace(buffer, name=name)
        return self._known[place]

    def _zero(self, name: str) -> str:
        self.zeroed.setdefault(name)
        return name
