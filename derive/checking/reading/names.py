"""What a formula refers to: values and δ at a step, parameters, the loss, derivatives.

a[t-1]  a<t-1>  a⟨t-1⟩  a^{<t-1>}  a_{t-1}      the value at a step; a alone: at the index of the sum, or at t
delta_a[t]  δ_a[t]  \\delta_a^{<t>}             ∂L/∂a⟨t⟩
dL/da[t]  dL[2]/dW  da[2]/da[1]  ∂L/∂W         total derivatives; \\frac{\\partial L}{\\partial W} too
d+a[2]/dW  ∂⁺a[2]/∂W                           immediate ones
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.checking.reading.cursor import Cursor
from chalkgrad.derive.checking.reading.scanner import Token
from chalkgrad.derive.checking.reading.scope import GIVEN, TIMES, Scope
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Delta,
    Index,
    Loss,
    Slope,
    StepNumber,
    Syntax,
    Value,
    Weight,
    at,
)
from chalkgrad.derive.writing.notation import NETWORKS

_ONE_TRAJECTORY = {"T_x": "T", "T_y": "T", "Tx": "T", "Ty": "T"}
_TWO = {"Tx": "T_x", "Ty": "T_y"}
_LETTER = re.compile(r"[A-Za-z]|tau|T_[xy]|T[xy]")
_STEPPED = re.compile(r"(.+)_([tkijs]|T|tau|\d+)")
_CLOSING = {"[": "]", "<": ">", "(": ")"}


@dataclass
class References:
    """Reads references at a cursor. bound: the indices of the sums around, the innermost last.

    half_read: of ^{<t>T} the step has been read, and the exponent and its brace are due.
    """

    scope: Scope
    cursor: Cursor
    bound: list[str] = field(default_factory=list)
    half_read: bool = False

    # ------------------------------------------------------------------------- steps

    def index(self) -> Index:
        """t, t-1, T+1, 2"""
        found, sign = Index(), -1 if self.cursor.sign("-") else 1
        while True:
            found = found.plus(self._item(), sign)
            if self.cursor.sign("+"):
                sign = 1
            elif self.cursor.sign("-"):
                sign = -1
            else:
                return found

    def _item(self) -> Index:
        token = self.cursor.token
        if token.kind == "number" and token.text.isdigit() and len(token.text) <= 4:
            self.cursor.take()
            return Index((), int(token.text))
        if token.kind == "name" and _LETTER.fullmatch(token.text):
            self.cursor.take()
            return at(self._time(token.text))
        raise self.cursor.mistake("a step: t, t-1, T or a number")

    def _time(self, name: str) -> str:
        two = self.scope.derivation.model.architecture == choices.ENCODER_DECODER
        return (_TWO if two else _ONE_TRAJECTORY).get(name, name)

    def step(self) -> Index | None:
        """The step behind a name, where one is written."""
        cursor = self.cursor
        if cursor.token.is_sign("[", "<"):
            return self._bracketed()
        if cursor.token.is_sign("^") and cursor.ahead().is_sign("<"):
            cursor.take()
            return self._bracketed()
        opened = cursor.token.is_sign("^") and cursor.ahead().is_sign("{")
        if (opened and cursor.ahead(2).is_sign("<", "[")) or (opened and self._is_step_in_parentheses()):
            cursor.position += 2
            found = self._bracketed()
            self.half_read = not cursor.sign("}")
            return found
        if cursor.token.is_sign("_") and cursor.ahead().is_sign("{"):
            cursor.position += 2
            found = self.index()
            cursor.close("}")
            return found
        return None

    def _is_step_in_parentheses(self) -> bool:
        """^{(t)}: a letter, where ^{(2)} is a power."""
        return self.cursor.ahead(2).is_sign("(") and self.cursor.ahead(3).kind == "name"

    def _bracketed(self) -> Index:
        opening = self.cursor.take().text
        found = self.index()
        self.cursor.due(_CLOSING[opening], otherwise=f"{_CLOSING[opening]!r}, '+' or '-'")
        return found

    def _here(self) -> Index:
        """What a name without a step means."""
        return self.step() or at(self.bound[-1] if self.bound else "t")

    # ------------------------------------------------------------------------- names

    def reference(self) -> Syntax | None:
        """What a name stands for, with its step. None for a name that is not known here."""
        token, scope = self.cursor.token, self.scope
        name = self._network(token.text)
        if name in scope.values:
            self.cursor.take()
            return Value(name, self._here())
        if name in scope.parameters:
            self.cursor.take()
            if self.cursor.token.is_sign("[", "<"):
                raise self.cursor.mistake(f"no step behind {name!r}, the same at every step")
            return Weight(name)
        if name == scope.objective:
            self.cursor.take()
            return self._of_arguments(Loss(self.step()))
        if name in scope.aliases:
            self.cursor.take()
            return Value(scope.aliases[name], self._here())
        if name in scope.initial:
            self.cursor.take()
            return Value(scope.initial[name], Index())
        return self._delta(token) or self._number(token) or self._lowered(token)

    def _network(self, name: str) -> str:
        """enc_W_aa, also where enc stands raised: W^{enc}_{aa}."""
        cursor = self.cursor
        raised = cursor.ahead(3 if cursor.ahead(2).is_sign("{") else 2)
        if not cursor.ahead().is_sign("^") or raised.text not in NETWORKS:
            return name
        end = cursor.position + (5 if cursor.ahead(2).is_sign("{") else 3)
        after = end - cursor.position
        lowered = cursor.ahead(after).is_sign("_") and cursor.ahead(after + 1).is_sign("{")
        low = cursor.ahead(after + 2).text if lowered else ""
        whole = f"{raised.text}_{name}{f'_{low}' if low else ''}"
        if whole not in self.scope.parameters:
            return name
        cursor.position = end + (4 if low else 0) - 1
        return whole

    def _of_arguments(self, loss: Loss) -> Loss:
        """L^{<t>}(\\hat{y}^{<t>}, y^{<t>}): the loss of one step is that of its arguments."""
        found = self.cursor.tried(self._two_arguments)
        if found is None or loss.index is None:
            return loss
        output, target = found
        if output.index != target.index:
            raise self.cursor.mistake("one step in both arguments of the loss", at=self.cursor.ahead(-1))
        return Loss(output.index)

    def _two_arguments(self) -> tuple[Value, Value] | None:
        cursor = self.cursor
        if not cursor.sign("(") or cursor.token.kind != "name":
            return None
        output = self.reference()
        if not cursor.sign(",") or cursor.token.kind != "name":
            return None
        target = self.reference()
        if not isinstance(output, Value) or not isinstance(target, Value) or not cursor.sign(")"):
            return None
        return (output, target) if (output.name, target.name) == (YHAT, GIVEN) else None

    def _delta(self, token: Token) -> Delta | None:
        cursor, name = self.cursor, token.text
        if name == "delta":
            return cursor.tried(self._delta_with_index_last)
        of = name.removeprefix("delta_")
        if of == name or of not in self.scope.values:
            return None
        cursor.take()
        return Delta(self._differentiable(of, token), self._here())

    def _delta_with_index_last(self) -> Delta | None:
        """\\delta^{<t>}_{a}"""
        self.cursor.take()
        index = self.step()
        if index is None or not self.cursor.sign("_"):
            return None
        braced = self.cursor.sign("{")
        token = self.cursor.take()
        if braced:
            self.cursor.close("}")
        known = token.kind == "name" and token.text in self.scope.values
        return Delta(self._differentiable(token.text, token), index) if known else None

    def _differentiable(self, name: str, token: Token) -> str:
        if name == GIVEN:
            raise self.cursor.mistake(f"a value of the network: {name} is given, not computed", at=token)
        return name

    def _number(self, token: Token) -> Syntax | None:
        name = self._time(token.text)
        if name in TIMES or name == "t" or name in self.bound:
            self.cursor.take()
            return StepNumber(at(name))
        if name in self.scope.counts:
            self.cursor.take()
            return Count(name)
        return None

    def _lowered(self, token: Token) -> Syntax | None:
        """a_t, as some books write the step."""
        match = _STEPPED.fullmatch(token.text)
        if match is None:
            return None
        of, index = match[1], match[2]
        step = Index((), int(index[:4])) if index.isdigit() else at(index)
        if of in self.scope.values:
            self.cursor.take()
            return Value(of, step)
        if of.startswith("delta_") and of.removeprefix("delta_") in self.scope.values:
            self.cursor.take()
            return Delta(self._differentiable(of.removeprefix("delta_"), token), step)
        if of == self.scope.objective:
            self.cursor.take()
            return Loss(step)
        return None

    # ------------------------------------------------------------------------- derivatives

    def slope(self) -> Slope | None:
        """dof/dby where one stands here; a quotient of anything else is left alone."""
        return self.cursor.tried(self._quotient)

    def _quotient(self) -> Slope | None:
        """Nothing is left changed where there is none."""
        cursor, start = self.cursor, self.cursor.position
        first = cursor.token
        found = self._divided()
        if found is None:
            cursor.position, self.half_read = start, False
            cursor.replace(first)
        return found

    def _divided(self) -> Slope | None:
        token = self.cursor.token
        above = self._moving()
        if above is None:
            return None
        if not self.cursor.sign("/"):
            if token.kind == "word":
                raise self.cursor.mistake("'/', and ∂ of what is differentiated by")
            return None
        below = self._moving()
        if below is None and self._known(token):
            return None  # d + a / x, of a value that is called d
        if below is None:
            raise self.cursor.mistake("d and a name behind '/', as above it")
        return self._built(above, below, token)

    def fraction(self) -> Slope | None:
        """\\frac{\\partial of}{\\partial by}, behind \\frac."""
        return self.cursor.tried(self._braced_quotient)

    def _braced_quotient(self) -> Slope | None:
        token = self.cursor.token
        above = self._braced()
        below = None if above is None else self._braced()
        return None if above is None or below is None else self._built(above, below, token)

    def _braced(self) -> tuple[Syntax, bool] | None:
        moving = self._moving() if self.cursor.sign("{") else None
        if moving is not None:
            self.cursor.close("}")
        return moving

    def _built(self, above: tuple[Syntax, bool], below: tuple[Syntax, bool], token: Token) -> Slope:
        (of, immediate), (by, _) = above, below
        if not isinstance(of, (Loss, Value)):
            raise self.cursor.mistake("the derivative of a value or of the loss", at=token)
        if not isinstance(by, (Value, Weight)):
            raise self.cursor.mistake("the derivative by a value or a parameter", at=token)
        for side in (of, by):
            if isinstance(side, Value):
                self._differentiable(side.name, token)
        return Slope(of, by, immediate)

    def _moving(self) -> tuple[Syntax, bool] | None:
        """d and a name, and whether d carries a plus."""
        cursor, token = self.cursor, self.cursor.token
        if cursor.word("partial"):
            immediate = self._plus()
            return self._moved(), immediate
        if token.kind != "name" or not token.text.startswith("d"):
            return None
        if token.text == "d":
            return cursor.tried(self._d_alone)
        name = token.text[1:]
        known = {*self.scope.values, *self.scope.parameters, *self.scope.initial, self.scope.objective}
        prefixed = cursor.ahead().is_sign("^") and any(f"{n}_{name}" in known for n in NETWORKS)
        stepped = _STEPPED.fullmatch(name)
        if name in known or prefixed or (stepped is not None and stepped[1] in known):
            cursor.replace(Token("name", name, token.start + 1, token.end))
            found = self.reference()
            if found is not None:
                return found, False
            cursor.replace(token)
        if cursor.ahead(-1).is_sign("/") and not self._known(token):
            raise cursor.unknown("d and a name of the model", token.text, {f"d{n}" for n in known}, token)
        return None

    def _d_alone(self) -> tuple[Syntax, bool] | None:
        """d+a, d\\hat{y}: the name is the next token, without a space before a plus."""
        cursor, d = self.cursor, self.cursor.take()
        touching = cursor.token.start == d.end
        immediate = touching and self._plus()
        token = cursor.token
        if token.kind != "name" or not (touching or token.start == d.end + 1):
            return None
        found = self.reference()
        return None if found is None else (found, immediate)

    def _plus(self) -> bool:
        """The mark of an immediate derivative: +, ⁺, ^+ or ^{+}."""
        cursor = self.cursor
        if cursor.sign("+") or cursor.word("plus"):
            return True
        if cursor.token.is_sign("^") and cursor.ahead().is_sign("+"):
            cursor.position += 2
            return True
        if cursor.token.is_sign("^") and cursor.ahead(2).is_sign("+") and cursor.ahead(3).is_sign("}"):
            cursor.position += 4
            return True
        return False

    def _moved(self) -> Syntax:
        """What stands behind ∂."""
        token = self.cursor.token
        braced = self.cursor.sign("{")
        found = self.reference() if self.cursor.token.kind == "name" else None
        if found is None:
            known = {*self.scope.values, *self.scope.parameters, self.scope.objective}
            raise self.cursor.unknown("a name of the model", self.cursor.token.text, known, token)
        if braced:
            self.cursor.close("}")
        return found

    def _known(self, token: Token) -> bool:
        name = token.text
        known = (self.scope.names, self.scope.counts, self.scope.functions, ("diag",))
        return any(name in names for names in known)
