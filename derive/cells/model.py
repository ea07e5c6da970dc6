"""A model: one cell as data, with every choice made (functions, architecture, feed, loss).

What `derive.cells.modelfile.load` returns and everything else starts from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chalkgrad.derive import choices
from chalkgrad.derive.errors import DerivationError
from chalkgrad.derive.showing import Shown
from chalkgrad.derive.terms.algebra import Expr, Parameter, Symbol

YHAT = "yhat"  # what the output defines


@dataclass(frozen=True, repr=False)
class Definition(Shown):
    """One equation of a model file: `name` at step t is `value`.

    `value` reads names at lag 0 (earlier definitions, the input, states already written in this
    step) or −1 (states). `source` is the text of the right-hand side.
    """

    name: str
    value: Expr
    source: str


@dataclass(frozen=True)
class Model(Shown):
    """A recurrent cell, its output and loss, unrolled as `architecture` says.

    x: the input, a vector. states: vectors, each written by one definition of `cell`.
    output: definitions ending with yhat; empty for a model without an output. `loss` is one of
    `choices.LOSSES`, or None exactly when there is no output.

    The last three say where it comes from, and are no part of what it is: the name or path that it was loaded
    from, if there was one; the text of the model file; the model as that text says it.
    """

    name: str
    title: str
    sizes: Mapping[str, str] = field(hash=False)  # size name → what it counts
    x: Symbol
    states: tuple[Symbol, ...]
    parameters: tuple[Parameter, ...]
    functions: Mapping[str, str] = field(hash=False)  # name used in the equations → function chosen
    cell: tuple[Definition, ...]
    output: tuple[Definition, ...]
    loss: choices.Loss | None
    architecture: choices.Architecture = choices.MANY_TO_MANY
    feed: choices.Feed = choices.NO_FEED
    origin: str = field(default="", compare=False)
    text: str = field(default="", compare=False)
    loaded: Model | None = field(default=None, compare=False)

    @property
    def y(self) -> Symbol | None:
        """The target, of the shape of yhat."""
        return Symbol("y", self.output[-1].value.shape) if self.output else None

    def to_toml(self) -> str:
        """The model file, which `load(text=…)` reads to an equal model under the same choices.

        Raises DerivationError for a model that was made or changed by other means than `load`, other than in
        its architecture and feed, of which a file says nothing.
        """
        kept = self.loaded and replace(self.loaded, architecture=self.architecture, feed=self.feed)
        if self != kept:
            expected = "expected a model as load has read it"
            raise DerivationError(f"to_toml: {expected}, received {self!r}, made or changed by other means")
        return self.text

    def __repr__(self) -> str:
        fed = f", feed={self.feed}" if self.feed != choices.NO_FEED else ""
        chosen = "".join(f", {name}={function}" for name, function in self.functions.items())
        return f"<Model {self.name}, {self.architecture}{fed}{chosen}, loss={self.loss}>"
