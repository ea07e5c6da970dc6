"""The HTML file in a browser: what it shows, what it does, and that it asks nobody for anything."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sample import sample

from chalkgrad import derive
from chalkgrad.derive.choices import NOTATIONS
from chalkgrad.derive.formats.html import print_html
from chalkgrad.derive.publishing.document import document
from tests.chosen import diagonal, some
from tests.derive.once import judged_once

playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, PHONE, NARROW = (1400, 900), (390, 844), (360, 740)
SETTLED = 250  # ms: what is pointed at for long enough shows

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The sample in a notation, or with an architecture the document of a model, as a file."""
    folder = tmp_path_factory.mktemp("pages")

    def file(notation: str, model: str, architecture: str | None) -> Path:
        path = folder / f"{notation}-{model}-{architecture}.html"
        if not path.exists():
            if architecture is None:
                text = print_html(sample(notation, model))
            else:
                loaded = derive.load(model, architecture=architecture)
                with judged_once():
                    text = str(document(loaded, format="html", notation=notation))
            path.write_text(text, encoding="utf-8")
        return path

    return file


@dataclass
class Opened:
    """A page, with what it said and what it asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, script: str, argument: object = None) -> Any:
        return self.page.evaluate(script, argument)

    def settle(self) -> None:
        self.page.wait_for_timeout(SETTLED)


@pytest.fixture
def view(browser: Any, files: Callable[..., Path]) -> Iterator[Callable[..., Opened]]:
    """Opens the sample; at the end the page must have been silent and alone."""
    contexts: list[Any] = []
    pages: list[Opened] = []

    def opened(
        size: tuple[int, int] = WIDE,
        notation: str = "note",
        model: str = "vanilla",
        architecture: str | None = None,
        **options: Any,
    ) -> Opened:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
        found.page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.goto(files(notation, model, architecture).as_uri())
        pages.append(found)
        return found

    yield opened
    for one in pages:
        assert not one.said
        assert [url for url in one.asked if not url.startswith("data:,")] == [one.page.url.partition("#")[0]]
    for context in contexts:
        context.close()


@pytest.fixture
def shot() -> Callable[[Opened, str], None]:
    """Saves a picture of the page for people to look at, if CHALKGRAD_SCREENSHOTS says where."""
    folder = os.environ.get("CHALKGRAD_SCREENSHOTS")

    def save(opened: Opened, name: str) -> None:
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            opened.page.screenshot(path=Path(folder) / f"{name}.png")

    return save


# ----------------------------------------------------------------------------- what it shows

SPILLS = """() => {
  const shows = (e) => e.checkVisibility({ contentVisibilityAuto: true });
  return [...document.querySelectorAll("math")].filter(shows).flatMap((math) => {
    const box = math.getBoundingClientRect();
    if (!box.width || !box.height) return [`empty: ${math.outerHTML.slice(0, 200)}`];
    let scroll = math.closest(".wide, .listing pre");
    if (scroll) {
      const room = scroll.getBoundingClientRect();
      return room.left < -0.5 || room.right > document.documentElement.clientWidth + 0.5 ? ["a box"] : [];
    }
    const room = math.closest("p, li, td, th, figcaption, summary, div").getBoundingClientRect();
    const wall = math.closest(".eq, main").getBoundingClientRect();
    const right = Math.min(room.right, wall.right, document.documentElement.clientWidth);
    const spills = box.right > right + 1 || box.left < wall.left - 1;
    return spills ? [`${box.right - right}: ${math.textContent}`] : [];
  });
}"""


@pytest.mark.parametrize("notation, size", diagonal(NOTATIONS, [WIDE, PHONE, NARROW]))
def test_all_mathematics_is_seen_and_stays_in_its_box(
    view: Callable[..., Opened], shot: Callable[..., None], notation: str, size: tuple[int, int]
) -> None:
    page = view(size, notation)
    assert page("document.querySelectorAll('math').length") > 150
    assert page(SPILLS) == []
    assert page("document.documentElement.scrollWidth") <= size[0]
    assert page("document.body.scrollWidth") <= size[0]
    shot(page, f"{notation}-{size[0]}")


def test_the_equations_of_a_larger_cell_stay_in_their_boxes(view: Callable[..., Opened]) -> None:
    for size in (WIDE, PHONE, NARROW):
        page = view(size, model="lstm")
        assert page(SPILLS) == []
        assert page("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize(
    ("model", "architecture", "notation"),
    some(
        [
            ("vanilla", "many-to-many", "note"),
            ("lstm", "many-to-many", "pascanu"),
            ("vanilla", "encoder-decoder", "werbos"),
        ],
        lambda case: case[2] == "note",
    ),
)
def test_the_document_of_a_model(
    view: Callable[..., Opened], shot: Callable[..., None], model: str, architecture: str, notation: str
) -> None:
    for size in (WIDE, PHONE, NARROW):
        page = view(size, notation, model, architecture)
        page.page.wait_for_selector("html.can")
        assert page(SPILLS) == []
        assert page("document.documentElement.scrollWidth") <= size[0]
        shot(page, f"{model}-{architecture}-{size[0]}")
    for scheme in ("light", "dark"):
        page = view(WIDE, notation, model, architecture, color_scheme=scheme)
        page.page.wait_for_selector("html.can")
        contrasts = page(CONTRASTS)
        assert contrasts[0][0] >= 4.5, contrasts[0]
    symbol = page.page.locator("#backward .x [data-sym]").first
    symbol.scroll_into_view_if_needed()
    symbol.hover()
    page.settle()
    assert tip(page) and told(page)
    number = page.page.locator("#backward .n a").first
    number.hover()
    assert {tag for tag, _ in page(LIT)} == {"div", "span"}
    page.page.set_viewport_size({"width": 673, "height": 1000})  # what A4 leaves between its margins
    page.page.emulate_media(media="print")
    page.settle()
    assert page(SPILLS) == []
    beyond = """() => [...document.querySelectorAll("main math, main svg, main table, main pre")]
      .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((e) => e.textContent)"""
    assert page(beyond) == []


def test_that_spilling_is_seen(view: Callable[..., Opened]) -> None:
    page = view(NARROW)
    page("() => { document.querySelector('.x math').style.paddingRight = '900px'; }")
    assert len(page(SPILLS)) == 1


def test_signs_are_drawn_by_the_browser_as_mathematics(view: Callable[..., Opened]) -> None:
    page = view()
    heights = page(
        """() => [...document.querySelectorAll("#chain .x mfrac")].map((f) => {
          const [above, below] = [...f.children].map((e) => e.getBoundingClientRect());
          return above.bottom <= below.top + 2;
        })"""
    )
    assert len(heights) > 10 and all(heights)
    limits = page(
        """() => [...document.querySelectorAll("#chain .x munderover")].map((m) => {
          const [sign, below, above] = [...m.children].map((e) => e.getBoundingClientRect());
          return above.bottom <= sign.top + 4 && below.top >= sign.bottom - 4;
        })"""
    )
    assert len(limits) >= 3 and all(limits)


def test_a_large_page_unpacks_itself(browser: Any, tmp_path: Path) -> None:
    whole = sample("note", "lstm")
    copies = [replace(s, key=f"{s.key}-{'x' * i}") for i in range(1, 4) for s in whole.sections]
    path = tmp_path / "large.html"
    path.write_text(print_html(replace(whole, sections=(*whole.sections, *copies))), encoding="utf-8")
    assert "data-packed=" in path.read_text(encoding="utf-8")
    said: list[str] = []
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{path.as_uri()}#chain-xxx")
    page.wait_for_selector("html.can")
    assert page.locator(".eq").count() == 4 * len(list(whole.lines()))
    assert page.evaluate(SPILLS) == [] and said == []
    assert 0 <= page.evaluate("document.getElementById('chain-xxx').getBoundingClientRect().top") < 300
    page.locator("#chain-xxx [data-sym='v:a']").first.hover()
    page.wait_for_timeout(SETTLED)
    assert page.locator("#_tip").is_visible()
    page.close()


# ----------------------------------------------------------------------------- opening and closing


def test_sections_open_and_close_by_mouse_and_keyboard(view: Callable[..., Opened]) -> None:
    page = view()
    section = page.page.locator("#chain > details")
    summary = page.page.locator("#chain > details > summary")
    first = page.page.locator("#chain .eq").first
    summary.click()
    assert section.get_attribute("open") is None and not first.is_visible()
    summary.click()
    assert first.is_visible()
    summary.focus()
    page.page.keyboard.press("Enter")
    assert not first.is_visible()
    page.page.keyboard.press("Space")
    assert first.is_visible()


def test_all_open_and_all_close_and_reasons_fold(view: Callable[..., Opened]) -> None:
    page = view()
    lines, rules = page.page.locator(".eq"), page.page.locator(".rule")
    count = "[...document.querySelectorAll('section > details')].filter((d) => d.open).length"
    sections = page("document.querySelectorAll('section').length")
    assert page(count) == sections
    page.page.get_by_role("button", name="Close all").click()
    assert page(count) == 0 and not lines.first.is_visible()
    page.page.get_by_role("button", name="Open all").click()
    assert page(count) == sections and rules.first.is_visible()
    reasons = page.page.get_by_role("button", name="Reasons")
    assert reasons.get_attribute("aria-pressed") == "true"
    reasons.click()
    assert reasons.get_attribute("aria-pressed") == "false"
    assert not rules.first.is_visible() and lines.first.is_visible()
    assert page.page.locator(".eq .shape").first.is_visible()
    page.page.locator(".eq summary").first.click()
    assert rules.first.is_visible()


def test_a_link_opens_the_section_that_it_leads_to(view: Callable[..., Opened]) -> None:
    page = view()
    page.page.get_by_role("button", name="Close all").click()
    page.page.locator("nav a[href='#deltas']").click()
    page.settle()
    assert page.page.locator("#deltas .eq").first.is_visible()
    assert not page.page.locator("#chain .eq").first.is_visible()


def test_the_menu_of_a_phone(view: Callable[..., Opened], shot: Callable[..., None]) -> None:
    page = view(PHONE, has_touch=True)
    menu = page.page.get_by_role("button", name="Contents")
    entry = page.page.locator("nav a[href='#two']")
    assert not entry.is_visible()
    menu.tap()
    assert entry.is_visible() and menu.get_attribute("aria-expanded") == "true"
    shot(page, "menu-390")
    page.page.keyboard.press("Escape")
    assert not entry.is_visible()
    menu.tap()
    entry.tap()
    page.page.wait_for_timeout(900)
    assert not entry.is_visible()
    assert 0 <= page("document.getElementById('two').getBoundingClientRect().top") < 300


# ----------------------------------------------------------------------------- symbols


def told(page: Opened) -> str:
    return re.sub(r"\s+", " ", page.page.locator("#_tip").inner_text()) if tip(page) else ""


def tip(page: Opened) -> bool:
    return bool(page.page.locator("#_tip").is_visible())


def test_pointing_at_a_symbol_shows_its_shape_and_meaning(
    view: Callable[..., Opened], shot: Callable[..., None]
) -> None:
    page = view()
    symbol = page.page.locator(".x [data-sym='p:W_aa']").first
    assert not tip(page)
    symbol.hover()
    page.settle()
    assert "trained" in told(page)
    assert page.page.locator("#_tip .shape").text_content() == "(na,na)"
    assert symbol.get_attribute("aria-describedby") == "_tip"
    marked = "document.querySelectorAll('.hit').length"
    same = "document.querySelectorAll('[data-sym=\"p:W_aa\"]').length"
    assert page(marked) == page(same) > 3
    shot(page, "tip-1400")
    box = page.page.locator("#_tip").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= WIDE[0] and box["y"] >= 0
    page.page.locator("#_tip").hover()
    page.settle()
    assert tip(page)  # one can go there and select its text
    page.page.locator("h1").hover()
    page.settle()
    assert not tip(page) and page(marked) == 0
    symbol.hover()
    page.settle()
    page.page.keyboard.press("Escape")
    assert not tip(page)


@pytest.mark.parametrize(
    "key, expected",
    some(
        [("d:a", "total"), ("v:a", "initial state <zero>"), ("i:g", "activation")],
        lambda case: case[0] != "i:g",
    ),
)
def test_every_kind_of_symbol_tells_what_it_means(
    view: Callable[..., Opened], key: str, expected: str
) -> None:
    page = view()
    page.page.locator(f"main [data-sym='{key}']").first.hover()
    page.settle()
    assert expected in told(page)


def test_the_keyboard_reaches_every_symbol_of_a_line(view: Callable[..., Opened]) -> None:
    page = view()
    line = page.page.locator("#model .eq").first
    line.focus()
    assert not tip(page)
    symbols = page(
        """() => [...document.querySelector("#model .eq").querySelectorAll("[data-sym]")]
          .map((e) => e.dataset.sym)"""
    )
    reached, focused = [], "document.activeElement.dataset.sym || document.activeElement.localName"
    for _ in range(60):
        page.page.keyboard.press("ArrowRight")
        if page("document.activeElement.classList.contains('eq')"):
            break
        reached.append(page(focused))
        assert tip(page) == (page("document.activeElement.dataset.sym !== undefined"))
    assert [one for one in reached if ":" in one] == symbols
    assert "a" in reached and "summary" in reached  # the number, and the reasons
    assert page("document.activeElement === document.querySelectorAll('#model .eq')[1]")
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("ArrowRight")
    assert "a & what follows" in told(page) or "z_a" in told(page)
    page.page.keyboard.press("Escape")
    assert not tip(page)
    assert page("document.activeElement === document.querySelectorAll('#model .eq')[1]")


def test_a_line_is_one_stop_of_the_tabulator(view: Callable[..., Opened]) -> None:
    page = view()
    lines = page("document.querySelectorAll('.eq').length")
    inside = page(
        """() => [...document.querySelectorAll(".eq *")].filter((e) =>
          e.tabIndex >= 0 && !(e.matches(".wide") && e.scrollWidth > e.clientWidth)).length"""
    )
    assert inside == 0
    page.page.locator("#chain .eq").first.focus()
    stops = []
    for _ in range(3):
        page.page.keyboard.press("Tab")
        stops.append(page("[...document.querySelectorAll('#chain .eq')].indexOf(document.activeElement)"))
    assert stops == [1, 2, 3] and lines > 20
    page.page.keyboard.press("Shift+Tab")
    assert page("[...document.querySelectorAll('#chain .eq')].indexOf(document.activeElement)") == 2
    outline = page("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_the_first_stop_leads_to_the_text(view: Callable[..., Opened]) -> None:
    page = view()
    page.page.keyboard.press("Tab")
    assert page("document.activeElement.className") == "skip"
    assert page.page.locator(".skip").bounding_box()["x"] >= 0
    page.page.keyboard.press("Enter")
    assert page("document.activeElement.id") == "_main"


def test_a_tap_on_a_phone_does_the_same(view: Callable[..., Opened], shot: Callable[..., None]) -> None:
    page = view(PHONE, has_touch=True, is_mobile=True)
    page.page.locator(".x [data-sym='p:W_aa']").first.tap()
    page.settle()
    assert "trained" in told(page)
    box = page.page.locator("#_tip").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0]
    shot(page, "tip-390")
    page.page.locator("h1").tap()
    page.settle()
    assert not tip(page)


# ----------------------------------------------------------------------------- equations and the program

LIT = "() => [...document.querySelectorAll('.lit')].map((e) => [e.localName, e.dataset.n])"


@pytest.mark.parametrize("size", [WIDE, (1000, 900)], ids=["beside", "below"])
def test_an_equation_and_its_lines_light_each_other(
    view: Callable[..., Opened], shot: Callable[..., None], size: tuple[int, int]
) -> None:
    page = view(size)
    docked = page("document.documentElement.classList.contains('docked')")
    assert docked == (size == WIDE)
    page.page.locator(".eq[data-n='2']").hover()
    assert page(LIT) == [["div", "2"], ["span", "2"], ["span", "2"], ["span", "2"]]
    if docked:
        shot(page, "beside-1400")
    page.page.locator(".listing span[data-n='3']").first.hover()
    assert page(LIT) == [["div", "3"], ["span", "3"], ["span", "3"], ["span", "3"]]
    page.page.locator("h1").hover()
    assert page(LIT) == []
    page.page.locator(".eq[data-n='1']").focus()
    assert [n for _, n in page(LIT)] == ["1"] * 4
    page.page.locator(".listing a[href='#e4']").focus()
    assert [n for _, n in page(LIT)] == ["4"] * 4
    page.page.locator(".eq[data-n='41 42']").hover()
    assert sorted({(tag, n) for tag, n in page(LIT)}) == [("div", "41 42"), ("span", "41")]


def test_lines_that_are_pointed_at_come_into_the_panel(view: Callable[..., Opened]) -> None:
    page = view((1400, 500))
    page.page.locator(".eq[data-n='77']").hover()
    page.page.wait_for_timeout(900)
    line = page.page.locator(".listing span[data-n='77']").first.bounding_box()
    assert 0 <= line["y"] < 500


@pytest.mark.parametrize(
    "size", [WIDE, *(pytest.param(size, marks=pytest.mark.full) for size in ((1000, 900), PHONE))]
)
def test_a_number_leads_to_its_counterpart_and_back(
    view: Callable[..., Opened], size: tuple[int, int]
) -> None:
    page = view(size)
    page.page.locator(".eq .n a[href='#c3']").click()
    page.page.wait_for_timeout(1200)
    there = page.page.locator("#c3").bounding_box()
    assert 0 <= there["y"] < size[1]
    page.page.locator(".listing .n a[href='#e40']").click()
    page.page.wait_for_timeout(1200)
    back = page.page.locator("#e40").bounding_box()
    assert 0 <= back["y"] < size[1]


def test_arrows_walk_through_the_program(view: Callable[..., Opened]) -> None:
    page = view()
    page.page.locator(".listing a").first.focus()
    for expected in ("#e2", "#e3"):
        page.page.keyboard.press("ArrowDown")
        assert page("document.activeElement.hash") == expected
    page.page.keyboard.press("ArrowUp")
    assert page("document.activeElement.hash") == "#e2"
    assert page("[...document.querySelectorAll('.listing a')].filter((a) => a.tabIndex === 0).length") == 1


def test_the_panel_can_be_sent_away_and_is_remembered(view: Callable[..., Opened]) -> None:
    page = view()
    button = page.page.get_by_role("button", name="C beside")
    assert page.page.locator("#_dock .listing").count() == 1
    button.click()
    assert page.page.locator("#_dock .listing").count() == 0
    assert page.page.locator("#program .listing").is_visible()
    page.page.reload()
    assert page.page.locator("#program .listing").count() == 1
    page.asked.pop()
    button.click()
    assert page.page.locator("#_dock .listing").is_visible()
    page.page.set_viewport_size({"width": 800, "height": 900})
    page.settle()
    assert page.page.locator("#program .listing").count() == 1


# ----------------------------------------------------------------------------- colours

CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => known.get(colour) || known.set(colour, painted(colour)).get(colour);
  const painted = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => (c * a + under[i] * (255 - a)) / 255);
  const behind = (e) => {
    const layers = [];
    for (let at = e; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const light = (colour) => {
    const part = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.map((c) => part(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest("svg, script, style")) continue;
    const ground = behind(e);
    const ink = over(rgba(getComputedStyle(e).color), ground);
    const [dark, bright] = [light(ink), light(ground)].sort((a, b) => a - b);
    found.push([(bright + 0.05) / (dark + 0.05), e.outerHTML.slice(0, 90)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out(view: Callable[..., Opened], shot: Callable[..., None], scheme: str) -> None:
    page = view(color_scheme=scheme, reduced_motion="reduce")
    contrasts = page(CONTRASTS)
    assert len(contrasts) > 500
    assert contrasts[0][0] >= 4.5, contrasts[0]
    page.page.locator(".eq[data-n='2'] [data-sym='v:z_a']").hover()
    page.settle()
    assert page.page.locator(".lit").count() and page.page.locator(".hit").count() and tip(page)
    contrasts = page(CONTRASTS)
    assert contrasts[0][0] >= 4.5, contrasts[0]
    page("document.getElementById('two').scrollIntoView()")
    shot(page, f"{scheme}-1400")


def test_dark_and_light_by_the_system_and_by_hand(view: Callable[..., Opened]) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('h1')).color"
    light, dark = view(color_scheme="light"), view(color_scheme="dark")
    assert light(paper) != dark(paper) and light(ink) != dark(ink)
    button = light.page.get_by_role("button", name="Dark")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert light(paper) == dark(paper) and light(ink) == dark(ink)
    light.page.reload()
    light.asked.pop()
    assert light(paper) == dark(paper)  # for as long as the page is open
    light.page.get_by_role("button", name="Dark").click()
    assert light(paper) != dark(paper)


def test_who_wants_no_motion_gets_none(view: Callable[..., Opened]) -> None:
    smooth = "getComputedStyle(document.documentElement).scrollBehavior"
    moving = "getComputedStyle(document.querySelector('.eq')).transitionDuration"
    calm = view(reduced_motion="reduce")
    assert calm(smooth) == "auto" and calm(moving) == "0s"


# ----------------------------------------------------------------------------- on paper


def test_print_shows_everything(
    view: Callable[..., Opened], shot: Callable[..., None], tmp_path: Path
) -> None:
    page = view((794, 1123), color_scheme="dark")
    page.page.get_by_role("button", name="Contents").click()
    page.page.get_by_role("button", name="Reasons").click()
    page.page.get_by_role("button", name="Close all").click()
    assert not page.page.locator(".eq").first.is_visible()
    page.page.emulate_media(media="print", color_scheme="dark")
    page.settle()
    hidden = page(
        """() => [...document.querySelectorAll("main *, main math, .listing span")].filter((e) =>
          !e.checkVisibility({ contentVisibilityAuto: true }) && !["META", "TITLE"].includes(e.tagName)
          && !e.closest("svg, [hidden]")).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert hidden == []
    assert not page.page.locator(".bar").is_visible()
    assert page("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert page("document.documentElement.scrollWidth") <= 794
    cut = page(
        """() => [...document.querySelectorAll(".listing, .listing pre, .wide")].filter((e) =>
          e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible").length"""
    )
    assert cut == 0
    assert page(CONTRASTS)[0][0] >= 4.5
    shot(page, "print")
    page.page.emulate_media(media="screen", color_scheme="dark")
    page.settle()
    assert not page.page.locator(".eq").first.is_visible()  # as it was before
    page.page.pdf(path=tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_without_its_script_the_page_is_all_there(view: Callable[..., Opened]) -> None:
    page = view(PHONE, java_script_enabled=False)
    for place in ("nav a[href='#two']", "#model .eq >> nth=0", ".rule >> nth=0", "#program .listing"):
        assert page.page.locator(place).is_visible()
    assert not page.page.get_by_role("button").first.is_visible()
