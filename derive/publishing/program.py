"""The program that computes the equations, beside them: whoever makes one registers it.

The entry points of the group "chalkgrad.programs" are functions of a derivation that give (language, lines,
numbers): numbers[i] are the equations that line i computes. Nothing here knows who they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.documents.pieces import paragraph
from chalkgrad.derive.documents.tree import Listing, Section

GROUP = "chalkgrad.programs"


def program_section(derivation: Derivation) -> Iterator[Section]:
    """A section for every program that is registered."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        language, lines, numbers = entry.load()(derivation)
        told = paragraph(
            "The lines of the generated program that compute the equations; they carry the same numbers. "
            "Point at one to find the other."
        )
        title = f"The same equations in {language}"
        listing = Listing(title, language, tuple(lines), tuple(tuple(n) for n in numbers))
        yield Section(f"program-{entry.name}", title, (told, listing))
