"""In a checkout `derive` and `codegen` are other names of `chalkgrad.derive` and `chalkgrad.codegen`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST = ("import derive, codegen", "import chalkgrad", "import codegen.c.emit, derive.terms.algebra")
ALL = """
import importlib, os, pickle, pkgutil, sys
{first}
import derive, codegen, chalkgrad

assert derive is chalkgrad.derive and codegen is chalkgrad.codegen
for package in (derive, codegen):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            long, short = found.name, found.name.removeprefix("chalkgrad.")
            names = (short, long) if {turn} else (long, short)
            one, other = map(importlib.import_module, names)
            assert one is other and one.__name__ == one.__spec__.name == long, found.name
places = [os.path.realpath(m.__file__) for m in set(sys.modules.values()) if getattr(m, "__file__", None)]
assert len(set(places)) == len(places) > 200
model = derive.load("vanilla")
assert type(model).__module__ == "chalkgrad.derive.cells.model" and isinstance(model, chalkgrad.Model)
assert pickle.loads(pickle.dumps(model)) == model
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In the root of the checkout, where nothing else says what these names are."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("first", FIRST)
def test_every_module_is_there_once(first: str) -> None:
    done = run("-c", ALL.format(first=first, turn=FIRST.index(first) % 2))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("module", "program"),
    [
        ("derive", "chalkgrad derive"),
        ("derive.publishing.gallery", "chalkgrad docs"),
    ],
)
def test_a_module_runs_by_its_short_name(module: str, program: str) -> None:
    done = run("-m", module, "--help")
    assert done.returncode == 0 and f"usage: {program}" in done.stdout, done.stderr
