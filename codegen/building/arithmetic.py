"""Whether a compiler keeps to IEEE arithmetic, whatever flags it is wrapped with: a program that tries.

The C that is generated asks the compiler for the flags that it admits to (`network.c.j2`). Others set no
macro, or act when a program is linked: gcc then turns subnormal numbers into 0 in the whole process that
loads the result. So this program is compiled and linked beside every network, and run before anything
is loaded; what it tries are the rules that such flags break.
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Sequence
from pathlib import Path

from chalkgrad.codegen.building.process import Process
from chalkgrad.codegen.c.templating import environment
from chalkgrad.codegen.errors import BuildError

NAME = "self-test"  # no name of a source
_TYPES = (
    ("float", "FLT", "f", "uint32_t", 32, "0x7f800000"),
    ("double", "DBL", "", "uint64_t", 64, "0x7ff0000000000000"),
)
_ROOT = "1.41421356237309504880168872420969807857"
_TENTH = {"float": "0x3dcccccd", "double": "0x3fb999999999999a"}


def text() -> str:
    """The program, in C11."""
    return (
        environment("chalkgrad.codegen.building")
        .get_template("arithmetic.c.j2")
        .render(types=_TYPES, root=_ROOT, tenth=_TENTH)
    )


def check(command: Sequence[str], folder: Path) -> None:
    """Run the program that the compiler `command` made in the folder, and remove its files.

    Raises BuildError if it finds anything or does not run, and OSError where nothing may be run.
    """
    try:
        status, output = Process([str(folder / NAME)], folder).wait()
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise
        raise BuildError(f"{shlex.join(command)} makes programs that do not run here: {error}") from error
    if status == 1 and output:
        found = "\n".join(dict.fromkeys(output.strip().splitlines()))
        raise BuildError(
            f"{shlex.join(command)} does not keep to IEEE arithmetic, so results would be wrong: does it add "
            f"flags that relax it, when it compiles or links? Name another compiler in CC. Found:\n{found}"
        )
    if status != 0:
        raise BuildError(f"{shlex.join(command)} makes programs that do not run here (exit status {status})")
    for path in folder.glob(f"{NAME}*"):
        path.unlink()
