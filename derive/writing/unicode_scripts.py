"""Raised, lowered, bold and marked characters of Unicode, and how many columns a text takes."""

from __future__ import annotations

import unicodedata

_RAISED = dict(
    zip("0123456789+-−=()abcdefghijklmnoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True)
)
_LOWERED = dict(zip("0123456789+-−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
_COMBINING = {"^": "\u0302", "‾": "\u0304", "~": "\u0303"}
_OVER_EACH = {"^": "\u0302", "‾": "\u0305", "~": "\u0303"}  # bars of U+0305 join above a word
_BOLD_CAPITAL, _BOLD_SMALL, _BOLD_DIGIT = 0x1D400, 0x1D41A, 0x1D7CE


def raised(text: str) -> str | None:
    """The text as an exponent; None where a character has no raised form."""
    return _each(text, _RAISED)


def lowered(text: str) -> str | None:
    """The text as an index; None where a character has no lowered form."""
    return _each(text, _LOWERED)


def _each(text: str, table: dict[str, str]) -> str | None:
    return "".join(table[c] for c in text) if text and all(c in table for c in text) else None


def marked(word: str, mark: str) -> str:
    """ŷ, v̄, a bar over every letter of a word. Raises TypeError for a mark it does not know."""
    if mark not in _COMBINING:
        raise TypeError(f"no Unicode for the mark {mark!r}")
    if columns(word) == 1:
        return unicodedata.normalize("NFC", word + _COMBINING[mark])
    return "".join(character + _OVER_EACH[mark] for character in word)


def bold(text: str) -> str:
    """ASCII letters and digits in bold."""
    return "".join(map(_bold, text))


def _bold(character: str) -> str:
    if "0" <= character <= "9":
        return chr(_BOLD_DIGIT + ord(character) - ord("0"))
    if "A" <= character <= "Z":
        return chr(_BOLD_CAPITAL + ord(character) - ord("A"))
    if "a" <= character <= "z":
        return chr(_BOLD_SMALL + ord(character) - ord("a"))
    return character


def columns(text: str) -> int:
    """The columns that one line of text takes in a terminal: marks take none, wide characters two."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
