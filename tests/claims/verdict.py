"""The verdict on a claim: three values at each place, and the conditions under which nothing is false."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

import numpy as np

from tests.claims import quantities
from tests.claims.evaluate import Evaluator, Layout
from tests.claims.functions import Array
from tests.claims.models import Extent, Network, Setting
from tests.claims.quantities import Doubtful, Quantity, ShapesDoNotFit
from tests.claims.simulate import LOSS, Point, Simulation
from tests.claims.trees import (
    Claim,
    Delta,
    Loss,
    Node,
    Num,
    Power,
    Slope,
    Sum,
    Turned,
    Value,
    Weight,
    free_letters,
    indices,
    places,
)

TRUE, FALSE, UNDEFINED = "true", "false", "undefined"
EQUAL, DIFFERENT = 1e-8, 1e-6
SHARES, INSIDE = "sum(y) = 1", "0 < yhat < 1"
POINTS = 2
_TRIES = 60


@dataclass(frozen=True)
class Verdict:
    kind: str
    conditions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """extent, last step, the steps of letters in order, and what came out."""

    extent: Extent
    last: int
    steps: tuple[int, ...]
    status: str


@cache
def judge(setting: Setting) -> Judge:
    return Judge(setting)


class Judge:
    """Judges claims about one network."""

    def __init__(self, setting: Setting) -> None:
        self.network = Network(setting)
        self._simulations: dict[tuple[Extent, tuple[int, ...], frozenset[str]], Simulation | None] = {}

    def verdict(self, claim: Claim) -> Verdict:
        """Raises Doubtful."""
        nodes = [node for side in (claim.left, claim.right) for _, node in places(side)]
        if not any(isinstance(node, (Value, Delta, Weight, Loss, Slope)) for node in nodes):
            return Verdict("nothing claimed")
        found = [self._in(layout, claim) for layout in ("gradient", "jacobian")]
        right = sorted((v for v in found if v.kind == "right"), key=lambda v: len(v.conditions))
        if right:
            return right[0]
        return next((v for v in found if v.kind != "wrong"), found[0])

    def _in(self, layout: Layout, claim: Claim) -> Verdict:
        letters = tuple(sorted(free_letters(claim.left) | free_letters(claim.right)))
        general = self._places(layout, claim, letters, frozenset())
        if not any(p.status != UNDEFINED for p in general):
            return Verdict("nothing claimed")
        found = under(general, letters)
        if found is not None:
            return Verdict("right", found)
        special = [SHARES, INSIDE, *(f"{state}[0] = 0" for state in self.network.states)]
        if under(self._places(layout, claim, letters, frozenset(special)), letters) is None:
            return Verdict("wrong")
        for count in range(1, len(special) + 1):
            for chosen in combinations(special, count):
                found = under(self._places(layout, claim, letters, frozenset(chosen)), letters)
                if found is not None:
                    return Verdict("right", found | set(chosen))
        return Verdict("wrong")

    # ------------------------------------------------------------------------- places

    def _places(
        self, layout: Layout, claim: Claim, letters: tuple[str, ...], meets: frozenset[str]
    ) -> list[Place]:
        found = []
        for extent, sizes in self._tried(claim):
            simulation = self._simulation(extent, sizes, meets)
            if simulation is None:
                continue
            evaluator = Evaluator(simulation, layout)
            last = simulation.length
            for steps in product(range(1, last + 1), repeat=len(letters)):
                at = dict(zip(letters, steps, strict=True))
                found.append(Place(extent, last, steps, self._status(evaluator, claim, at)))
        return found

    def _tried(self, claim: Claim) -> Iterator[tuple[Extent, tuple[int, ...]]]:
        named = {
            abs(i.number) for side in (claim.left, claim.right) for _, n in places(side) for i in indices(n)
        }
        for side in (claim.left, claim.right):
            for _, node in places(side):
                if isinstance(node, Num):
                    named |= {abs(node.value.numerator), node.value.denominator}
                if isinstance(node, Power):
                    named.add(node.exponent)
        free = [n for n in range(6, 60) if n not in named]
        names = self.network.sizes
        first, second = tuple(free[: len(names)]), tuple(reversed(free[1 : len(names) + 1]))
        (output,) = self.network.computed["yhat"].shape or ("",)
        single = tuple(1 if name == output else n for name, n in zip(names, first, strict=True))
        for number, extent in enumerate(self.network.extents()):
            yield extent, (first, second)[number % 2]
        yield self.network.extents()[min(2, len(self.network.extents()) - 1)], second
        yield self.network.extents()[min(1, len(self.network.extents()) - 1)], single

    def _status(self, evaluator: Evaluator, claim: Claim, at: dict[str, int]) -> str:
        try:
            left, right = evaluator.of(claim.left, at), evaluator.of(claim.right, at)
            left, right = _summed(left, claim.right), _summed(right, claim.left)
            gap = quantities.added(left, quantities.negative(right))
        except ShapesDoNotFit:
            return FALSE
        if gap.missing or left.missing or right.missing:
            return UNDEFINED
        size = max(float(np.abs(left.plain).max()), float(np.abs(right.plain).max()))
        apart = float(np.abs(gap.plain).max())
        if apart <= EQUAL * size or apart <= 1e-11 * max(left.scale, right.scale, 1e-3):
            return TRUE
        if apart > DIFFERENT * size:
            return FALSE
        raise Doubtful("two numbers that nearly agree")

    # ------------------------------------------------------------------------- points

    def _simulation(self, extent: Extent, sizes: tuple[int, ...], meets: frozenset[str]) -> Simulation | None:
        key = extent, sizes, meets
        if key not in self._simulations:
            self._simulations[key] = self._made(extent, sizes, meets)
        return self._simulations[key]

    def _made(self, extent: Extent, sizes: tuple[int, ...], meets: frozenset[str]) -> Simulation | None:
        named = dict(zip(self.network.sizes, sizes, strict=True))
        for attempt in range(_TRIES):
            rng = np.random.default_rng([attempt, *extent, *sizes])
            made = Simulation(self.network, extent, self._drawn(named, extent, rng, attempt, meets))
            with np.errstate(all="ignore"):
                values = made.base
            plain = all(
                np.isfinite(v).all() and (name == LOSS or np.abs(v).max() < 8)
                for (name, _), v in values.items()
            )
            outputs = [v.real for (name, _), v in values.items() if name == "yhat"]
            inside = all(((v > 0) & (v < 1)).all() for v in outputs)
            if plain and (inside or INSIDE not in meets):
                return made
        return None

    def _drawn(
        self,
        sizes: dict[str, int],
        extent: Extent,
        rng: np.random.Generator,
        attempt: int,
        meets: frozenset[str],
    ) -> Point:
        network = self.network
        scale, kind = 0.7 / 2 ** (attempt // 6), attempt % 3
        kind = max(kind, 1) if INSIDE in meets else kind
        positive = kind == 2

        def numbers(*shape: int) -> Array:
            signs = 1 if positive else rng.choice((-1, 1), size=(POINTS, *shape))
            return np.asarray(scale * rng.uniform(0.2, 1, size=(POINTS, *shape)) * signs)

        steps = network.steps(extent)
        x, y = {}, {}
        for step in steps:
            if step.reads and step.reads[0] == "x":
                x[step.t] = numbers(*(sizes[n] for n in network.shape("x", step.network)))
            if step.output:
                target = rng.uniform(0.05, 0.95, size=(POINTS, *(sizes[n] for n in network.shape("y", ""))))
                target = target.reshape(POINTS, -1)
                y[step.t] = target / target.sum(axis=-1, keepdims=True) if SHARES in meets else target
        parameters = {name: numbers(*(sizes[n] for n in shape)) for name, shape in network.parameters.items()}
        if kind == 1:  # an output near 1/2, and everything else of both signs
            for name in network.last_cell.output_only:
                name = f"dec_{name}" if network.two else name
                own = parameters[name]
                parameters[name] = own / 16 if own.ndim == 3 else np.abs(own) / scale * 0.5 + 0.2
        initial = {}
        for state, shape in network.states.items():
            start = numbers(sizes[shape])
            initial[state] = 0 * start if f"{state}[0] = 0" in meets else start
        return Point(sizes, parameters, x, y, initial)


def _summed(side: Quantity, other: Node) -> Quantity:
    """L[t] = a vector means the sum of its components."""
    while isinstance(other, Turned) or (isinstance(other, Sum) and len(other.terms) == 1):
        other = other.inner if isinstance(other, Turned) else other.terms[0][1]
    return quantities.total(side) if isinstance(other, Loss) and side.shape.is_vector else side


# ----------------------------------------------------------------------------- conditions


@dataclass(frozen=True)
class Bound:
    """A condition on the step of a letter: what it leaves out."""

    told: str
    letter: int
    end: str = ""
    other: int = -1

    def leaves_out(self, place: Place) -> bool:
        own = place.steps[self.letter]
        if self.other >= 0:
            return own > place.steps[self.other]
        return own == (place.last if self.end == "T" else 1)


def under(places: Sequence[Place], letters: tuple[str, ...]) -> frozenset[str] | None:
    """The fewest conditions under which nothing is false and something true."""
    found = _bounded(places, letters)
    if found is None:
        same = [p for p in places if p.extent[0] == p.extent[1]]
        if (
            len(same) < len(places)
            and (found := _bounded(same, letters)) is not None
            and _borne_out(same, True)
        ):
            return found | {"T_x = T_y"}
    return found


def _bounded(places: Sequence[Place], letters: tuple[str, ...]) -> frozenset[str] | None:
    ends = [Bound(f"{name} < T", n, "T") for n, name in enumerate(letters)]
    ends += [Bound(f"{name} > 1", n, "1") for n, name in enumerate(letters)]
    pairs = [
        Bound(f"{one} <= {other}", n, other=m)
        for n, one in enumerate(letters)
        for m, other in enumerate(letters)
        if n != m
    ]
    for count in range(3):
        for chosen in combinations([*ends, *pairs], count):
            if sum(b.other >= 0 for b in chosen) > 1:
                continue
            kept = [p for p in places if not any(b.leaves_out(p) for b in chosen)]
            if any(p.status == FALSE for p in kept) or not _borne_out(kept, bool(chosen)):
                continue
            return frozenset(b.told for b in (*chosen, *_missing_ends(places, ends, chosen)))
    return None


def _borne_out(kept: Sequence[Place], conditional: bool) -> bool:
    """True somewhere; what is right under a condition at two lengths, if there are two."""
    true = {p.extent for p in kept if p.status == TRUE}
    return len(true) >= min(2 if conditional else 1, len({p.extent for p in kept}) or 1)


def _missing_ends(places: Sequence[Place], ends: list[Bound], chosen: tuple[Bound, ...]) -> list[Bound]:
    """Ends where nothing is true, if whatever is undefined lies there."""
    long = [p for p in places if p.last >= 3]
    undefined = [p for p in long if p.status == UNDEFINED]
    bare = [
        b
        for b in ends
        if any(b.leaves_out(p) for p in undefined)
        and not any(b.leaves_out(p) and p.status == TRUE for p in long)
    ]
    all_there = all(any(b.leaves_out(p) for b in (*bare, *chosen)) for p in undefined)
    return bare if all_there else []
