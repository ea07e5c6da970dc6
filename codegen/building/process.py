"""Running a program with a limit on its time, as the head of a group of processes that ends with it."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from chalkgrad.codegen.errors import BuildError, TimeLimitError

LIMIT = "CHALKGRAD_TIME_LIMIT"
_SECONDS = 600.0
_MOST = 1e6  # seconds that the system can wait for


class Process:
    """A program that was started; what it says comes in English where it can be told to."""

    def __init__(self, command: Sequence[str], folder: Path | None = None) -> None:
        """Its temporary files go to `folder`, where it runs. Raises OSError; BuildError for a bad limit."""
        self.command = tuple(command)
        self._limit = time_limit()
        room = {} if folder is None else {"TMPDIR": str(folder)}
        self._popen = subprocess.Popen(
            self.command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", **room},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        )
        self._deadline = time.monotonic() + self._limit

    def wait(self) -> tuple[int, str]:
        """Its exit status, negative for a signal, and its output. Raises TimeLimitError."""
        try:
            output, _ = self._popen.communicate(timeout=max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeLimitError(
                f"{shlex.join(self.command)} had not ended after {self._limit:g} seconds and was stopped; "
                f"{LIMIT}, in seconds, allows more"
            ) from None
        finally:
            self.kill()
        return self._popen.returncode, output

    def kill(self) -> None:
        """End it and all that it has started, unless it has ended."""
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()


def time_limit() -> float:
    """The seconds that a compiler may take. Raises BuildError for a limit that is no number of seconds."""
    text = os.environ.get(LIMIT) or str(_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise BuildError(f"{LIMIT}: expected a number of seconds above 0, received {text!r}")
    return min(seconds, _MOST)
