"""What the tests of code generation share."""

from __future__ import annotations

import pytest

from codegen.building import toolchain
from tests.quick import PLAIN_FUNCTIONS


def built_at(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = (flag if flag != "-O3" else level for flag in toolchain.FLAGS)
    monkeypatch.setattr(toolchain, "FLAGS", (*flags, PLAIN_FUNCTIONS))


@pytest.fixture
def quick_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that take a fraction of the time: for what is computed, not for how it is optimised."""
    built_at("-O0", monkeypatch)


@pytest.fixture
def quick_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that take half the time, for calls with much to compute."""
    built_at("-O1", monkeypatch)
