"""What all commands share: one line for a mistake, and one table of exit statuses."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from chalkgrad.errors import FAULT, MISUSE, ChalkgradError, printable

STATUSES = """\
exit status, of every command:
  0  done; a formula is right, also where it is right under conditions
  1  a formula is wrong, or claims nothing
  2  asked for wrongly, or a program is missing that this needs
  3  a formula that cannot be read
  4  a fault of chalkgrad's own
"""


class Parser(argparse.ArgumentParser):
    """Options in full only; a mistake is one line; the help ends with the table of exit statuses."""

    def __init__(self, prog: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"{epilog}\n{STATUSES}".lstrip("\n"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSE, f"{self.prog}: {printable(message)} (see {self.prog} --help)\n")


def answered(prog: str, work: Callable[[], int]) -> int:
    """The exit status of a command's work; what it raises is told on standard error."""
    try:
        try:
            return work()
        finally:
            print(end="", flush=True)
    except BrokenPipeError:  # whoever reads the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ChalkgradError, OSError) as error:
        status = error.status if isinstance(error, ChalkgradError) else MISUSE
        print(f"{prog}: {printable(str(error))}", file=sys.stderr)
        return status
    except Exception:
        traceback.print_exc()
        print(f"{prog}: this is a fault of chalkgrad's own; please report it", file=sys.stderr)
        return FAULT
