"""What a document says, section by section: one tree for every format, every line of it checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalkgrad.derive import choices
from chalkgrad.derive.chaining.chain import chain
from chalkgrad.derive.choices import Layout
from chalkgrad.derive.deriving.derivation import LOSS, OUTSIDE, Derivation
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.documents.backward import Backward, outside_section, shared_section
from chalkgrad.derive.documents.chained import Chained
from chalkgrad.derive.documents.example import Example, example, example_section, gradient_check
from chalkgrad.derive.documents.notated import derivatives_section, glossary, notation_section
from chalkgrad.derive.documents.pieces import paragraph
from chalkgrad.derive.documents.plot import plot
from chalkgrad.derive.documents.stated import forward_section, model_section
from chalkgrad.derive.documents.tree import Block, Document, Figure, Line, Section
from chalkgrad.derive.documents.verified import Judge, counted, verified
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.figures.network import network_drawing
from chalkgrad.derive.figures.vanishing import vanishing
from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.writing.expressions import t
from chalkgrad.derive.writing.notation import Notation, notation
from chalkgrad.derive.writing.tree import Name
from chalkgrad.derive.writing.unicode import unicode


@dataclass(frozen=True)
class Wanted:
    """What a document is to be about; T: the steps that are written out. wrt: gradients, all by default.

    pictures: whether plots are drawn, which takes a while, or only told in numbers.
    """

    T: Steps = None
    notation: choices.Notation = "note"
    layout: Layout = "gradient"
    loss_step: int | None = None
    wrt: tuple[str, ...] | None = None
    pictures: bool = True


def content(derivation: Derivation, wanted: Wanted, call: str) -> Document:
    """The full document, all of its equalities checked. call: the Python that loads the model.

    Raises ChoiceError for a choice that there is not, WrongStep for an equality that does not hold.
    """
    if wanted.layout not in choices.LAYOUTS:
        raise ChoiceError("layout", " or ".join(choices.LAYOUTS), wanted.layout)
    for name in wanted.wrt or ():
        if name not in derivation.gradients:
            raise ChoiceError("wrt", f"names among {', '.join(derivation.gradients)}", name)
    chosen, entries = notation(wanted.notation, derivation), glossary(derivation, wanted.layout)
    given = example(derivation, wanted.T) if derivation.loss is not None else None
    model = derivation.model
    feed = "" if model.feed == "none" else f", the {model.feed} fed back"
    judge = Judge(derivation, None if given is None else given.oracle)

    def sections() -> Iterator[Section]:
        yield model_section(derivation)
        yield notation_section(entries, wanted.notation)
        yield _network(derivation, wanted.T)
        yield forward_section(derivation)
        yield derivatives_section(derivation, wanted.layout)
        yield from _backward(derivation, wanted)
        if derivation.loss is not None:
            verified(shared_section(derivation, wanted.layout), judge, told)
        yield from _with_loss(derivation, wanted, given, call, chosen)

    def told(line: Line) -> str:
        left = "" if line.left is None else f"{unicode(line.left, chosen)} "
        return f"{left}{line.relation} {unicode(line.right, chosen)}"

    document = Document(
        model.title,
        f"Back-propagation through time, {model.architecture}{feed}",
        tuple(verified(section, judge, told) for section in sections()),
        chosen,
        entries,
        (0, 0, 0),
    )
    checked = counted(document)
    count, points, digits = checked.checked
    said = paragraph(
        f"Every displayed equality, {count} of them, was held to the derivatives of the network at {points} "
        f"random points with {digits} digits, and every printed number to the network of the example.",
    )
    last = Section("checked", "What was checked", (said,))
    return replace(checked, sections=(*checked.sections, last))


def _network(derivation: Derivation, T: Steps) -> Section:
    drawing = network_drawing(derivation, T)
    backwards = Name("v", t, Role.COTANGENT)
    caption = paragraph(
        f"The network unrolled, {derivation.model.architecture}. Solid arrows: forward. Dashed "
        f"arrows: the gradients {{}} on their way back.",
        backwards,
    )
    return Section("network", "The network unrolled", (Figure(drawing, caption),))


def _backward(derivation: Derivation, wanted: Wanted) -> Iterator[Section]:
    way = Backward(derivation, wanted.layout, LOSS if derivation.loss is not None else OUTSIDE)
    yield way.section()
    yield way.gradients(wanted.wrt)
    if derivation.loss is not None and (outside := outside_section(derivation, wanted.layout)) is not None:
        yield outside


def _with_loss(
    derivation: Derivation, wanted: Wanted, given: Example | None, call: str, chosen: Notation
) -> Iterator[Section]:
    if given is None:
        return
    parameters = {p.name for p in derivation.schedule.parameters}
    of = next((name for name in wanted.wrt or () if name in parameters), None)
    if parameters:
        yield Chained(chain(derivation, wanted.T, wanted.loss_step, of), wanted.layout).section()
    yield example_section(given, call, wanted.wrt, wanted.layout)
    checks = tuple(_checks(derivation, given, chosen, wanted))
    yield Section("check", "The gradient check, and gradients over time", checks)


def _checks(derivation: Derivation, given: Example, chosen: Notation, wanted: Wanted) -> Iterator[Block]:
    table = gradient_check(given, wanted.wrt, wanted.layout)
    if table.rows:
        yield paragraph(
            "A derivative that was derived by hand is checked by central differences: "
            "(L(θ + ε) − L(θ − ε)) / 2ε differs from ∂L/∂θ by an error that falls with ε², until rounding "
            "takes over. Here the digits suffice, and every error falls by 10⁴ from column to column; a loss "
            "that is quadratic in the component leaves none. At a kink of a function central differences "
            "confirm the mean of the two slopes, so a check has to keep away from it.",
        )
        yield table
    found = vanishing(derivation)
    if found is not None:
        yield plot(found, chosen, wanted.pictures)


def equations(sections: Sequence[Section]) -> Iterator[Block]:
    """All blocks of some sections."""
    for section in sections:
        yield from section.blocks
