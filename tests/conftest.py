"""What all tests share: poisoned memory, and golden files behind one flag, `pytest --update-golden`.

Everything that the project allocates without filling it comes from `numpy.empty`: results, workspaces, the
arrays of a twin. Here it gives NaN, so that a number which was never written shows in a result.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.promises"]
GOLDEN = Path(__file__).parent / "golden"
_EMPTY = np.empty
# no test is timed; `make test` draws the same few examples each time, `make verify` many, and new ones
_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", _UNTIMED, max_examples=30, derandomize=True)
settings.register_profile("many", _UNTIMED, max_examples=400, derandomize=False, print_blob=True)
settings.load_profile("few")


@functools.wraps(_EMPTY)
def _poisoned(*args: Any, **kwargs: Any) -> Any:
    """As numpy.empty; a workspace of bytes reads as NaN in every floating type."""
    array = _EMPTY(*args, **kwargs)
    if array.dtype.kind in "fc":
        array.fill(np.nan)
    elif array.dtype == np.uint8:
        array.fill(0xFF)
    return array


np.empty = _poisoned


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden instead of comparing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no process waits for another in the end."""
    items.sort(key=lambda item: "random_programs" not in item.name)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """golden(name, text): the text is that of tests/golden/name, or becomes it under --update-golden."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.exists(), f"{name}: no golden file; run pytest --update-golden"
        assert text == path.read_bytes().decode("utf-8"), (
            f"{name} has changed; look, then pytest --update-golden"
        )

    return compare
