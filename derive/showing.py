"""What a step of a derivation shows of itself in a notebook."""

from __future__ import annotations


class Shown:
    """Base of models, derivations and their steps; the printers are loaded when something is shown."""

    def _repr_latex_(self) -> str:
        from derive.publishing.shown import latex_of

        return latex_of(self)

    def _repr_html_(self) -> str:
        from derive.publishing.shown import html_of

        return html_of(self)
