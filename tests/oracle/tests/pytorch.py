"""PyTorch, which the first test that asks for it imports, in one process of all."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

NEEDED = [
    pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is the judge here"),
    pytest.mark.xdist_group("torch"),
]


class _Module:
    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("torch"), name)


torch: Any = _Module()
