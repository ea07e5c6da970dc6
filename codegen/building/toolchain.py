"""The C compiler: which one, with which flags, for which processor; and running it.

Only $CC chooses the compiler. CFLAGS and the like are not read: a library linked with -ffast-math and
its relatives changes the rounding of the whole Python process when it is loaded.
"""

from __future__ import annotations

import errno
import functools
import os
import platform
import shlex
import shutil
import sys
import sysconfig
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chalkgrad.codegen.building.process import Process
from chalkgrad.codegen.errors import ArgumentError, BuildError, TimeLimitError

FLAGS = ("-std=c11", "-O3", "-fPIC", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
TARGETS = {"native": ("-march=native",), "portable": ()}
GLUE_FLAGS = ("-O1", "-fPIC", "-w")  # cffi's own file, which is not ours to warn about
LINK_FLAGS = ("-bundle", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared",)
UNSAFE = ("-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-ffinite-math-only", "-fassociative-math")

THREADS = "-fopenmp"
_OUTPUT_LINES = 12
_FULL = ("No space left on device", "uota exceeded")  # "Disk quota exceeded", or without "Disk"
_LITTLE = 1 << 24  # bytes of a disk so full that a compiler may fail for it in any words, or be killed
_TRIAL = "#include <omp.h>\nint threads(void);\nint threads(void) { return omp_get_max_threads(); }\n"


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C, found on this machine; `files` are the programs it names."""

    command: tuple[str, ...]
    files: tuple[Path, ...]

    def fingerprint(self) -> str:
        """Changes when the compiler does; costs no process."""
        parts = list(self.command)
        for file in self.files:
            status = file.stat()
            parts += [str(file), str(status.st_mtime_ns), str(status.st_size)]
        return "\n".join(parts)

    def identity(self) -> str:
        """What the compiler says of itself. Runs it. Raises BuildError."""
        return self.run(["--version"])

    def run(self, arguments: Sequence[str | Path], folder: Path | None = None) -> str:
        """Its output. Raises as `run_all`."""
        return self.run_all([arguments], folder)[0]

    def run_all(self, calls: Sequence[Sequence[str | Path]], folder: Path | None = None) -> list[str]:
        """Its outputs for several lists of arguments, which are compiled side by side.

        Raises BuildError with the first lines of what it complains about, TimeLimitError if it does not
        end, and OSError if the disk with `folder` is full; what still runs then is stopped.
        """
        waiting, running, outputs = deque(calls), deque[Process](), []
        try:
            while waiting or running:
                while waiting and len(running) < (os.cpu_count() or 1):
                    running.append(self._started(waiting.popleft(), folder))
                status, output = running[0].wait()
                if status != 0:
                    raise _failure(running[0].command, status, output, folder)
                running.popleft()
                outputs.append(output)
        finally:
            for process in running:
                process.kill()
        return outputs

    def _started(self, arguments: Sequence[str | Path], folder: Path | None) -> Process:
        try:
            return Process([*self.command, *map(str, arguments)], folder)
        except OSError as error:
            raise BuildError(f"The C compiler {self.command[0]!r} does not run: {error}") from error


def _failure(command: Sequence[str], status: int, output: str, folder: Path | None) -> BuildError | OSError:
    full = any(words in output for words in _FULL)
    if folder is not None and (full or shutil.disk_usage(folder).free < _LITTLE):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    lines = output.strip().splitlines()
    shown = "\n".join(lines[:_OUTPUT_LINES]) + ("\n…" if len(lines) > _OUTPUT_LINES else "")
    return BuildError(f"{shlex.join(command)} failed (exit status {status}):\n{shown}")


def has_threads(compiler: Compiler, folder: Path) -> bool:
    """Whether it builds a library with OpenMP. Runs it in an empty folder.

    Raises TimeLimitError, and OSError where there is no room.
    """
    (folder / "trial.c").write_text(_TRIAL, encoding="utf-8")
    try:
        compiler.run(["-fPIC", THREADS, *LINK_FLAGS, "trial.c", "-o", "trial.so"], folder)
    except TimeLimitError:
        raise
    except BuildError:
        return False
    return (folder / "trial.so").is_file()


def find_compiler() -> Compiler:
    """The command in $CC, else cc. Raises BuildError if there is none."""
    try:
        command = tuple(shlex.split(os.environ.get("CC", ""))) or ("cc",)
    except ValueError as error:
        raise BuildError(f"CC={os.environ['CC']!r} is not a command: {error}") from error
    for word in command:
        if word in UNSAFE:
            raise BuildError(f"CC has {word}, which would change the arithmetic of the whole process")
    if shutil.which(command[0]) is None:
        raise BuildError(
            f"No C compiler {command[0]!r} found: install gcc (Debian: apt-get install gcc libc6-dev) or "
            "name another one in CC; the NumPy twin, chalkgrad.numpy_twin, needs none"
        )
    found = (shutil.which(word) for word in command if not word.startswith("-"))
    return Compiler(command, tuple(Path(path).resolve() for path in found if path))


def flags_for(target: str) -> tuple[str, ...]:
    """The flags for generated C. Raises ArgumentError for an unknown target."""
    if target not in TARGETS:
        raise ArgumentError("target", " or ".join(map(repr, TARGETS)), repr(target))
    return (*FLAGS, *TARGETS[target])


def python_headers() -> tuple[Path, ...]:
    """The folders with Python.h and pyconfig.h. Raises BuildError if Python.h is missing."""
    folders = tuple(dict.fromkeys(Path(sysconfig.get_path(kind)) for kind in ("include", "platinclude")))
    if not any((folder / "Python.h").is_file() for folder in folders):
        raise BuildError(
            f"No Python.h in {folders[0]}: install Python's headers (Debian: apt-get install python3-dev); "
            "the NumPy twin, chalkgrad.numpy_twin, needs none"
        )
    return folders


@functools.cache
def processor() -> str:
    """What -march=native depends on, as far as the system tells."""
    wanted = ("flags", "Features", "CPU implementer", "CPU part", "isa")
    lines = [platform.machine(), platform.processor()]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.strip() and len(lines) > 2:
                    break
                if line.startswith(wanted):
                    lines.append(line.strip())
    except OSError:
        pass
    return "\n".join(lines)


def python_abi() -> str:
    """What a compiled extension depends on besides the machine: Python's ABI and cffi."""
    import _cffi_backend

    return f"{sysconfig.get_config_var('SOABI')} cffi {_cffi_backend.__version__}"
