"""What models, derivations and their steps show of themselves: in a terminal, as LaTeX, in a notebook.

The printers stand far above what they print. `derive.publishing.shown` enters them here when the package is
imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from chalkgrad.telling import brief


@dataclass(frozen=True)
class Printers:
    """One for each place, of anything that is `Shown`."""

    text: Callable[[Any], str]
    latex: Callable[[Any], str]
    html: Callable[[Any], str]


_entered: list[Printers] = []


def enter(printers: Printers) -> None:
    """Use these from now on."""
    _entered[:] = [printers]


class Shown:
    """Base of models, derivations and their steps."""

    def latex(self) -> str:
        """$$ … $$: the displays of a model, a derivation or a chain, or the one of a step."""
        return _entered[0].latex(self)

    def html(self) -> str:
        """HTML with MathML, to stand in a page. Notebooks take LaTeX: they hide HTML that is not trusted."""
        return _entered[0].html(self)

    def _repr_latex_(self) -> str:
        return self.latex()

    def __str__(self) -> str:
        return _entered[0].text(self)

    def __repr__(self) -> str:
        return brief(self, str(self))


S = TypeVar("S", bound=Shown)


class Gradients(Shown, Mapping[str, S]):
    """name → equation, which show themselves together; `derivation`: whose they are."""

    def __init__(self, derivation: Any, found: Mapping[str, S]) -> None:
        self.derivation, self._found = derivation, dict(found)

    def __getitem__(self, name: str) -> S:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return brief(self, f"by {', '.join(self)}")
