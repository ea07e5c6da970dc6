"""The command: chalkgrad derive, check, docs, c, cache; in a checkout also showcase and tour."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from chalkgrad import __version__
from chalkgrad.codegen import __main__ as code
from chalkgrad.codegen.building import cache_command
from chalkgrad.commands import STATUSES, answered
from chalkgrad.derive import __main__ as derivation
from chalkgrad.derive.publishing import check_command, gallery
from chalkgrad.errors import MISUSE, printable

MANIFEST = Path(__file__).parents[1] / "generated" / "manifest.toml"


class Command(NamedTuple):
    """told: what it does. main: runs it on the arguments after its name; its exit status."""

    told: str
    main: Callable[[Sequence[str]], int]


COMMANDS = {
    "derive": Command("the derivation of a model, as text, page, PDF, notebook", derivation.main),
    "check": Command("whether a formula is right, and if not, what is wrong with it", check_command.main),
    "docs": Command("a page for every entry of a manifest, and an index of them", gallery.main),
    "c": Command("a model as C, with a header, a NumPy twin and a Python module", code.c_command),
    "cache": Command("where compiled networks are kept, how large that is; clear it", cache_command.main),
}
IN_A_CHECKOUT = {
    "showcase": Command("write and compile generated/", code.showcase_command),
    "tour": Command("derive, generate, compile and compare the note's network", code.tour_command),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names. Returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    return answered("chalkgrad", lambda: _run(given))


def _run(arguments: Sequence[str]) -> int:
    commands = COMMANDS | (IN_A_CHECKOUT if MANIFEST.is_file() else {})
    match list(arguments):
        case [name, *rest] if name in commands:
            return commands[name].main(rest)
        case ["--version"]:
            print(f"chalkgrad {__version__}")
            return 0
        case [] | ["-h" | "--help" | "help"]:
            print(usage(commands))
            return 0
        case [name, *_]:
            expected = ", ".join(commands)
            print(f"chalkgrad: expected one of {expected}, received {printable(name)!r}", file=sys.stderr)
    return MISUSE


def usage(commands: dict[str, Command]) -> str:
    """The commands, one to a line, and what they end with."""
    lines = [f"  chalkgrad {name:<9}{command.told}" for name, command in commands.items()]
    head = ["usage: chalkgrad COMMAND ...    (chalkgrad COMMAND --help tells more)", "", *lines, ""]
    return "\n".join([*head, STATUSES.rstrip()])


if __name__ == "__main__":
    sys.exit(main())
