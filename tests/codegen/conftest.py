"""What the tests of code generation share."""

from __future__ import annotations

import pytest

from codegen.building import toolchain
from tests.quick import PLAIN_FUNCTIONS


@pytest.fixture
def quick_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds that take a fraction of the time: for what is computed, not for how it is optimised."""
    flags = (flag if flag != "-O3" else "-O1" for flag in toolchain.FLAGS)
    monkeypatch.setattr(toolchain, "FLAGS", (*flags, PLAIN_FUNCTIONS))
