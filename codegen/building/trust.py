"""Whether a folder may hold what is loaded into this process: nobody but its user can put anything there.

Whoever may write to a folder, or may replace it or one above it, decides what is loaded from it. So every
folder and every link on the way must belong to this user or to root and be writable by no one else; a
folder above may be writable by others if it is sticky, as /tmp is.
"""

from __future__ import annotations

import contextlib
import functools
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

_MOST_LINKS = 40


def reason_against(folder: Path) -> str | None:
    """Why the folder must not be used; None if nothing speaks against it, or it cannot be reached at all.

    The folder is absolute. What does not exist yet does no harm.
    """
    with contextlib.suppress(OSError):
        for path, status in _way(folder):
            if status.st_uid not in (os.geteuid(), _root()):
                return f"{path} belongs to {_name(status.st_uid)}"
            shared = stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX
            if not shared and _is_open(path, status):
                return _told_open(path, status)
        status = folder.stat()
        if not is_ours(status):
            return f"{folder} belongs to {_name(status.st_uid)}"
        if _is_open(folder, status):
            return _told_open(folder, status)
    return None


def is_ours(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to this user or to root."""
    return status.st_uid in (os.geteuid(), 0)


def make(folder: Path) -> None:
    """Make the folder and those above it, for this user alone, where they do not exist."""
    if not folder.is_dir():
        if folder.parent != folder:
            make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _way(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every folder and every link that leads to the folder, from / on, up to the first that is not there.

    Raises OSError there.
    """
    place, names, links = Path("/"), list(reversed(folder.parts[1:])), 0
    yield place, place.lstat()
    while names:
        name = names.pop()
        if name == "..":
            place = place.parent
            continue
        path = place / name
        status = path.lstat()
        yield path, status
        if not stat.S_ISLNK(status.st_mode):
            place = path
            continue
        links += 1
        if links > _MOST_LINKS:
            return
        target = path.readlink()
        if target.is_absolute():
            place = Path("/")
        names += [part for part in reversed(target.parts) if part != "/"]


def _is_open(path: Path, status: os.stat_result) -> bool:
    """Whether others than its owner may write to a folder; a group of the owner alone is no other."""
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and (_has_acl(path) or not _is_private(status))


def _has_acl(path: Path) -> bool:
    """Whether the bits of the group stand for more than the group."""
    with contextlib.suppress(OSError, AttributeError):
        return "system.posix_acl_access" in os.listxattr(path)
    return False


def _is_private(status: os.stat_result) -> bool:
    """Whether the group is the owner's primary one, and nobody else's."""
    try:
        owner = pwd.getpwuid(status.st_uid)
        members = set(grp.getgrgid(status.st_gid).gr_mem)
    except KeyError:
        return False
    members |= {user.pw_name for user in pwd.getpwall() if user.pw_gid == status.st_gid}
    return owner.pw_gid == status.st_gid and members == {owner.pw_name}


@functools.cache
def _root() -> int:
    """Root's number: where a user namespace hides it, the one that stands for everybody hidden."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
        ranges = [tuple(map(int, line.split())) for line in lines]
        if ranges and not any(first <= 0 < first + count for first, _, count in ranges):
            return int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    return 0


def _name(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return f"the user {pwd.getpwuid(uid).pw_name}"
    return f"the user {uid}"


def _told_open(path: Path, status: os.stat_result) -> str:
    return f"others than its owner may write to {path} (mode {stat.S_IMODE(status.st_mode):04o})"
