"""The picture of vanishing and exploding gradients, drawn with matplotlib as SVG and as PDF.

The same numbers give the same bytes: no date, no random names, no outlines of letters. Places of one
colour are one path, so that a picture stays small.
"""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from html import escape
from typing import Any

from chalkgrad.derive.figures.vanishing import Strength, Vanishing
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import Node
from chalkgrad.derive.writing.unicode import unicode
from chalkgrad.derive.writing.unicode_scripts import raised

DECADES = 8  # of the colours: what is smaller than 10⁻⁸ of the largest looks alike
LEVELS = 32  # colours
LEAST, MOST = 0.9, 1.6  # of its width in points: pixels that it takes
_TICKS = 7  # at most
_PANEL, _BAR = (3.3, 2.7), 0.5  # inches
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gradients",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
}
_CURVES = (("#00468b", "-", "o"), ("#b35900", "--", "s"), ("#555555", ":", "^"), ("#7a0177", "-.", "D"))


def pictures(vanishing: Vanishing, notation: Notation, of: Node, product: Node) -> tuple[str, bytes]:
    """The figure as SVG and as PDF. of, product: how the two norms are written."""
    import matplotlib
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    via = f"{unicode(of, notation)} via step k"
    with matplotlib.rc_context(_SETTINGS):
        figure = _figure(vanishing, via, unicode(product, notation))
        drawn, printed = io.StringIO(), io.BytesIO()
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None, "Creator": None})
        undated = {"CreationDate": None, "Creator": None, "Producer": None}
        FigureCanvasPdf(figure).print_pdf(printed, metadata=undated)
    return _compact(drawn.getvalue(), vanishing), printed.getvalue()


def _figure(vanishing: Vanishing, via: str, product: str) -> Any:
    """A map for each scale and the curves, or, with a single loss, two panels of curves."""
    from matplotlib.figure import Figure

    mapped = len(vanishing.losses) > 1
    panels = len(vanishing.strengths) + 1 if mapped else 2
    columns = 2 if panels in (2, 4) else min(panels, 3)
    rows = math.ceil(panels / columns)
    below = _BAR if mapped else 0.0
    wide, high = _PANEL[0] * columns, _PANEL[1] * rows + below
    figure = Figure(figsize=(wide, high), facecolor="white")
    figure.subplots_adjust(0.6 / wide, (0.5 + below) / high, 1 - 0.15 / wide, 1 - 0.35 / high, 0.3, 0.42)
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]
    if mapped:
        bar = figure.add_axes((0.6 / wide, 0.45 / high, 1 - 0.75 / wide, 0.12 / high))
        _maps(axes[:-1], bar, vanishing, via)
    else:
        _uses(axes[0], vanishing, via)
    _products(axes[-1], vanishing, product)
    return figure


# ----------------------------------------------------------------------------- maps

Cell = tuple[float, float, float, float, float]  # left, bottom, width, height, log₁₀ of the value


def _maps(axes: Sequence[Any], bar: Any, vanishing: Vanishing, via: str) -> None:
    """One map a scale, the same colours in all, by logarithm; white where there is nothing."""
    shown = [list(_cells(vanishing.losses, strength)) for strength in vanishing.strengths]
    values = [cell[4] for cells in shown for cell in cells] or [0.0]
    low, high = _span(max(min(values), max(values) - DECADES), max(values))
    for axis, cells, strength in zip(axes, shown, vanishing.strengths, strict=True):
        _fill(axis, cells, low, high)
        axis.set(xlabel="k", title=f"scale {strength.scale:g}")
        axis.set_ylabel("t", rotation=0)
        for side in (axis.xaxis, axis.yaxis):
            side.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axis.set_xlim(0.5, max((c[0] + c[2] for each in shown for c in each), default=1.5))
        axis.set_ylim(vanishing.losses[0] - 0.5, vanishing.losses[-1] + 0.5)
    width = (high - low) / LEVELS
    _fill(bar, [(low + i * width, 0, width, 1, low + (i + 0.5) * width) for i in range(LEVELS)], low, high)
    bar.set(xlim=(low, high), ylim=(0, 1), yticks=[], xlabel=via)
    bar.set_xticks(*_ticks(low, high))


def _cells(losses: Sequence[int], strength: Strength) -> Iterator[Cell]:
    for t, line in zip(losses, strength.contributions, strict=True):
        for k, value in enumerate(line, start=1):
            if value:
                yield k - 0.5, t - 0.5, 1, 1, math.log10(value)


def _fill(axis: Any, cells: Iterable[Cell], low: float, high: float) -> None:
    """Rectangles, those of one colour as one path."""
    from matplotlib import colormaps
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    by_level: dict[int, list[Cell]] = {}
    for cell in cells:
        level = min(LEVELS - 1, max(0, math.floor(LEVELS * (cell[4] - low) / (high - low))))
        by_level.setdefault(level, []).append(cell)
    for level, group in sorted(by_level.items()):
        points, codes = [], []
        for left, bottom, right, top in _joined(group):
            points += [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
            codes += [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
        colour = colormaps["cividis"]((level + 0.5) / LEVELS)
        axis.add_patch(PathPatch(Path(points, codes), facecolor=colour, edgecolor=colour, linewidth=0.3))


def _joined(cells: Iterable[Cell]) -> list[tuple[float, float, float, float]]:
    """left, bottom, right, top; neighbours in one row as one rectangle."""
    found: list[tuple[float, float, float, float]] = []
    for left, bottom, width, height, _ in sorted(cells, key=lambda cell: (cell[1], cell[0])):
        if found and found[-1][1:3] == (bottom, left):
            found[-1] = (found[-1][0], bottom, left + width, bottom + height)
        else:
            found.append((left, bottom, left + width, bottom + height))
    return found


# ----------------------------------------------------------------------------- curves


def _uses(axis: Any, vanishing: Vanishing, via: str) -> None:
    """With a single loss a map would be one line: curves over k."""
    lines = [s.contributions[0] for s in vanishing.strengths]
    _curves(axis, vanishing, [[(k, v) for k, v in enumerate(line, start=1) if v] for line in lines])
    axis.set(xlabel="k", title=f"{via}, t = {vanishing.losses[0]}")


def _products(axis: Any, vanishing: Vanishing, product: str) -> None:
    lines = [s.jacobians[-1] for s in vanishing.strengths]
    length = vanishing.length
    _curves(axis, vanishing, [[(length - k, v) for k, v in enumerate(line, start=1) if v] for line in lines])
    axis.set(xlabel=f"t − k, for t = {length}", title=product)


def _curves(axis: Any, vanishing: Vanishing, curves: Sequence[Sequence[tuple[int, float]]]) -> None:
    styles = itertools.cycle(_CURVES)
    for strength, points, (colour, line, mark) in zip(vanishing.strengths, curves, styles, strict=False):
        axis.plot(
            [x for x, _ in points],
            [math.log10(y) for _, y in points],
            label=f"scale {strength.scale:g}",
            color=colour, linestyle=line, marker=mark, markersize=3.5, linewidth=1.3,
        )  # fmt: skip
    heights = [math.log10(y) for points in curves for _, y in points] or [0.0]
    low, high = _span(min(heights), max(heights))
    axis.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    axis.set_yticks(*_ticks(low, high))
    axis.grid(axis="y", linewidth=0.4, color="#cccccc")
    axis.legend(frameon=False)


def _span(low: float, high: float) -> tuple[float, float]:
    """At least a tenth of a decade."""
    return (low, high) if high - low > 0.1 else ((low + high) / 2 - 0.05, (low + high) / 2 + 0.05)


def _ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """log₁₀ of round numbers from low to high, and the numbers: powers of ten, or 1, 2, 5 of each."""
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    if last - first >= 2:
        powers = range(first, last + 1, math.ceil((last - first + 1) / _TICKS))
        return [float(p) for p in powers], ["1" if p == 0 else f"10{raised(str(p))}" for p in powers]
    for steps in (tuple(1 + i / 10 for i in range(90)), (1, 2, 5), (1, 3), (1,)):
        values = [m * 10.0**p for p in range(first - 1, last + 1) for m in steps]
        shown = [v for v in values if low - 1e-9 <= math.log10(v) <= high + 1e-9]
        if len(shown) <= _TICKS:
            break
    return [math.log10(v) for v in shown], [f"{v:.2g}" for v in shown]


# ----------------------------------------------------------------------------- the file


def _compact(text: str, vanishing: Vanishing) -> str:
    """The picture with a title, without prologue, data about itself and what nothing refers to."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    referred = set(re.findall(r"#([\w.-]+)", text))
    text = re.sub(r"<[^<>]*>", lambda tag: _shorter(tag[0], referred), text)
    text = re.sub(r">\s+<", "><", text).strip()
    words = f"Vanishing and exploding gradients over {vanishing.length} steps"
    head, rest = text.split(">", 1)
    wide = float(re.findall(r' width="([0-9.]+)pt"', head)[0])
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    style = f"width:100%;min-width:{LEAST * wide:.0f}px;max-width:{MOST * wide:.0f}px;height:auto"
    return f'{head} role="img" style="{style}"><title>{escape(words, quote=False)}</title>{rest}'


def _shorter(tag: str, referred: Collection[str]) -> str:
    """Numbers with two decimals, names only where they are used, one space where there are several."""
    tag = re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}".rstrip("0").rstrip("."), tag)
    tag = re.sub(r' id="([^"]*)"', lambda name: name[0] if name[1] in referred else "", tag)
    tag = re.sub(r' transform="rotate\(-0 [^"]*"', "", tag)
    return re.sub(r"\s+", " ", tag).replace(' "', '"').replace(": ", ":").replace("; ", ";")
