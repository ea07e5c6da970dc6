"""The checker judges random edits of right equations as an evaluator does that shares nothing with it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.claims.compare import compared, random_edits
from tests.claims.reading import read
from tests.claims.right import claims
from tests.claims.trees import Claim
from tests.claims.verdict import Verdict, judge
from tests.promises import Promise

PROMISED = "random claims that the checker judges otherwise than the evaluator"
FEW, PIECE = 100, 200
OWN = Path(__file__).parent


def test_right_equations_are_right() -> None:
    """By both; those of the list that hold under conditions, or not at all, are told by the evaluator."""
    found = [compared(setting, claim) for setting, claim in claims()]
    assert len(found) > 110 and all(one.agrees for one in found)
    kinds = [one.found.kind for one in found]
    assert kinds.count("right") >= len(kinds) - 1
    assert {c for one in found for c in one.found.conditions} == {"k <= t", "t > 1", "t < T", "sum(y) = 1"}


def test_random_edits(promise: Promise) -> None:
    found = list(random_edits(FEW, 1))
    promise.none(PROMISED, [one for one in found if not one.agrees], FEW)
    assert sum(one.due is None for one in found) < 0.05 * FEW
    assert {one.found.kind for one in found} >= {"right", "wrong"}


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 7))
def test_more_random_edits(seed: int, promise: Promise) -> None:
    found = list(random_edits(PIECE, seed))
    promise.none(PROMISED, [one for one in found if not one.agrees], PIECE)


@pytest.mark.parametrize(
    ("text", "kind", "conditions"),
    [
        ("delta_a[t+1] = 0", "wrong", ()),
        ("delta_a[T+1] = 0", "right", ()),
        ("dL/dW_aa = sum_{t=2}^{T} delta_z_a[t] @ a[t-1]^T", "right", ("a[0] = 0",)),
        ("dL/dW_aa = (dL/dW_aa)^T", "wrong", ()),
        ("z_a[0] = 0", "nothing claimed", ()),
        ("2 = 2", "nothing claimed", ()),
    ],
)
def test_the_evaluator_by_hand(text: str, kind: str, conditions: tuple[str, ...]) -> None:
    setting = claims()[0][0]
    claim = read(text, judge(setting).network.names)
    assert judge(setting).verdict(claim) == Verdict(kind, frozenset(conditions))


def test_what_is_printed_is_read_back() -> None:
    for setting, claim in claims():
        again = read(str(claim), judge(setting).network.names)
        assert isinstance(again, Claim) and str(again) == str(claim)


def test_nothing_of_the_project_is_imported() -> None:
    for path in OWN.glob("*.py"):
        if path.name in ("compare.py", "test_random_claims.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith(("derive", "codegen", "chalkgrad")) for name in names), path.name
