"""chalkgrad cache: where compiled networks are kept, how many and how large; and clearing it."""

from __future__ import annotations

from collections.abc import Sequence

from chalkgrad.codegen.building import cache
from chalkgrad.commands import Parser, answered

PROGRAM = "chalkgrad cache"


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit status."""
    parser = Parser(PROGRAM, "Where compiled networks are kept, how many there are, and how large they are.")
    parser.add_argument("--clear", action="store_true", help="remove them; networks that are loaded work on")
    return answered(PROGRAM, lambda: _run(parser.parse_args(arguments).clear))


def _run(clear: bool) -> int:
    found = cache.held()
    if clear:
        cache.clear()
    for folder, builds, size in found:
        told = f"{builds} build{'s' * (builds != 1)}, {size / 1e6:.1f} MB"
        print(f"{folder}: {told}{', removed' if clear else ''}")
    return 0
