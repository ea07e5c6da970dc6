"""Sizes and step counts, learned from one array after another and held against all later ones."""

from __future__ import annotations

from dataclasses import dataclass

from chalkgrad.codegen.errors import ArgumentError


@dataclass(frozen=True)
class Slot:
    """Where an array goes: its canonical name, the caller's name for it, and its axes.

    An array as given has the axes `counts` and then `sizes`; its canonical layout has `layout_counts`
    in place of `counts`, with the axes of length 1 that the caller left out. A count is the name of a
    number of steps, "B", or "1".
    """

    key: str
    argument: str
    counts: tuple[str, ...]
    layout_counts: tuple[str, ...]
    sizes: tuple[str, ...]

    def layout(self, extents: Extents, batch: int) -> tuple[int, ...]:
        """The canonical shape, once all extents are known."""
        rows = (batch if axis == "B" else extents.counts[axis] for axis in self.layout_counts)
        return (*rows, *(extents.sizes[axis] for axis in self.sizes))


class Extents:
    """The extents known so far: counts of steps and examples by name, sizes by name.

    The first array that shows an unknown extent decides it. Tied sizes must be equal.
    """

    def __init__(
        self, counts: dict[str, int], sizes: dict[str, int], tied: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.counts, self.sizes, self._tied = counts, sizes, tied

    def fit(self, slot: Slot, shape: tuple[int, ...]) -> None:
        """Hold an array's shape, as given, against what is known. Raises ArgumentError."""
        if len(shape) != len(slot.counts) + len(slot.sizes):
            raise self._misfit(slot, shape)
        for axis, extent in zip(slot.counts, shape, strict=False):
            known = self.counts.get(axis)
            if known is None:
                if extent == 0 and axis != "B":
                    raise ArgumentError(slot.argument, "at least one step", f"shape {shape}")
                self.counts[axis] = extent
            elif known != extent:
                raise self._misfit(slot, shape)
        for axis, extent in zip(slot.sizes, shape[len(slot.counts) :], strict=True):
            known = self.sizes.get(axis)
            if known is None:
                if extent == 0:
                    raise ArgumentError(slot.argument, f"{axis} of at least 1", f"shape {shape}")
                self._fit_tied(slot, axis, extent, shape)
                self.sizes[axis] = extent
            elif known != extent:
                raise self._misfit(slot, shape)

    def fit_count(self, argument: str, axis: str, extent: int) -> None:
        """Hold a number of steps against what is known. Raises ArgumentError."""
        known = self.counts.setdefault(axis, extent)
        if extent < 1:
            raise ArgumentError(argument, "at least one step", str(extent))
        if known != extent:
            expected = str(known) if axis == "1" else f"{axis} = {known}"
            raise ArgumentError(argument, expected, str(extent))

    def complete(self) -> None:
        """Give a size that no array showed the value of the one that it is tied to."""
        for left, right in self._tied:
            for name, other in ((left, right), (right, left)):
                if name not in self.sizes and other in self.sizes:
                    self.sizes[name] = self.sizes[other]

    def _fit_tied(self, slot: Slot, axis: str, extent: int, shape: tuple[int, ...]) -> None:
        for pair in self._tied:
            if axis in pair:
                other = pair[0] if axis == pair[1] else pair[1]
                if self.sizes.get(other, extent) != extent:
                    expected = f"{axis} = {other} = {self.sizes[other]}"
                    raise ArgumentError(slot.argument, expected, f"shape {shape}")

    def _misfit(self, slot: Slot, shape: tuple[int, ...]) -> ArgumentError:
        axes = (*slot.counts, *slot.sizes)
        known = self.counts | self.sizes
        numbers = [f"{axis} = {known[axis]}" for axis in dict.fromkeys(axes) if axis in known and axis != "1"]
        expected = f"shape ({', '.join(axes)}{',' if len(axes) == 1 else ''})"
        if numbers:
            expected += f" with {', '.join(numbers)}"
        return ArgumentError(slot.argument, expected, f"shape {shape}")
