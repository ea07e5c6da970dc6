"""The elements that MathML is made of here: letters, signs, numbers and scripts, as text."""

from __future__ import annotations

import re
from html import escape

from chalkgrad.derive.writing.words import GREEK_CHARACTERS

SIGNS = {"-": "−", "*": "∗", "'": "′"}
SPACE = '<mspace width=".17em"/>'
_BOTH_FORMS = "+−±"  # the sign of a number, or between two things
_BRACKETS = "()[]{}"
_CLOSE = "/…"  # signs without space; that behind a comma belongs to the comma
_TIGHT = ' lspace="0" rspace="0"'
_UPPER = frozenset(c for name, c in GREEK_CHARACTERS.items() if name[0].isupper())


def grouped(elements: list[str]) -> str:
    """The elements as one."""
    return elements[0] if len(elements) == 1 else f"<mrow>{''.join(elements)}</mrow>"


def marked(markup: str, key: str | None) -> str:
    """The element with the key of a symbol."""
    if key is None:
        return markup
    tag = re.match(r"<\w+", markup)
    assert tag is not None
    return f'{tag[0]} data-sym="{escape(key)}"{markup[tag.end() :]}'


def scripts(base: str, below: str | None, above: str | None) -> str:
    """A base with an index, an exponent, or both."""
    if below is not None and above is not None:
        return f"<msubsup>{base}{below}{above}</msubsup>"
    return f"<msub>{base}{below}</msub>" if below is not None else f"<msup>{base}{above}</msup>"


def operator(sign: str, script: bool = False, unary: bool = False, between: bool = False) -> str:
    """A sign. unary: with nothing on its left; between: it opens a line and yet stands between two things."""
    shown = SIGNS.get(sign, sign)
    if shown in _BOTH_FORMS and (script or unary):
        attributes = ' form="prefix"'
    elif shown in _BRACKETS:
        return mark(shown)
    elif (script and shown != ",") or shown in _CLOSE:
        attributes = _TIGHT
    else:
        attributes = ' form="infix"' if between else ""
    return f"<mo{attributes}>{escape(shown)}</mo>"


def mark(sign: str, attributes: str | None = None) -> str:
    """A bracket: one that grows, or, without attributes, a letter, around which nothing sets space."""
    return f"<mi>{escape(sign)}</mi>" if attributes is None else f"<mo{attributes}>{escape(sign)}</mo>"


def letters(text: str, style: str) -> str:
    """Letters as one element. Raises TypeError for a style that it does not know.

    A browser sets a single letter in italics by itself and a longer word upright, so a longer word in
    italics is spelled with the italic letters of Unicode.
    """
    text = GREEK_CHARACTERS.get(text, text)
    if style not in ("italic", "upright", "bold"):
        raise TypeError(f"no MathML for the style {style!r}")
    if style == "bold":
        return f"<mi>{spaced(''.join(map(_bold, text)))}</mi>"
    if text.isdecimal():
        return f"<mn>{text}</mn>"
    if len(text) == 1 and (style == "upright" or text in _UPPER):
        return f'<mi mathvariant="normal">{spaced(text)}</mi>'
    if len(text) == 1 or style == "upright":
        return f"<mi>{spaced(text)}</mi>"
    return f"<mi>{spaced(italic(text))}</mi>"


def italic(text: str) -> str:
    """The letters of Unicode's italic alphabet; other characters as they are."""
    return "".join(_other(c, 0x1D434, 0x1D44E, 0x1D6FC) if c != "h" else "ℎ" for c in text)


def _bold(character: str) -> str:
    """The bold letter or digit of Unicode; other characters as they are."""
    if "0" <= character <= "9":
        return chr(0x1D7CE + ord(character) - ord("0"))
    return _other(character, 0x1D400, 0x1D41A, 0x1D6C2)


def _other(character: str, upper: int, lower: int, greek: int) -> str:
    """A letter in the alphabet that begins at these places."""
    for first, last, place in (("A", "Z", upper), ("a", "z", lower), ("α", "ω", greek)):
        if first <= character <= last:
            return chr(place + ord(character) - ord(first))
    return character


def number(text: str, power: int | None) -> str:
    digits = spaced(text.replace("-", "−"))
    if power is None:
        return f"<mn>{digits}</mn>"
    scale = f"<msup><mn>10</mn><mn>{str(power).replace('-', '−')}</mn></msup>"
    if text in ("", "1"):
        return scale
    if text == "-1":
        return f'<mrow><mo form="prefix">−</mo>{scale}</mrow>'
    return f"<mrow><mn>{digits}</mn><mo>·</mo>{scale}</mrow>"


def spaced(text: str) -> str:
    """Escaped; spaces at the ends, which MathML would drop, are kept."""
    bare = text.strip(" ")
    if not bare:
        return "\u00a0" * len(text)
    before, _, after = text.partition(bare)
    return "\u00a0" * len(before) + escape(bare) + "\u00a0" * len(after)
