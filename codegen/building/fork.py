"""What a child of fork must learn: of all threads, only the one that forked lives on there.

Neither the threads that OpenMP remembers exist in the child, nor any that was in the middle of a call.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    def after_fork(self) -> None:
        """Runs in the child, before anything else there."""


_LIVING: weakref.WeakSet[Forkable] = weakref.WeakSet()
_FORKED: list[bool] = []  # not empty in a child


def remember(thing: Forkable) -> None:
    """Have the thing told if it lives on in a child."""
    _LIVING.add(thing)


def in_child() -> bool:
    """Whether this process is a child of fork."""
    return bool(_FORKED)


def _after_fork() -> None:
    _FORKED.append(True)
    for thing in _LIVING:
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
