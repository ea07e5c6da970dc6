"""A document made by hand that has every kind of block, node and line; and the smallest one there is."""

from __future__ import annotations

from dataclasses import replace

import sympy

from chalkgrad import derive
from chalkgrad.derive.documents.tree import (
    Document,
    Entry,
    Equations,
    Figure,
    Inline,
    Items,
    Line,
    Listing,
    Paragraph,
    Plot,
    Remark,
    Section,
    Table,
)
from chalkgrad.derive.figures.drawing import Arrow, Box, Drawing, Label
from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.writing.expressions import expr_node, symbol_node, t
from chalkgrad.derive.writing.notation import notation
from chalkgrad.derive.writing.tree import (
    AST,
    EQUALS,
    MINUS,
    PLUS,
    Accent,
    Big,
    Call,
    Cases,
    Derivative,
    Fence,
    Frac,
    Ident,
    Matrix,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Root,
    Size,
    Sub,
    Sup,
    Transposed,
    When,
    Words,
    Wrong,
    joined,
    row,
)

T = sympy.Symbol("T", integer=True, positive=True)
k = sympy.Symbol("k", integer=True)

PICTURE = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="320pt" height="120pt" viewBox="0 0 320 120"
     xmlns="http://www.w3.org/2000/svg" version="1.1">
 <metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>
 <defs><style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>
 <path id="mark" d="M -3 -3 L 3 3"/><clipPath id="room"><rect width="320" height="120"/></clipPath></defs>
 <g id="axes" clip-path="url(#room)"><path d="M 20 100 L 300 20" style="fill: none; stroke: #1f77b4"/>
 <use xlink:href="#mark" x="20" y="100" style="stroke: #000"/></g>
 <text x="30" y="20" style="font-size: 10px">‖∂L/∂a‖ &lt; 1 &amp; falling</text>
</svg>
"""


def words(*parts: Inline) -> Paragraph:
    return Paragraph(parts)


def shape(*sizes: str) -> Node:
    items: list[Node] = []
    for size in sizes:
        items += [Op(","), Size(size)] if items else [Size(size)]
    return Fence(row(*items), sized=False)


def to(above: Node, below: Node, immediate: bool = False) -> Node:
    return Derivative(above, below, immediate)


def a(step: object) -> Node:
    return Name("a", step)  # type: ignore[arg-type]


L2, W, Y2 = Objective("L", 2), Par("W_aa"), Name("yhat", 2)


def sample(chosen: str = "note", model: str = "vanilla") -> Document:
    """Everything at once, with the equations of a built-in model among it."""
    derivation = derive.bptt(derive.load(model))
    forward = [f for phase in derivation.phases for f in phase.forward]
    numbers = tuple(f.number for f in forward)
    sections = (
        Section(
            "model",
            "The model & its equations",
            (*_model(derivation), _notation_table(_glossary(derivation))),
        ),
        Section("chain", "The chain rule, one rule a line", _chain()),
        Section("deltas", "δ: the base case and the recurrence", _deltas(derivation)),
        Section("two", "T = 2 written out", _two()),
        Section("numbers", "Numbers, cases & matrices", _numbers()),
        Section("pictures", "Pictures", _pictures()),
        Section("exam", "To be worked out", _exam()),
        Section("program", "The program", (_program(numbers),)),
    )
    return Document(
        title="Back-propagation through time, <by hand> & checked",
        subtitle="A network with one state, many to many",
        sections=sections,
        notation=notation(chosen, derivation),
        glossary=_glossary(derivation),
        checked=(212, 3, 40),
    )


def smallest() -> Document:
    """One section, nothing in it, nothing checked."""
    whole = sample()
    return replace(whole, sections=(Section("only", "Only", ()),), glossary=(), checked=(0, 0, 0))


# ----------------------------------------------------------------------------- sections


def _glossary(derivation: derive.Derivation) -> tuple[Entry, ...]:
    found = [
        Entry(When(t), Words("number"), ("a step, counted from 1",)),
        Entry(When(T), Words("number"), ("the number of steps",)),
        Entry(Ident("g"), Words("function"), ("the activation, here ", Call("tanh", Ident("z")))),
        Entry(Objective("L"), Words("scalar"), ("the loss, added up over all steps",)),
    ]
    sizes = derivation.model.sizes
    found += [Entry(Size(size), Words("number"), (meaning,)) for size, meaning in sizes.items()]
    for phase in derivation.phases:
        for f in phase.forward:
            if f.target.name != "L":
                found.append(
                    Entry(symbol_node(f.target), shape(*f.target.shape), (f"{f.target.name} & what follows",))
                )
    for state in derivation.schedule.states:
        delta = Name(state.name, t, Role.COTANGENT)
        found.append(Entry(delta, shape(*state.shape), (to(Objective("L"), symbol_node(state)), ", total")))
        found.append(Entry(symbol_node(state, 0), shape(*state.shape), ("the initial state <zero>",)))
    found.append(Entry(Name("x", t), shape("n_x"), ("the input at step ", When(t))))
    found.append(Entry(Name("y", t), shape("n_y"), ("the target at step ", When(t))))
    found += [Entry(Par(p.name), shape(*p.shape), ("trained",)) for p in derivation.schedule.parameters]
    found.append(Entry(to(Objective("L"), W, True), shape("n_a", "n_a"), ("no symbol of its own",)))
    return tuple(found)


def _notation_table(glossary: tuple[Entry, ...]) -> Table:
    rows = tuple((words(e.symbol), words(e.shape), Paragraph(e.meaning)) for e in glossary)
    return Table((words("symbol"), words("shape"), words("meaning")), rows)


def _model(derivation: derive.Derivation) -> tuple[object, ...]:
    lines = []
    for phase in derivation.phases:
        for f in phase.forward:
            if f.target.name != "L":
                lines.append(
                    Line(
                        symbol_node(f.target),
                        expr_node(f.value),
                        numbers=(f.number,),
                        rule=(f.rule,),
                        where=(row(When(t), EQUALS, Number("1"), Op(","), Op("…"), Op(","), When(T)),),
                        shape=shape(*f.target.shape),
                        verdict=True,
                    )
                )
    told = words(
        "The state ",
        a(t),
        " follows from the state before, ",
        a(t - 1),
        ", and the input ",
        Name("x", t),
        "; here ",
        Ident("g"),
        " is ",
        Call("tanh", Ident("z")),
        ", and ",
        a(0),
        " is given. Its shape is ",
        shape("n_a"),
        ".",
    )
    return told, Equations(tuple(lines))


def _chain() -> tuple[object, ...]:
    first = to(L2, W)
    lines = (
        Line(first, row(to(L2, Y2), to(Y2, W)), rule=("chain rule through ", Y2), shape=shape("n_a", "n_a")),
        Line(
            None, row(to(L2, Y2), to(Y2, a(2)), to(a(2), W)), rule=("chain rule through ", a(2)), verdict=True
        ),
        Line(
            None,
            row(
                to(L2, Y2),
                to(Y2, a(2)),
                Fence(
                    row(
                        to(a(2), W, True),
                        PLUS,
                        to(a(2), a(1)),
                        to(a(1), W, True),
                        PLUS,
                        to(a(2), a(1)),
                        to(a(1), a(0)),
                        to(a(0), W),
                    )
                ),
            ),
            rule=("total derivative: immediate and through the step before",),
            verdict=True,
            numbers=(40,),
        ),
        Line(
            to(Objective("L"), W),
            Big(
                "Σ",
                row(When(t), EQUALS, Number("1")),
                When(T),
                Big(
                    "Σ",
                    row(When(k), EQUALS, Number("1")),
                    When(t),
                    row(
                        to(Objective("L", t), a(t)),
                        Fence(
                            Big(
                                "Π",
                                row(Ident("j"), EQUALS, When(k + 1)),
                                When(t),
                                to(Name("a", sympy.Symbol("j")), Name("a", sympy.Symbol("j") - 1)),
                            )
                        ),
                        to(a(k), W, True),
                    ),
                ),
            ),
            rule=("sum over every step at which the parameter enters",),
            verdict=True,
            numbers=(41, 42),
        ),
    )
    remark = Remark(
        "remark", (words("∂ is total, ", to(a(2), W), "; ∂⁺ is immediate, ", to(a(2), W, True), "."),)
    )
    return words("Every line names its rule."), Equations(lines), remark


def _deltas(derivation: derive.Derivation) -> tuple[object, ...]:
    lines = []
    for phase in derivation.phases:
        for e in phase.adjoint:
            left = Name(e.target.name, t, Role.COTANGENT)
            for i, term in enumerate(e.terms):
                lines.append(
                    Line(
                        left if i == 0 else None,
                        expr_node(term.at_t),
                        "=" if i == 0 else "+",
                        numbers=(e.number,) if i == 0 else (),
                        rule=(term.rule,),
                        verdict=True,
                        shape=shape(*e.target.shape),
                    )
                )
    delta = Name("a", t, Role.COTANGENT)
    squares = [row(delta, AST, Sup(a(t - i), Number("2"))) for i in range(1, 10)]
    many = joined(
        [
            row(Transposed(Par("W_ya")), Name("yhat", t), thin=True),
            *(row(MINUS, square) if i % 2 else square for i, square in enumerate(squares)),
        ]
    )
    whole = Line(delta, many, rule=("a sum that is wider than any screen",), numbers=(77,), verdict=True)
    inside = Line(
        delta,
        row(Call("g", many, primes=1), AST, Transposed(Fence(many)), Sub(Fence(many, "[]"), Ident("i"))),
        rule=("wide inside its parentheses",),
        numbers=(78,),
    )
    return Equations(tuple(lines)), Equations((whole, inside))


def _two() -> tuple[object, ...]:
    last = row(to(L2, Y2), to(Y2, a(2)), to(a(2), a(1)), to(a(1), W))
    quoted = Equations(
        (
            Line(to(L2, W), row(to(L2, Y2), to(Y2, W)), quoted=True, verdict=True, rule=("first line",)),
            Line(None, last, quoted=True, verdict=False, rule=("its last line",), shape=shape("n_a", "n_a")),
        )
    )
    marked = Equations(
        (
            Line(
                Objective("L"),
                row(
                    Objective("L", 1),
                    PLUS,
                    Objective("L", 2),
                    Fence(Wrong(row(Name("yhat", 1), Op(","), Name("y", 1)))),
                ),
                quoted=True,
                verdict=False,
            ),
            Line(Objective("L"), row(Objective("L", 1), PLUS, Objective("L", 2)), "≠", verdict=False),
        )
    )
    return (
        Remark("quotation", (words("As we can see, the derivative requires ", a(1), "."), quoted)),
        Remark(
            "warning",
            (
                words(
                    "With ",
                    row(a(0), EQUALS, Number("0")),
                    " the documented line alone is ",
                    Number("0"),
                    ".",
                ),
                marked,
            ),
        ),
    )


def _numbers() -> tuple[object, ...]:
    z = Ident("z")
    cases = Cases(((z, row(z, Op(">"), Number("0"))), (Number("0"), None)))
    grid = Matrix(tuple(tuple(Number(f"{(-1) ** j * (i + j / 7):.4f}") for j in range(3)) for i in range(3)))
    wide = Matrix(tuple(tuple(Number(f"{i + j / 7:.12f}") for j in range(4)) for i in range(2)))
    lines = (
        Line(Call("relu", z), cases, rule=("by cases",), verdict=True),
        Line(W, grid, "≈", shape=shape("n_a", "n_a")),
        Line(Transposed(Par("W_ax")), wide, "≈", shape=shape("n_x", "n_a")),
        Line(Ident("epsilon"), row(MINUS, Number("2.5", -16))),
        Line(Accent(Ident("v"), "‾"), Root(Frac(row(Ident("alpha"), PLUS, Ident("1", "bold")), Number("2")))),
        Line(Sub(a(t), Ident("i")), Big("max", Ident("j"), None, Sub(a(t), Ident("j")))),
        Line(Name("a", t, Role.EXTERNAL), Call("log", Sup(Ident("s", "bold"), Number("2")), bare=True)),
        Line(Par("W_aa", moved=True), Call("sqrt", Fence(z, "||"))),
        Line(row(Ident("enc", "upright"), Ident("T")), Call("softmax", Fence(z, "[]"))),
    )
    head = (words("step ", When(t)), words(Name("a", t)), words("contribution"))
    rows = tuple(
        (words(Number(str(i))), words(row(MINUS, Number(f"0.{i}1234567890123"))), words(f"{i / 3:.10f}"))
        for i in range(1, 6)
    )
    return Equations(lines), Table(head, rows)


def _pictures() -> tuple[object, ...]:
    boxes = (
        Box(4, 2, 5, 2, (Label(4, 2, a(1)),)),
        Box(14, 2, 5, 2, (Label(14, 2, a(2)),), kind="round"),
    )
    arrows = (Arrow(((6.5, 1.5), (11.5, 1.5))), Arrow(((11.5, 2.5), (6.5, 2.5)), backwards=True))
    drawing = Drawing(
        18, 4, boxes, arrows, title="Two steps", description="The state goes from 1 to 2, δ back."
    )
    table = Table((words("t"), words("k"), words("norm")), ((words("2"), words("1"), words("0.25")),))
    return (
        Figure(
            drawing, words("The network over two steps; ", Name("a", t, Role.COTANGENT), " goes backwards.")
        ),
        Plot(PICTURE, None, table, words("The norm falls with ", row(When(t), MINUS, When(k)), ".")),
        Plot(PICTURE, None, table, words("The same again, so that no id is there twice.")),
        Plot(None, None, table, words("What could not be drawn is told in numbers.")),
    )


def _exam() -> tuple[object, ...]:
    question = Remark("question", (words("What is ", to(Objective("L"), Par("b_a")), "?"),))
    steps = (words("Start from ", Name("a", T, Role.COTANGENT), "."), words("Go back to ", When(t), "."))
    answer = Line(
        to(Objective("L"), Par("b_a")), Big("Σ", When(t), None, Name("a", t, Role.COTANGENT)), numbers=(90,)
    )
    return question, Items(steps, numbered=True), Items(steps), Equations((answer,), answer=True)


def _program(numbers: tuple[int, ...]) -> Listing:
    lines: list[str] = [
        '#include "cell.h"',
        "",
        "/* One step,",
        " * forwards & back. */",
        "void step(void)",
        "{",
    ]
    carried: list[tuple[int, ...]] = [() for _ in lines]
    for number in (*numbers, 40, 41, 77):
        lines += [
            f"    /* ({number})  v{number}[t] = tanh(z[t])    (B, n_a) */",
            "    for (size_t i = 0; i < n && B; ++i)",
            f'        v[i] = tanh(z[i]) + {number}.0; // "not a string"',
        ]
        carried += [(number,), (number,), (number,)]
    lines += ['    puts("a /* no comment */ <string>");', "}"]
    carried += [(), ()]
    return Listing("The forward pass, as C <excerpt>", "C", tuple(lines), tuple(carried))
