"""The HTML file as text: well formed, self-contained, every link and id in order, everything said."""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from sample import PICTURE, sample, smallest, words

from chalkgrad import derive
from chalkgrad.derive.choices import NOTATIONS
from chalkgrad.derive.documents.tree import Document, Equations, Line, Listing, Remark, Section, Table
from chalkgrad.derive.formats.html import LIMIT, html_fragment, print_html
from chalkgrad.derive.formats.html_code import code_lines
from chalkgrad.derive.formats.html_svg import embedded
from chalkgrad.derive.publishing.document import document
from chalkgrad.derive.writing.mathml import symbol_key
from chalkgrad.derive.writing.tree import Ident, Name, Par
from tests.chosen import together
from tests.derive.once import judged_once

VOID = {"meta", "link", "br", "wbr", "hr", "img", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag: str = "", kind: str = "") -> list[Element]:
        """Elements with that tag and that class."""
        return [
            e
            for e in self.walk()
            if tag in ("", e.tag) and (not kind or kind in e.attributes.get("class", "").split())
        ]

    @property
    def words(self) -> str:
        return self.text + "".join(child.words for child in self.children)


class Strict(HTMLParser):
    """Every element that is opened is closed, in order; no attribute is there twice."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}>: an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert tag not in VOID
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(Element("#", {}, text=data))


def parsed(text: str) -> Element:
    parser = Strict()
    parser.feed(text)
    parser.close()
    assert parser.open == [parser.root], f"never closed: {[e.tag for e in parser.open[1:]]}"
    return parser.root


def with_lines(*lines: Line, answer: bool = False) -> Element:
    """The page of one block of equations."""
    section = Section("only", "Only", (Equations(lines, answer),))
    return parsed(print_html(replace(smallest(), sections=(section,))))


REAL = (("vanilla", "many-to-many"), ("lstm", "many-to-many"), ("vanilla", "encoder-decoder"))
PAGES = {str(page): page for page in (*NOTATIONS, "smallest", "lstm", *REAL)}
KEPT = ("note", "smallest", "lstm", str(REAL[0]))


def unpacked(text: str) -> str:
    """The page as its script leaves it."""

    def inside(found: re.Match[str]) -> str:
        return zlib.decompress(b64decode(found[1])).decode()

    return re.sub(r'<div data-packed="([^"]+)"></div><noscript>.*?</noscript>', inside, text)


@pytest.fixture(scope="module", params=together("html", PAGES, KEPT.__contains__))
def text(request: pytest.FixtureRequest) -> str:
    match PAGES[request.param]:
        case (model, architecture):
            with judged_once():
                shown = document(derive.load(model, architecture=architecture), format="html")
            assert isinstance(shown, str)
            return shown
        case "smallest":
            return print_html(smallest())
        case "lstm":
            return print_html(sample("note", "lstm"))
        case name:
            return print_html(sample(name))


@pytest.fixture(scope="module")
def page() -> Element:
    return parsed(print_html(sample()))


# ----------------------------------------------------------------------------- the file


def test_every_element_is_closed_and_every_reference_resolves(text: str) -> None:
    parsed(text)
    root = parsed(unpacked(text))
    ids = [e.attributes["id"] for e in root.walk() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[\w-]+", one) for one in ids)
    for element in root.walk():
        if element.tag == "a":
            assert element.attributes["href"].startswith("#")
        for name in ("href", "aria-labelledby", "aria-describedby", "aria-controls", "for"):
            value = element.attributes.get(name, "")
            if value.startswith("#") or name != "href":
                assert set(value.replace("#", "").split()) <= set(ids), (element.tag, name, value)
        for target in re.findall(r"url\(#([^)]+)\)", " ".join(element.attributes.values())):
            assert target in ids


def test_no_address_of_any_kind(text: str) -> None:
    text = unpacked(text)
    assert not re.search(r"\w+://|(?:src|href|action)=[\"']?//|@import|url\((?!#)", text)
    root = parsed(text)
    for element in root.walk():
        assert "src" not in element.attributes
        assert element.tag not in ("iframe", "object", "embed", "form", "base")
        assert element.attributes.get("href", "#")[:1] in "#d"
        assert element.attributes.get("href", "#d").startswith(("#", "data:,"))
        assert not [name for name in element.attributes if name.startswith("on")]


def test_the_policy_allows_this_script_and_no_other(text: str) -> None:
    root = parsed(text)
    (policy,) = [e.attributes["content"] for e in root.all("meta") if "http-equiv" in e.attributes]
    (script,) = root.all("script")
    digest = b64encode(hashlib.sha256(script.words.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe-eval" not in policy and policy.count("unsafe-inline") == 1


def test_it_is_small_and_always_the_same(text: str) -> None:
    assert LIMIT == 300_000
    assert len(text.encode()) <= LIMIT
    assert print_html(sample()) == print_html(sample())


def test_a_large_page_packs_its_largest_sections_until_it_fits() -> None:
    whole = sample("note", "lstm")
    copies = [replace(s, key=f"{s.key}-{'x' * i}") for i in range(1, 4) for s in whole.sections]
    large = replace(whole, sections=(*whole.sections, *copies))
    text = print_html(large)
    assert len(text.encode()) <= LIMIT
    root = parsed(text)
    boxes = [e for e in root.walk() if "data-packed" in e.attributes]
    assert 0 < len(boxes) < len(large.sections)
    assert len(root.all("noscript")) == len(boxes)

    opened = unpacked(text)
    assert len(parsed(opened).all("div", "eq")) == len(list(large.lines()))
    sizes = {s.attributes["id"]: len(s.words) for s in parsed(opened).all("section")}
    kept = [s.attributes["id"] for s in root.all("section") if not s.all("noscript")]
    gone = [s.attributes["id"] for s in root.all("section") if s.all("noscript")]
    assert min(sizes[key] for key in gone) > sum(sizes[key] for key in kept) / len(kept)
    assert "data-packed=" not in print_html(whole)


def test_headings_are_in_order_and_the_language_is_told(text: str) -> None:
    root = parsed(unpacked(text))
    assert root.all("html")[0].attributes["lang"] == "en"
    levels = [int(e.tag[1]) for e in root.walk() if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(e.attributes.get("scope") in ("col", "row") for e in root.all("th"))
    assert not [e for e in root.all("svg") if e.attributes.get("role") != "img"]


# ----------------------------------------------------------------------------- what it says


def test_every_section_is_in_the_list_and_opens(page: Element) -> None:
    whole = sample()
    (nav,) = page.all("nav")
    assert [a.words for a in nav.all("a")] == [s.title for s in whole.sections]
    sections = page.all("section")
    assert [s.attributes["id"] for s in sections] == [s.key for s in whole.sections]
    for section in sections:
        (details, *_) = section.all("details")
        assert "open" in details.attributes
        assert details.children[1].tag == "summary" and details.children[1].all("h2")


def test_how_much_was_checked_is_told() -> None:
    told = {
        (212, 3, 40): "All 212 equalities were checked by machine, at 3 random points each, with 40 digits.",
        (1, 1, 30): "1 equality was checked by machine, at 1 random point, with 30 digits.",
        (0, 0, 0): "No equality on this page was checked by machine.",
    }
    for checked, expected in told.items():
        (shown,) = parsed(print_html(replace(smallest(), checked=checked))).all("p", "checked")
        assert shown.words == expected


def test_every_line_is_there_with_its_number_and_reasons(page: Element) -> None:
    lines = list(sample().lines())
    shown = page.all("div", "eq")
    assert len(shown) == len(lines)
    for line, element in zip(lines, shown, strict=True):
        numbers = " ".join(map(str, line.numbers))
        assert element.attributes.get("data-n", "") == numbers
        assert [e.words for e in element.all("div", "n")] == [f"({', '.join(numbers.split())})"] * bool(
            numbers
        )
        assert bool(element.all("div", "l")) == (line.left is not None)
        assert [e.words for e in element.all("div", "r")] == [line.relation]
        assert len(element.all("span", "shape")) == (line.shape is not None)
        assert len(element.all("span", "rule")) == bool(line.rule)
        assert len(element.all("span", "where")) == bool(line.where)
        assert len(element.all("span", "from")) == line.quoted


def test_a_verdict_is_a_sign_and_a_word_not_a_colour_alone() -> None:
    a, b = Ident("a"), Ident("b")
    true, false, silent, unequal = with_lines(
        Line(a, b, verdict=True),
        Line(a, b, verdict=False, quoted=True),
        Line(a, b),
        Line(a, b, "≠", verdict=False),
    ).all("div", "eq")
    assert [e.words for e in true.all("b")] == ["✓"]
    assert [e.words for e in false.all("b", "no")] == ["✗ false"]
    assert "false" in false.attributes["class"] and "quoted" in false.attributes["class"]
    assert not silent.all("b")
    assert [e.words for e in unequal.all("b")] == ["✓"]  # that they differ is what is claimed


def test_an_answer_is_marked() -> None:
    line = Line(Ident("a"), Ident("b"))
    assert with_lines(line, answer=True).all("div", "answer")
    assert not with_lines(line).all("div", "answer")


def test_words_from_outside_are_text(page: Element) -> None:
    whole = sample()
    assert page.all("title")[0].words == page.all("h1")[0].words == whole.title
    evil = '</script><img src=x onerror="alert(1)">'
    blocks = (
        words(evil),
        Remark("remark", (words(evil),)),
        Table((words(evil),), ((words(evil),),)),
        Listing(evil, "c", (evil, f"/* {evil}"), ((), ())),
        Equations((Line(Name(evil), Par(evil), evil, rule=(evil,)),)),
    )
    section = Section("evil", evil, blocks)
    text = print_html(replace(smallest(), title=evil, subtitle=evil, sections=(section,)))
    root = parsed(text)
    assert not root.all("img")
    assert len(root.all("script")) == 1
    assert root.all("h1")[0].words == evil


def test_remarks_say_what_they_are(page: Element) -> None:
    assert [e.all("p", "kind")[0].words for e in page.all("blockquote")] == ["Quoted from the founding note"]
    notes = [
        (e.attributes["class"], e.all("p", "kind")[0].words) for e in page.all("aside") if e.all("p", "kind")
    ]
    assert notes == [("remark", "Remark"), ("warning", "Warning"), ("question", "Question")]


def test_what_it_does_not_know_is_named() -> None:
    def page_of(block: object) -> Document:
        return replace(smallest(), sections=(Section("only", "Only", (block,)),))  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="object"):
        print_html(page_of(object()))
    with pytest.raises(TypeError, match="rumour"):
        print_html(page_of(Remark("rumour", ())))


def test_every_symbol_says_what_it_means_once(page: Element) -> None:
    whole = sample()
    keys = {key for entry in whole.glossary if (key := symbol_key(entry.symbol)) is not None}
    assert {"v:a", "d:a", "p:W_aa", "n:n_a", "L:L", "i:g", "w:t", "w:T"} <= keys
    rows = [e for e in page.all("tr") if "data-for" in e.attributes]
    assert {e.attributes["data-for"] for e in rows} == keys
    assert all(len(e.children) == 3 and all(cell.words.strip() for cell in e.children) for e in rows)
    assert not page.all("template")[0].all("div")  # the table has told it all
    without = replace(whole, sections=whole.sections[1:])
    hidden = parsed(print_html(without)).all("template")[0].all("div")
    assert {e.attributes["data-for"] for e in hidden} == keys
    assert all(e.all("span", "shape") and e.all("p")[-1].words.strip() for e in hidden)


# ----------------------------------------------------------------------------- equations and programs


def test_equation_and_line_of_the_program_link_to_each_other(page: Element) -> None:
    (listing,) = page.all("figure", "listing")
    computed = {n for e in listing.all("span") for n in e.attributes.get("data-n", "").split()}
    stated = {n for e in page.all("div", "eq") for n in e.attributes.get("data-n", "").split()}
    to_program = {a.attributes["href"] for e in page.all("div", "n") for a in e.all("a")}
    to_equation = {a.attributes["href"] for a in listing.all("a")}
    assert to_program == {f"#c{n}" for n in computed & stated}
    assert to_equation == {f"#e{n}" for n in computed & stated}
    assert len(to_program) >= 5


def test_a_number_that_stands_twice_has_one_id() -> None:
    line = Line(Ident("a"), Ident("b"), numbers=(7, 8))
    root = with_lines(line, line)
    assert [e.attributes["id"] for e in root.walk() if re.fullmatch(r"e\d+", e.attributes.get("id", ""))] == [
        "e7",
        "e8",
    ]


def test_comments_of_c_go_over_lines_and_strings_hide_them() -> None:
    lines = ("a /* one", "two */ b // three", 'x = "/* no */"; y = \'"\'; // "yes"', "c /* d */ e / f")
    shown = list(code_lines(Listing("", "c", lines, ((),) * 4)))
    assert shown == [
        "a <i>/* one</i>",
        "<i>two */</i> b <i>// three</i>",
        'x = "/* no */"; y = \'"\'; <i>// "yes"</i>',
        "c <i>/* d */</i> e / f",
    ]
    assert tuple(code_lines(Listing("", "text", lines, ((),) * 4))) == lines


def test_the_program_is_there_letter_by_letter(page: Element) -> None:
    (listing,) = [b for s in sample().sections for b in s.blocks if isinstance(b, Listing)]
    (shown,) = page.all("figure", "listing")
    for number in shown.all("b"):
        number.children.clear()
    assert shown.all("code")[0].words == "".join(f"{line}\n" for line in listing.lines)
    carried = [e.attributes["data-n"] for e in shown.all("span")]
    assert carried == [" ".join(map(str, numbers)) for numbers in listing.numbers if numbers]


# ----------------------------------------------------------------------------- pictures


def test_a_picture_loses_its_prologue_and_shares_no_id() -> None:
    one, other = embedded(PICTURE, "p0-"), embedded(PICTURE, "p1-")
    for text in (one, other):
        root = ElementTree.fromstring(text)
        assert root.tag == "svg" and root.get("role") == "img"
        assert not re.search("http|xmlns|metadata|DOCTYPE|<\\?", text)
        assert "‖∂L/∂a‖ &lt; 1 &amp; falling" in text
        ids = {e.get("id") for e in root.iter() if e.get("id")}
        assert {e.get("href") for e in root.iter() if e.get("href")} <= {f"#{i}" for i in ids}
        assert {e.get("clip-path") for e in root.iter() if e.get("clip-path")} <= {f"url(#{i})" for i in ids}
    assert "axes" not in one  # an id that nothing refers to
    assert not set(re.findall(r'id="([^"]+)"', one)) & set(re.findall(r'id="([^"]+)"', other))


def test_the_style_of_a_picture_stays_in_it() -> None:
    text = embedded(PICTURE, "p0-")
    (sheet,) = [e.text for e in ElementTree.fromstring(text).iter("style")]
    assert sheet == ".p0-pic *{stroke-linejoin: round; stroke-linecap: butt}"
    assert "p0-pic" in str(ElementTree.fromstring(text).get("class"))


def test_places_in_a_picture_are_rounded_and_its_words_keep_their_space() -> None:
    picture = '<svg version="1.1"><path d="M12.34567-0.5 L.12345,100.999999z" style="stroke-width: 0.12345"/>'
    shown = embedded(f"{picture}<text>\n<tspan>a</tspan><tspan> </tspan></text></svg>", "p0-")
    assert 'd="M12.35-0.5 L0.12,101z"' in shown
    assert "0.12345" in shown and "version" not in shown
    assert "<text>\n<tspan>a</tspan><tspan> </tspan></text>" in shown


def test_a_picture_of_a_plotting_library() -> None:
    pyplot = pytest.importorskip("matplotlib.figure")
    import io

    figure = pyplot.Figure()
    axes = figure.add_subplot()
    axes.pcolormesh([[1.0, 2.0], [3.0, 4.0]])
    axes.imshow([[1.0, 2.0]])
    file = io.StringIO()
    figure.savefig(file, format="svg")
    text = embedded(file.getvalue(), "p0-")
    assert "://" not in text
    ids = set(re.findall(r'id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text)) <= ids
    ElementTree.fromstring(text)


def test_what_could_not_be_drawn_is_a_table(page: Element) -> None:
    plots = page.all("figure", "plot")
    assert [bool(e.all("svg")) for e in plots] == [True, True, False]
    assert plots[-1].all("table") and plots[-1].all("figcaption")


# ----------------------------------------------------------------------------- in another page


def test_a_fragment_stands_alone_in_another_page() -> None:
    whole = sample()
    one, other = html_fragment(whole), html_fragment(replace(whole, sections=whole.sections[:2]))
    root = parsed(one + other)  # two outputs of one notebook
    ids = [e.attributes["id"] for e in root.walk() if "id" in e.attributes]
    assert len(ids) == len(set(ids)) and all(name.startswith("lh-") for name in ids)
    assert not root.all("script") and not root.all("a") and "://" not in one
    assert len(root.all("div", "chalkgrad")) == 2
    assert len(parsed(one).all("div", "eq")) == len(list(whole.lines()))
    assert [e.words for e in parsed(one).all("h3")] == [s.title for s in whole.sections]
    (sheet, *_) = parsed(one).all("style")
    selectors = re.findall(r"([^{}]+)\{", sheet.words)
    assert all(part.strip().startswith(".chalkgrad ") for found in selectors for part in found.split(","))
