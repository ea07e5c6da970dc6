"""The scanner of formulas: from text, plain, Unicode or LaTeX, to tokens that mean the same in all three.

    kind      text
    name      letters with their index: W_aa for W_{aa}, yhat for \\hat{y} and ŷ, delta_z_a for \\delta_{z_a}
    number    as written
    sign      + - * / @ · = ^ _ , .. .T ( ) [ ] { } < >; * for every sign of the componentwise product
    prime     ' once for each
    power     digits that stand raised: 2 for ²
    word      sum, prod, frac, partial, turned, plus (that of ∂⁺), end

What only serves the layout (\\left, \\quad, &, \\\\, \\begin{align}) is space. Grammar is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from chalkgrad.derive.checking.reading.errors import FormulaError
from chalkgrad.derive.terms.functions import ELEMENTWISE
from chalkgrad.derive.writing.notation import GREEK
from chalkgrad.derive.writing.words import GREEK_CHARACTERS

MAX_LENGTH = 10_000  # characters

_LETTER = "A-Za-z\u0370-\u03ff\u0177\u0302"
_IDENTIFIER = re.compile(rf"[{_LETTER}](?:[{_LETTER}0-9]|_(?=[{_LETTER}0-9]))*")
_NUMBER = re.compile(r"(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_COMMAND = re.compile(r"\\(?:[A-Za-z]+\*?|.)", re.DOTALL)
_SPACE = re.compile(r"[\s~&$\u200b\ufe0f]+")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[A-Za-z]+\*?\}")
_LATEX = re.compile(r"[\\&$]|(?<!sum)(?<!prod)(?<![ΣΠ∑∏])_\{")
_BOUNDED = re.compile(r"\s*[_^]")
_TURNED = re.compile(r"\.\s*T(?![A-Za-z0-9_])")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_PRIMES = re.compile("['′’″`´]+")
_SIGNS = {
    **{sign: sign for sign in "+-*/@=^_,()[]{}<>"},
    **dict.fromkeys("−–‐", "-"),
    **dict.fromkeys("∗⊙×∘⁎", "*"),
    **dict.fromkeys("·⋅•∙", "·"),
    **dict.fromkeys("⟨〈‹", "<"),
    **dict.fromkeys("⟩〉›", ">"),
    "÷": "/",
    "…": "..",
}
_WORDS = {"∂": "partial", "⊤": "turned", "ᵀ": "turned", "⁺": "plus", "∑": "sum", "∏": "prod"}
_WORDS |= {"Σ": "sum", "Π": "prod"}
_LAYOUT = frozenset(
    (",", ";", ":", "!", "\\", " ", "left", "right", "middle", "nonumber", "notag")
) | frozenset(
    ("big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr")
)
_LAYOUT |= {"displaystyle", "textstyle", "limits", "nolimits", "quad", "qquad", "enspace", "thinspace"}
_STYLES = (
    "mathrm|mathbf|mathit|mathsf|boldsymbol|bm|text|textrm|textbf|textit|operatorname|mathcal|mathbb|vec"
)
_STYLE = re.compile(rf"\\(?:{_STYLES})(?![A-Za-z])\*?")
_HAT = re.compile(r"\\(?:hat|widehat)(?![A-Za-z])\s*(?:\{\s*([A-Za-z]+)\s*\}|([A-Za-z]))")
_COMMAND_SIGNS = {
    **dict.fromkeys(("odot", "ast", "circ", "times"), "*"),
    **dict.fromkeys(("cdot", "bullet"), "·"),
    **dict.fromkeys(("langle", "lt", "<"), "<"),
    **dict.fromkeys(("rangle", "gt", ">"), ">"),
    **dict.fromkeys(("{", "lbrace", "lparen"), "("),
    **dict.fromkeys(("}", "rbrace", "rparen"), ")"),
    "div": "/",
    "lbrack": "[",
    "rbrack": "]",
    "dots": "..",
    "ldots": "..",
    "cdots": "..",
}
_COMMAND_WORDS = {
    **dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac"), "frac"),
    **dict.fromkeys(("top", "intercal"), "turned"),
    **{name: name for name in ("sum", "prod", "partial")},
}
_FUNCTIONS = {word[1:] for f in ELEMENTWISE.values() for word in f.spellings if word.startswith("\\")}
_FUNCTIONS |= {"max", "diag"}
_VARIANTS = {f"var{name}": name for name in ("epsilon", "phi", "sigma", "theta", "rho")}
_CHARACTERS = {character: name for name, character in GREEK_CHARACTERS.items()} | {"ε": "epsilon", "φ": "phi"}
_OPERAND = "a name, a number or '('"


@dataclass(frozen=True)
class Token:
    """kind and text as the module says; start and end in the scanned text."""

    kind: str
    text: str
    start: int
    end: int

    def is_sign(self, *texts: str) -> bool:
        return self.kind == "sign" and self.text in texts


def one_line(text: str) -> str:
    """The text with line breaks and tabs as spaces: what columns count in."""
    return " ".join(part for part in re.split(r"[\r\n\t\v\f\u2028\u2029\x85]+", text) if part.strip()).strip()


def is_latex(text: str) -> bool:
    """Whether the text is LaTeX, by a command or the braces of W_{aa}: side by side is a product there."""
    return _LATEX.search(text) is not None


def tokens(text: str, known: Collection[str]) -> list[Token]:
    """The tokens of one line, "end" last. known: names as they are, sum_x say. Raises FormulaError."""
    if len(text) > MAX_LENGTH:
        raise FormulaError(text, None, f"at most {MAX_LENGTH} characters", f"{len(text)}")
    return [*_Scanner(text, known).scan(), Token("end", "", len(text), len(text))]


class _Scanner:
    def __init__(self, text: str, known: Collection[str]) -> None:
        self._text, self._known, self._position = text, known, 0

    def scan(self) -> Iterator[Token]:
        while self._position < len(self._text):
            start = self._position
            found = self._next()
            if found is not None:
                yield Token(*found, start, self._position)

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        match = pattern.match(self._text, self._position)
        if match is None:
            return None
        self._position = match.end()
        return match[0]

    def _next(self) -> tuple[str, str] | None:
        """Kind and text of what comes next; None for space."""
        if self._match(_SPACE) or self._match(_ENVIRONMENT):
            return None
        character = self._text[self._position]
        if character == "\\":
            return self._command()
        if self._text.startswith(("sum", "prod", "Σ", "Π"), self._position) and (word := self._summing()):
            return "word", word
        if character in _WORDS and not _IDENTIFIER.match(character):
            self._position += 1
            return "word", _WORDS[character]
        if identifier := self._match(_IDENTIFIER):
            return "name", self._indexed(flat(identifier) or identifier)
        if number := self._match(_NUMBER):
            return "number", number
        if self._text.startswith("..", self._position) or self._text.startswith("**", self._position):
            self._position += 2
            return "sign", "^" if character == "*" else ".."
        if self._match(_TURNED):
            return "sign", ".T"
        if primes := self._match(_PRIMES):
            return "prime", "'" * sum(2 if c == "″" else 1 for c in primes)
        if raised := self._match(_RAISED):
            return "power", "".join(str("⁰¹²³⁴⁵⁶⁷⁸⁹".index(c)) for c in raised)
        if character in _SIGNS:
            self._position += 1
            return "sign", _SIGNS[character]
        raise self._mistake(self._position, _OPERAND, repr(character))

    def _mistake(self, position: int, expected: str, found: str) -> FormulaError:
        return FormulaError(self._text, position + 1, expected, found)

    def _summing(self) -> str | None:
        """Σ, or sum before an index; `sum(v)` is a function, and a name that is known is that name."""
        word = next(w for w in ("sum", "prod", "Σ", "Π") if self._text.startswith(w, self._position))
        whole = _IDENTIFIER.match(self._text, self._position)
        if whole is not None and whole[0] in self._known:
            return None
        if word not in _WORDS and not _BOUNDED.match(self._text, self._position + len(word)):
            return None
        self._position += len(word)
        return _WORDS.get(word, word)

    # ------------------------------------------------------------------------- LaTeX

    def _command(self) -> tuple[str, str] | None:
        start = self._position
        hat = _HAT.match(self._text, start)
        if hat is not None:
            self._position = hat.end()
            return "name", self._indexed(f"{hat[1] or hat[2]}hat")
        if self._match(_STYLE):
            return "name", self._indexed(self._argument(start))
        command = (self._match(_COMMAND) or "")[1:]
        if command in _LAYOUT:
            return None
        if command == "_":
            return "sign", "_"
        if command == "prime":
            return "prime", "'"
        if command in _COMMAND_SIGNS:
            return "sign", _COMMAND_SIGNS[command]
        if command in _COMMAND_WORDS:
            return "word", _COMMAND_WORDS[command]
        if command in _FUNCTIONS:
            return "name", command
        name = _VARIANTS.get(command, command)
        if name in GREEK:
            return "name", self._indexed(name)
        raise self._mistake(start, "a command of mathematics that is known here", repr(f"\\{command}"[:40]))

    def _argument(self, start: int) -> str:
        """The name in braces behind a command of style."""
        self._match(_SPACE)
        if not self._text.startswith("{", self._position):
            raise self._mistake(self._position, "'{' and a name", self._found())
        inside, end = self._group(self._position)
        name = flat(inside)
        if name is None:
            raise self._mistake(start, "a name in braces", repr(inside[:40]))
        self._position = end
        return name

    def _found(self) -> str:
        rest = self._text[self._position : self._position + 1]
        return repr(rest) if rest else "the end"

    def _group(self, opening: int) -> tuple[str, int]:
        """What stands in the braces that open there, and where they are over."""
        depth = 0
        for position in range(opening, len(self._text)):
            escaped = self._text[position - 1] == "\\"
            if self._text[position] == "{" and not escaped:
                depth += 1
            elif self._text[position] == "}" and not escaped:
                depth -= 1
                if depth == 0:
                    return self._text[opening + 1 : position], position + 1
        raise self._mistake(opening, "'}' to close '{'", "the end of the formula")

    def _indexed(self, name: str) -> str:
        """The name with its index, in braces or one LaTeX letter; a step there is left to the parser."""
        while self._text.startswith(("_", r"\_"), self._position):
            begin = self._position + (2 if self._text[self._position] == "\\" else 1)
            if self._text.startswith("{", begin):
                inside, end = self._group(begin)
            else:
                piece = _HAT.match(self._text, begin) or re.compile(rf"\\[A-Za-z]+|[{_LETTER}0-9]+").match(
                    self._text, begin
                )
                if piece is None:
                    return name
                inside, end = piece[0], piece.end()
            index = flat(inside)
            if index is None:
                return name
            name, self._position = f"{name}_{index}", end
        return name


def flat(text: str) -> str | None:
    """Letters and digits that a piece of LaTeX or Unicode stands for; None if it is no name."""
    text = text.replace("y\u0302", "yhat").replace("ŷ", "yhat").replace(r"\_", "_").replace(r"\,", "")
    text = _HAT.sub(lambda m: f"{m[1] or m[2]}hat", text)
    text = _STYLE.sub("", text)
    text = re.sub(r"\\([A-Za-z]+)", lambda m: m[1] if m[1] in GREEK else m[0], text)
    text = "".join(_CHARACTERS.get(c, c) for c in text)
    text = re.sub(r"[{}\s]", "", text)
    return text if re.fullmatch(r"[A-Za-z0-9_]+", text) else None
