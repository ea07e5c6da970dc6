"""An SVG file as an element of a page: without prologue, names of vocabularies and data about itself.

Two pictures on one page may not share an id, and a style sheet in one may not reach the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from xml.etree import ElementTree

_LEFT_OUT = frozenset({"metadata", "script", "foreignObject"})
_WORDS = frozenset({"text", "tspan", "title", "desc"})  # elements in which space is a character
_PLACES = frozenset({"d", "points", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height"})
_REFERENCE = re.compile(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)")
_NAMED = frozenset({"aria-labelledby", "aria-describedby"})
_FINE = re.compile(r"\d*\.\d{3,}")


def embedded(picture: str, prefix: str, label: str = "") -> str:
    """The picture as an `svg` element whose ids begin with `prefix`; its places are rounded to hundredths.

    label: the id of what describes it where it does not do so itself. Raises xml.etree's ParseError.
    """
    root = ElementTree.fromstring(picture)
    kind = f"{prefix}pic".lstrip("_")
    given = root.get("class")
    extra = {"class": kind if given is None else f"{given} {kind}", "role": "img"}
    described = any(_local(child.tag) in ("title", "desc") for child in root)
    if label and not described and "aria-labelledby" not in root.attrib:
        extra["aria-labelledby"] = label
    return _Embedding(prefix, kind, frozenset(_referred(root))).element(root, extra)


@dataclass(frozen=True)
class _Embedding:
    """What one picture has in common: prefix of its ids, class, and the ids that something refers to."""

    prefix: str
    kind: str
    referred: frozenset[str]

    def element(self, element: ElementTree.Element, extra: Mapping[str, str] | None = None) -> str:
        tag = _local(element.tag)
        if tag in _LEFT_OUT:
            return ""
        values = {_local(name): value for name, value in element.attrib.items() if not _about_xml(name)}
        kept = {n: self._value(n, v) for n, v in values.items() if n != "id" or v in self.referred}
        attributes = "".join(
            f' {name}="{escape(value)}"' for name, value in {**kept, **(extra or {})}.items()
        )
        body = "".join(self._inside(element, tag))
        if not body.strip() and tag not in _WORDS:
            return f"<{tag}{attributes}/>"
        return f"<{tag}{attributes}>{body}</{tag}>"

    def _inside(self, element: ElementTree.Element, tag: str) -> Iterator[str]:
        if tag == "style":
            yield _scoped(element.text or "", self.kind)
            return
        yield _text(element.text, tag)
        for child in element:
            yield self.element(child)
            yield _text(child.tail, tag)

    def _value(self, name: str, value: str) -> str:
        if name == "id":
            return self.prefix + value
        if name == "href" and value.startswith("#"):
            return f"#{self.prefix}{value[1:]}"
        if name in _NAMED:
            return " ".join(self.prefix + word for word in value.split())
        if name in _PLACES:
            return _FINE.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)
        return _REFERENCE.sub(rf"url(#{self.prefix}\1)", value)


def _referred(root: ElementTree.Element) -> Iterator[str]:
    """Every id that a link, a painted shape or a description names."""
    for element in root.iter():
        for name, value in element.attrib.items():
            yield from _REFERENCE.findall(value)
            if _local(name) == "href":
                yield value.removeprefix("#")
            if name in _NAMED:
                yield from value.split()


def _text(text: str | None, tag: str) -> str:
    """Characters between elements; where none are shown, their space is none either."""
    shown = escape(text or "", quote=False)
    return shown if tag in _WORDS or shown.strip() else ""


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _about_xml(name: str) -> bool:
    """xml:space and its like, and versions, which say nothing in a page."""
    return name.startswith("{http://www.w3.org/XML/") or name == "version"


def _scoped(sheet: str, scope: str) -> str:
    """Every rule of the sheet, for one picture alone."""
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", sheet)
    found = []
    for selectors, body in rules:
        if not selectors.strip().startswith("@"):
            scoped = ",".join(f".{scope} {one.strip()}" for one in selectors.split(","))
            found.append(f"{scoped}{{{body.strip()}}}")
    return "".join(found)
