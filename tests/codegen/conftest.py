"""What the tests of code generation share."""

from __future__ import annotations

import pytest

from chalkgrad.codegen.building import toolchain
from tests.quick import flags_at


@pytest.fixture
def quick_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that take a fraction of the time: for what is computed, not for how it is optimised."""
    monkeypatch.setattr(toolchain, "FLAGS", flags_at("-O0"))


@pytest.fixture
def quick_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that take half the time, for calls with much to compute."""
    monkeypatch.setattr(toolchain, "FLAGS", flags_at("-O1"))
