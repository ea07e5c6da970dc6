"""On a terminal, work that takes longer than two seconds says what it does: one line, cleared at the end.

with progress.told("docs") as step:
    for n, page in enumerate(pages, 1):
        step(f"{n} of {len(pages)}, {page}")           docs: 7 of 30, gru … 12 s

Only standard error is written to, and only where it is a terminal. Of several at work one has the line.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from chalkgrad.errors import printable

AFTER = 2.0  # seconds until the line is there
EVERY = 0.5  # and from one writing of it to the next
_LINE = threading.Lock()  # whose line it is; never waited for, so that no child of fork can hang on it


@contextlib.contextmanager
def told(
    what: str,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
    every: float = EVERY,
) -> Iterator[Callable[[str], None]]:
    """While the block runs, say `what` it does and for how long; the function it gets adds how far it is.

    stream: None for standard error. Raises nothing of its own.
    """
    out = sys.stderr if stream is None else stream
    said, start, process, done = [what], clock(), os.getpid(), threading.Event()

    def step(far: str) -> None:
        said[0] = f"{what}: {far}"

    def tick() -> None:
        ours = False
        try:
            while not done.wait(every):
                seconds = clock() - start
                ours = ours or (seconds >= AFTER and _LINE.acquire(blocking=False))
                if ours:
                    _write(out, said[0], f" … {seconds:.0f} s")
        finally:
            if ours:
                _write(out)
                _LINE.release()

    ticker = _started(tick) if _is_terminal(out) else None
    try:
        yield step
    finally:
        if ticker is not None and os.getpid() == process:  # a child of fork has not got that thread
            done.set()
            ticker.join()


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    except ValueError:  # it is closed
        return False


def _started(work: Callable[[], None]) -> threading.Thread | None:
    """A thread for it; None where there can be no more."""
    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


def _write(stream: TextIO, text: str = "", end: str = "") -> None:
    """In place of what stands in the line; no more than fits into it.

    Past Python's buffer, whose lock a fork at that moment would leave locked in the child.
    """
    with contextlib.suppress(OSError, ValueError):
        room = (os.get_terminal_size(stream.fileno()).columns or 80) - 1
        line = f"{printable(text, '')[: max(0, room - len(end))]}{end}"
        os.write(stream.fileno(), f"\r{line}\x1b[K".encode(stream.encoding, "replace"))
