"""Notations: how a value at a step, a parameter, a derivative are written. One switch for a whole document.

| name | steps | δ | total | immediate | source |
|---|---|---|---|---|---|
| note | a^⟨t⟩ | δ_a | ∂ | ∂⁺ | the founding note |
| d2l | h_t | δ_h | ∂ | ∂⁺ | Zhang, Lipton, Li and Smola, Dive into Deep Learning, 9.7: h, o, W_qh |
| pascanu | x_t | δ_x | ∂ | ∂⁺ | Pascanu, Mikolov and Bengio 2013, eq. 2 to 5: state x, input u, error 𝓔 |
| werbos | a(t) | F_a | ∂⁺ | ∂ | Werbos 1990: the ordered derivative carries the plus, F_ stands for it |

A letter is exchanged only where the model has no other use for the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import sympy

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.choices import check_choice
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.terms.algebra import Role, StepLike, Symbol, exact, symbols
from chalkgrad.derive.writing.tree import (
    Accent,
    Derivative,
    Fence,
    Frac,
    Ident,
    Name,
    Node,
    Objective,
    Op,
    Par,
    Size,
    Sub,
    Sup,
    When,
    row,
)

NETWORKS = ("enc", "dec")  # prefixes of the parameters of two networks
INTERMEDIATE = ("z", "u", "s", "m", "l", "w")  # first letters of names that the derivation gives
_LOWER = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi"
)
_UPPER = "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
GREEK = frozenset(f"{_LOWER} {_UPPER}".split())


@dataclass(frozen=True)
class Notation:
    """How what has a meaning is written; letters: those of the model that are exchanged."""

    name: str = "note"
    place: str = "above"  # of the step: "above" as ^<t>, "below" as an index, "behind" in parentheses
    total: str = ""  # the mark on ∂ of a total derivative
    immediate: str = "+"
    delta: str = "delta"
    loss: str = "L"
    letters: Mapping[str, str] = field(default_factory=dict, hash=False)

    def written(self, node: Node) -> Node:
        """What has a meaning, in signs: names in letters, scripts and fractions. Raises TypeError."""
        match node:
            case Name(name=name, step=step, role=role):
                return self._at(self._base(name, role), step)
            case Par(name=name, moved=moved):
                letters = self._parameter(name)
                return Fence(row(Ident("d", "upright"), letters)) if moved else letters
            case Size(name=name):
                return self._word(name)
            case When(step=step):
                return self.step(step)
            case Objective(name=name, step=step):
                return self._at(Ident(self.loss) if name == "L" else self._word(name), step)
            case Derivative(of=of, by=by, immediate=immediate):
                mark = self.immediate if immediate else self.total
                sign = Ident("∂")
                above = Sup(sign, Op(mark)) if mark else sign
                below = above if self.name == "werbos" else sign
                return Frac(row(above, of), row(below, by))
            case _:
                raise TypeError(f"no notation for {type(node).__name__}")

    def step(self, step: StepLike) -> Node:
        """t-1, T, T_x+1, 2"""
        number, rest = exact(step).as_coeff_Add()
        names = sorted(sympy.Add.make_args(rest), key=str) if rest != 0 else []
        items: list[Node] = []
        for one in names:
            items += [Op("+"), self._word(str(one))] if items else [self._word(str(one))]
        if not items:
            return Ident(str(number), "upright")
        if number != 0:
            items += [Op("-" if number < 0 else "+"), Ident(str(abs(int(number))), "upright")]
        return row(*items)

    # ------------------------------------------------------------------------- pieces

    def _at(self, base: Node, step: StepLike | None) -> Node:
        if step is None:
            return base
        when = self.step(step)
        match self.place:
            case "above":
                return Sup(base, row(Op("<"), when, Op(">")))
            case "behind":
                return row(base, Fence(when, sized=False))
            case _:
                return (
                    Sub(base.base, row(base.below, Op(","), when))
                    if isinstance(base, Sub)
                    else Sub(base, when)
                )

    def _base(self, name: str, role: Role) -> Node:
        word = self._word(name)
        match role:
            case Role.VALUE:
                return word
            case Role.COTANGENT:
                return Sub(Ident(self.delta), word)
            case Role.EXTERNAL:
                return Accent(word, "‾")
            case _:
                raise TypeError(f"no notation for the role {role}")

    def _parameter(self, name: str) -> Node:
        """The prefix of one of two networks is a superscript."""
        prefix, _, rest = name.partition("_")
        if prefix not in NETWORKS or not rest:
            return self._word(name, kept=True)
        inner, mark = self._word(rest, kept=True), Ident(prefix, "upright")
        return Sub(Sup(inner.base, mark), inner.below) if isinstance(inner, Sub) else Sup(inner, mark)

    def _word(self, name: str, kept: bool = False) -> Node:
        """z_a → z with index a, yhat → ŷ, alpha → α, gate_x → upright gate with index x.

        kept: the letter in front is not exchanged (that of a parameter).
        """
        head, _, tail = name.partition("_")
        if not head or name.endswith("_"):
            return Ident(name, "upright")
        first = _letters(head if kept else self.letters.get(head, head), 1)
        return Sub(first, self._index(tail)) if tail else first

    def _index(self, text: str) -> Node:
        if text.partition("_")[0] in INTERMEDIATE and "_" in text:
            return self._word(text)
        parts: list[Node] = []
        for part in text.split("_"):
            parts += [Ident("_", "upright")] if parts else []
            parts.append(_letters(self._exchanged(part), 2))
        return row(*parts)

    def _exchanged(self, word: str) -> str:
        """An index; in one of two letters each is exchanged for itself."""
        if word in self.letters:
            return self.letters[word]
        inside = {old: new for old, new in self.letters.items() if len(old) == len(new) == 1}
        if YHAT in self.letters:
            inside |= {"y": self.letters[YHAT]}
        return "".join(inside.get(c, c) for c in word) if len(word) <= 2 else word


def _letters(word: str, plain: int) -> Node:
    """One word; up to `plain` letters stay italic, as the note has W_aa."""
    if word == YHAT:
        return Accent(Ident("y"), "^")
    if word in GREEK:
        return Ident(word)
    bare = word.rstrip("0123456789")
    if plain > 1 and bare != word and bare in {YHAT, *GREEK}:
        return row(_letters(bare, plain), Ident(word[len(bare) :], "upright"))
    return Ident(word, "italic" if len(word) <= plain else "upright")


# ----------------------------------------------------------------------------- choosing

NOTE = Notation()
_CHOICES = {
    "note": NOTE,
    "d2l": Notation("d2l", place="below"),
    "pascanu": Notation("pascanu", place="below", loss="ℰ"),
    "werbos": Notation("werbos", place="behind", total="+", immediate="", delta="F"),
}
_LETTERS = {  # for the state that the output reads, the input and the output
    "d2l": ("h", "x", "o"),
    "pascanu": ("x", "u", YHAT),
}


def notation(name: str, derivation: Derivation) -> Notation:
    """The notation called `name`, with letters that fit the model. Raises ChoiceError."""
    check_choice("notation", name, choices.NOTATIONS)
    chosen = _CHOICES[name]
    state = _shown_state(derivation)
    if name not in _LETTERS or state is None:
        return chosen
    wanted = dict(zip((state, derivation.schedule.x.name, YHAT), _LETTERS[name], strict=True))
    used = _letters_in_use(derivation) - set(wanted)
    if used & set(wanted.values()):
        return chosen
    return replace(chosen, letters={old: new for old, new in wanted.items() if old != new})


def _shown_state(derivation: Derivation) -> str | None:
    """The one state that the output reads, or the only one."""
    states = {s.name for s in derivation.schedule.states}
    read = {s.name for d in derivation.model.output for s in symbols(d.value)} & states or states
    return next(iter(read)) if len(read) == 1 else None


def _letters_in_use(derivation: Derivation) -> set[str]:
    """Names of values, and letters in the indices of parameters."""
    targets: Iterable[Symbol] = (f.target for p in derivation.phases for f in p.forward)
    found = {
        "x",
        "y",
        *(t.name for t in targets if "_" not in t.name),
        *(s.name for s in derivation.schedule.states),
    }
    for parameter in derivation.schedule.parameters:
        head, *rest = parameter.name.split("_")
        found |= {head, *rest, *(c for word in rest if len(word) <= 2 for c in word)}
    return found
