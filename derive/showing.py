"""What models, derivations and their steps show of themselves: in a terminal, as LaTeX, in a notebook.

The printers stand far above what they print. `derive.publishing.shown` enters them here when the package is
imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_SHORT = 60  # characters of what a repr shows


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

    def _repr_latex_(self) -> str:
        return self.latex()

    def _repr_html_(self) -> str:
        return _entered[0].html(self)

    def __str__(self) -> str:
        return _entered[0].text(self)

    def __repr__(self) -> str:
        text = " ".join(str(self).split())
        return f"<{type(self).__name__} {text if len(text) <= _SHORT else text[: _SHORT - 1] + '…'}>"
