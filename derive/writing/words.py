"""Signs and letters of Unicode as LaTeX has them, alone and amid words.

What a document says in words comes from its author and from model files; TeX and KaTeX in strict mode
take ASCII letters in words and little else, so signs among the words become mathematics and letters with
marks lose them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from chalkgrad.derive.writing.notation import GREEK

_CHARACTERS = "αβγδϵζηθικλμνξπρστυϕχψωΓΔΘΛΞΠΣΥΦΨΩ"
_NAMES = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi
omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""
_NAMED = dict(zip(_CHARACTERS, _NAMES.split(), strict=True))
_VARIANTS = {"ε": "varepsilon", "φ": "varphi", "ς": "varsigma", "ϑ": "vartheta", "µ": "mu"}
GREEK_CHARACTERS = {name: character for character, name in _NAMED.items()}
UPRIGHT_SIGNS = {
    "∂": r"\partial",
    "∇": r"\nabla",
    "∞": r"\infty",
    "ℓ": r"\ell",
    "ℰ": r"\mathcal{E}",
    "ℒ": r"\mathcal{L}",
    "ℝ": r"\mathbb{R}",
    "⊤": r"\top",
    "′": r"{}'",
    "ᵀ": r"{}^{\top}",
    "⁺": r"{}^{+}",
    "½": r"\tfrac{1}{2}",
    "√": r"\surd",
    "Σ": r"\Sigma",
    "∑": r"\Sigma",
    "∏": r"\Pi",
    "‖": r"\|",
    **{raised: rf"{{}}^{{{digit}}}" for digit, raised in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "⁻": r"{}^{-}",
    **{lowered: rf"{{}}_{{{digit}}}" for digit, lowered in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **{character: rf"\{name}" for character, name in (_NAMED | _VARIANTS).items()},
}
_MATH_AMID_WORDS = frozenset(UPRIGHT_SIGNS) | frozenset("×·∗≠≤≥≈≡∈→←⇒⋯⟨⟩±−<>|%&#_{}")
_SPELLED = {
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "…": "...",
    "\u00a0": " ",
    "ß": "ss",
    "æ": "ae",
    "Æ": "AE",
    "œ": "oe",
    "Œ": "OE",
    "ø": "o",
    "Ø": "O",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "ı": "i",
    "§": "section ",
    "©": "(c)",
    "✓": "yes",
    "✗": "no",
    "°": " degrees",
}
_MISSING = "?"  # for a character that plain TeX has no glyph for


def letters_of(text: str) -> str:
    """A Greek letter by name or character, or a letter-like sign, as LaTeX. Raises TypeError."""
    if text in GREEK:
        return rf"\{text}"
    if text not in UPRIGHT_SIGNS:
        raise TypeError(f"no LaTeX for the letters {text!r}")
    return UPRIGHT_SIGNS[text]


def ascii_words(text: str) -> Iterator[tuple[bool, str]]:
    """The words cut into runs: (False, ASCII text) and (True, one sign of mathematics)."""
    run = ""
    for character in text:
        if character in _MATH_AMID_WORDS:
            yield False, run
            yield True, character
            run = ""
        else:
            run += _spelled(character)
    yield False, run


def _spelled(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() or character.isspace() else ""
    if character in _SPELLED:
        return _SPELLED[character]
    bare = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    if not bare:
        return ""
    return bare if bare.isascii() else _MISSING
