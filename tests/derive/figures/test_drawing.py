"""Drawings on the plane, and as SVG, LaTeX and text: nothing overlaps, nothing is lost."""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from networks import ALL, KEPT, NETWORKS, network, short_and_long

from chalkgrad.derive.choices import NOTATIONS
from chalkgrad.derive.figures.drawing import BARE, END, START, Arrow, Box, Drawing, Label
from chalkgrad.derive.figures.drawn_text import drawn_text
from chalkgrad.derive.figures.lettering import EM, reach, runs, width
from chalkgrad.derive.figures.network import network_drawing
from chalkgrad.derive.figures.picture import picture
from chalkgrad.derive.figures.svg import UNIT, svg
from chalkgrad.derive.writing.notation import NOTE, notation
from chalkgrad.derive.writing.tree import Derivative, Ident, Name, Op, Par, Row, Size, Sub, Sup, Words
from tests.chosen import some

Rectangle = tuple[float, float, float, float]  # left, top, right, bottom
TALL = 0.8  # of a label: letters with an exponent and an index


def drawings(cell: str, architecture: str, feed: str) -> list[Drawing]:
    derivation = network(cell, architecture, feed)
    return [network_drawing(derivation, T) for T in short_and_long(architecture)]


# ----------------------------------------------------------------------------- what overlaps


def rectangle(box: Box) -> Rectangle:
    return box.left, box.top, box.right, box.bottom


def lettered(label: Label) -> Rectangle:
    left, right = reach(label)
    return left, label.y - TALL / 2, right, label.y + TALL / 2


def overlap(one: Rectangle, other: Rectangle) -> bool:
    """Whether they share more than a border."""
    near = 1e-6
    return (
        one[0] < other[2] - near and other[0] < one[2] - near
        and one[1] < other[3] - near and other[1] < one[3] - near
    )  # fmt: skip


def strip(part: tuple[tuple[float, float], tuple[float, float]]) -> Rectangle:
    (x1, y1), (x2, y2) = part
    thin = 0.02
    return min(x1, x2) - thin, min(y1, y2) - thin, max(x1, x2) + thin, max(y1, y2) + thin


def on_border(place: tuple[float, float], box: Box) -> bool:
    x, y = place
    across = box.left <= x <= box.right and y in (box.top, box.bottom)
    return across or (box.top <= y <= box.bottom and x in (box.left, box.right))


def faults(drawing: Drawing) -> list[str]:
    """Everything that is where it must not be."""
    found = []
    for one, other in combinations(drawing.boxes, 2):
        if overlap(rectangle(one), rectangle(other)):
            found.append("two boxes")
    for label in drawing.labels:
        found += ["label on box" for box in drawing.boxes if overlap(lettered(label), rectangle(box))]
    for one_label, other_label in combinations(drawing.labels, 2):
        if overlap(lettered(one_label), lettered(other_label)):
            found.append(f"two labels: {one_label} {other_label}")
    for box in drawing.boxes:
        for label in box.labels:
            left, top, right, bottom = lettered(label)
            if left < box.left or right > box.right or top < box.top or bottom > box.bottom:
                found.append(f"label leaves its box: {label} {box}")
    for arrow in drawing.arrows:
        found += [
            f"arrow from nowhere: {end}"
            for end in (arrow.points[0], arrow.points[-1])
            if not any(on_border(end, box) for box in drawing.boxes)
        ]
        for (x1, y1), (x2, y2) in arrow.parts:
            if (x1 == x2) == (y1 == y2):
                found.append("an arrow that is not level or upright")
        for box in drawing.boxes:
            found += ["arrow through box" for p in arrow.parts if overlap(strip(p), shrunk(box))]
        for label in drawing.labels:
            found += [f"arrow through {label}" for p in arrow.parts if overlap(strip(p), lettered(label))]
    corners = [c for b in drawing.boxes for c in ((b.left, b.top), (b.right, b.bottom))]
    corners += [p for arrow in drawing.arrows for p in arrow.points]
    for label in drawing.labels:
        left, top, right, bottom = lettered(label)
        corners += [(left, top), (right, bottom)]
    if any(not (0 <= x <= drawing.width and 0 <= y <= drawing.height) for x, y in corners):
        found.append("outside")
    return found


def shrunk(box: Box) -> Rectangle:
    return box.left + 0.1, box.top + 0.1, box.right - 0.1, box.bottom - 0.1


@pytest.mark.parametrize("cell, architecture, feed", NETWORKS)
def test_nothing_stands_on_anything(cell: str, architecture: str, feed: str) -> None:
    for drawing in drawings(cell, architecture, feed):
        assert faults(drawing) == []


def test_faults_are_found() -> None:
    """The tests above can fail: each mistake is planted once."""
    a, b = Name("a", 1), Name("b", 1)
    one = Box(2, 2, 3, 2, (Label(2, 2, a),))
    other = Box(8, 2, 3, 2, (Label(8, 2, b),))
    arrow = Arrow(((3.5, 2.0), (6.5, 2.0)))
    good = Drawing(12, 5, (one, other), (arrow,), (Label(5, 3, a),))
    assert faults(good) == []
    for bad in (
        replace(good, boxes=(one, replace(other, x=4))),
        replace(good, labels=(Label(3, 3, a),)),
        replace(good, labels=(Label(5, 2, a),)),
        replace(good, labels=(Label(5, 4, a), Label(5.2, 4.2, a))),
        replace(good, arrows=(Arrow(((3.5, 2.0), (6.0, 2.0))),)),
        replace(good, arrows=(Arrow(((3.5, 2.0), (6.5, 2.5))),)),
        replace(good, arrows=(Arrow(((0.5, 2.0), (6.5, 2.0))),)),
        replace(good, width=9),
        replace(good, boxes=(one, replace(other, labels=(Label(9.4, 2, b),)))),
    ):
        assert faults(bad), bad


# ----------------------------------------------------------------------------- lettering


def test_an_exponent_goes_back_over_an_index() -> None:
    label = Name("delta", 2)
    assert [r.text for r in runs(label, NOTE)] == ["δ", "⟨2⟩"]
    both = Sup(Sub(Ident("W"), Ident("aa")), Ident("enc", "upright"))
    base, index, exponent = runs(both, NOTE)
    assert (base.text, index.text, exponent.text) == ("W", "aa", "enc")
    assert index.rise < 0 < exponent.rise and exponent.back == pytest.approx(index.width)
    apart = width(Sub(Ident("W"), Ident("aa"))) + width(Sup(Ident("W"), Ident("enc", "upright")))
    assert width(both) < apart - width(Ident("W")) * 0.99
    following = runs(Row((Sup(Sub(Ident("W"), Ident("wide")), Ident("i")), Op(","), Ident("b"))), NOTE)
    assert following[3].back < 0, "what follows starts where the wider of both scripts ends"


def test_letters_are_what_a_notation_says() -> None:
    assert "".join(r.text for r in runs(Par("W_alpha"), NOTE)) == "Wα"
    assert "".join(r.text for r in runs(Name("yhat"), NOTE)) == "ŷ"
    assert "".join(r.text for r in runs(Size("n_x"), NOTE)) == "nx"
    with pytest.raises(TypeError, match="Frac"):
        runs(Derivative(Name("a", 1), Name("a", 0)), NOTE)


def test_anchors() -> None:
    wide = width(Words("mmmm"))
    assert reach(Label(3, 0, Words("mmmm"), START)) == (3, 3 + wide)
    assert reach(Label(3, 0, Words("mmmm"), END)) == pytest.approx((3 - wide, 3))
    assert reach(Label(3, 0, Words("mmmm"))) == pytest.approx((3 - wide / 2, 3 + wide / 2))
    assert wide > width(Words("iiii")) > 0


# ----------------------------------------------------------------------------- SVG

SOME = [(cell, *way) for cell, *way in ALL if cell in ("past", "tower", "silent", "many")]


@pytest.mark.parametrize("cell, architecture, feed", some(SOME, KEPT.__contains__))
@pytest.mark.parametrize("chosen", NOTATIONS)
def test_svg_is_well_formed(cell: str, architecture: str, feed: str, chosen: str) -> None:
    derivation = network(cell, architecture, feed)
    for T in short_and_long(architecture):
        drawing = network_drawing(derivation, T)
        written = notation(chosen, derivation)
        root = ElementTree.fromstring(svg(drawing, written, prefix="f7-"))
        names = [e.get("id") for e in root.iter() if e.get("id")]
        assert len(names) == len(set(names)) and all(name.startswith("f7-") for name in names if name)
        referred = re.findall(r"url\(#([^)]*)\)", ElementTree.tostring(root, "unicode"))
        assert set(referred) <= set(names)
        assert root.get("role") == "img" and str(root.get("aria-labelledby")).split() == names[:2]
        title, desc = root.find("title"), root.find("desc")
        assert title is not None and title.text == drawing.title
        assert desc is not None and desc.text == drawing.description
        boxes = [box for box in drawing.boxes if box.kind != BARE]
        assert len(root.findall("rect")) == len(boxes)
        paths = root.findall("path")
        assert len(paths) == len(drawing.arrows)
        dashed = [p for p in paths if p.get("stroke-dasharray")]
        assert len(dashed) == sum(arrow.backwards for arrow in drawing.arrows)
        texts = list(root.iter("text"))
        assert len(texts) == len(drawing.labels) + sum(len(box.labels) for box in drawing.boxes)


def test_a_label_too_long_for_its_box_is_smaller() -> None:
    box = Box(2, 2, 3, 2, (Label(2, 2, Words("much too long for it")),))
    root = ElementTree.fromstring(svg(Drawing(4, 4, (box,), ()), NOTE))
    (text,) = root.iter("text")
    size = float(str(text.get("font-size")))
    assert size < EM * UNIT
    assert width(box.labels[0].text) * size / EM <= box.width * UNIT


def test_a_file_of_its_own_names_its_vocabulary() -> None:
    drawing = Drawing(4, 4, (Box(2, 2, 3, 2, (Label(2, 2, Words("<&>")),)),), (), title="<&>")
    assert "xmlns" not in svg(drawing, NOTE)
    alone = svg(drawing, NOTE, standalone=True)
    assert ElementTree.fromstring(alone).tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme" in alone


# ----------------------------------------------------------------------------- LaTeX


def braces(text: str) -> int:
    depth = 0
    for sign in re.sub(r"\\[{}]", "", text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    return depth


@pytest.mark.parametrize("cell, architecture, feed", NETWORKS)
def test_pictures_are_balanced(cell: str, architecture: str, feed: str) -> None:
    for drawing in drawings(cell, architecture, feed):
        text = picture(drawing, NOTE)
        assert braces(text) == 0 and text.isascii()
        assert text.count(r"\vector") == len(drawing.arrows)
        assert text.count(r"\oval") + text.count(r"\framebox") == sum(
            (2 if box.second and box.kind == "box" else 1) for box in drawing.boxes if box.kind != BARE
        )
        slopes = set(re.findall(r"\\(?:line|vector)\((-?\d),(-?\d)\)", text))
        assert slopes <= {("1", "0"), ("-1", "0"), ("0", "1"), ("0", "-1")}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX")
def test_pictures_compile_within_the_text(tmp_path: Path) -> None:
    pages = []
    for cell, architecture, feed in SOME:
        pages += [picture(d, NOTE) for d in drawings(cell, architecture, feed)]
    body = "\n\\newpage\n".join(f"\\noindent {page}" for page in pages)
    head = "\\documentclass{article}\\usepackage{amsmath}\\hfuzz=0.1pt\\begin{document}\n"
    (tmp_path / "p.tex").write_text(f"{head}{body}\n\\end{{document}}\n", encoding="ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "p.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in done.stdout


# ----------------------------------------------------------------------------- text


def columns(line: str) -> int:
    return sum(not unicodedata.combining(c) for c in line)


@pytest.mark.parametrize("cell, architecture, feed", NETWORKS)
@pytest.mark.parametrize("page", some([60, 78, 200], (60).__eq__))
def test_text_fits_the_page(cell: str, architecture: str, feed: str, page: int) -> None:
    for drawing in drawings(cell, architecture, feed):
        text = drawn_text(drawing, NOTE, page)
        assert max(map(columns, text.split("\n"))) <= page
        assert "\t" not in text and not any(line != line.rstrip() for line in text.split("\n"))
        if page == 200:
            assert "─" in text, "a page as wide as that holds every drawing"


def test_text_says_what_the_drawing_says() -> None:
    drawing = network_drawing(network("vanilla"), 2)
    text = drawn_text(drawing, NOTE)
    for label in ("a⟨0⟩", "a⟨1⟩", "a⟨2⟩", "x⟨2⟩", "ŷ⟨2⟩", "L⟨2⟩", "W_aa", "W_ax", "W_ya", "δ_a⟨2⟩"):
        assert text.count(label) >= 1, label
    assert text.count("→") == 2 and text.count("←") == 2
    assert text.count("↑") == 6 and text.count("↓") == 4


def test_text_is_cut_between_steps() -> None:
    drawing = network_drawing(network("vanilla"), 4)
    whole, cut = drawn_text(drawing, NOTE, 120), drawn_text(drawing, NOTE, 40)
    assert "\n\n" not in whole and "\n\n" in cut
    for t in range(1, 5):
        assert f"a⟨{t}⟩" in cut and f"L⟨{t}⟩" in cut


def test_what_cannot_be_cut_is_told_in_words() -> None:
    drawing = network_drawing(network("vanilla"), 2)
    text = drawn_text(drawing, NOTE, 12)
    assert "─" not in text and max(map(len, text.split("\n"))) <= 12
    assert " ".join(text.split()).startswith("The network unrolled over 2 steps")
