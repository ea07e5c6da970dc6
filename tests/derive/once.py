"""What is worked out for a derivation is worked out once in a process, for whatever document it is.

For tests of how documents look. That all their equalities are judged, and how, is held by
`tests.derive.documents.test_equalities`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from chalkgrad import derive
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.documents import content as contents
from chalkgrad.derive.documents import verified as verification
from chalkgrad.derive.documents.example import Example
from chalkgrad.derive.documents.tree import Document, Table

JUDGE, TABLE = verification.Judge.check, contents.gradient_check
_judged: dict[tuple[Derivation, Equality], bool] = {}
_tables: dict[tuple[Any, ...], tuple[Example, Table]] = {}


@cache
def derivation(model: str, **choices: str) -> Derivation:
    """Of a built-in cell; always the same one."""
    return derive.bptt(derive.load(model, **choices))


def content(derived: Derivation, wanted: contents.Wanted, call: str = "") -> Document:
    """The full document."""
    with judged_once():
        return contents.content(derived, wanted, call)


@contextmanager
def judged_once() -> Iterator[None]:
    """Equalities, points, examples and plots are those of the document before."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(verification.Judge, "check", _check))
        stack.enter_context(patch.object(verification, "oracles", _oracles))
        stack.enter_context(patch.object(contents, "example", _example))
        stack.enter_context(patch.object(contents, "vanishing", _vanishing))
        stack.enter_context(patch.object(contents, "gradient_check", _gradient_check))
        yield


_oracles = cache(verification.oracles)
_example, _vanishing = cache(contents.example), cache(contents.vanishing)


def _check(judge: verification.Judge, equality: Equality, told: Callable[[], str]) -> bool:
    """What is rounded is held to the example of each document."""
    if equality.digits is not None:
        return JUDGE(judge, equality, told)
    key = (judge.derivation, equality)
    if key not in _judged:
        _judged[key] = JUDGE(judge, equality, told)
    return _judged[key]


def _gradient_check(given: Example, wrt: Any, layout: str) -> Table:
    key = (id(given), wrt, layout)
    if key not in _tables:
        _tables[key] = given, TABLE(given, wrt, layout)
    return _tables[key][1]
