"""The folder with what was built before, shared by all processes of a user.

An entry is a folder with a name that tells its content. It is made under another name, then renamed, so
that it is there as a whole or not at all: readers need no lock, and the loser of a race takes the
winner's. Every file that is loaded is first held against its digest, as a truncated library would crash
the process that maps it. A folder that others could write to is not used (`codegen.building.trust`).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import platformdirs

from chalkgrad.codegen.building import trust
from chalkgrad.codegen.errors import BuildError, CacheWarning
from chalkgrad.errors import printable

_SUMS = "SUMS"
MODULE = "_chalkgrad_"
"""What the names of modules begin with."""
NOTES = ("recipe_", "built_", "compiler_", "threads_")
"""And those of notes, before a digest."""
_NAME = re.compile(rf"({'|'.join(map(re.escape, (MODULE, *NOTES)))}).*[0-9a-f]{{32}}(\.py)?$")
_MAKING, _DISCARDED = "making-", "discarded-"
_YOUNG = 60.0  # seconds in which nobody takes a folder that is being made or removed for a forgotten one
_OLD = 24 * 3600.0  # and in which nobody does where it cannot be told whether its maker lives
_T = TypeVar("_T")


def digest(*parts: str) -> str:
    """32 hexadecimal digits that depend on every part and on where one part ends."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def find(name: str) -> Path | None:
    """The entry of that name, complete and undamaged, wherever it is."""
    for folder in _readable():
        entry = folder / name
        if _intact(entry):
            return entry
    return None


def publish(name: str, make: Callable[[Path], None]) -> Path:
    """The entry of that name; if there is none or a damaged one, `make` fills a folder that becomes it.

    Raises BuildError where no cache folder can be written, and whatever `make` raises.
    """
    return _in_writable(lambda folder: _publish_in(folder, name, make))


def discard(entry: Path) -> None:
    """Take a damaged entry out of the way, whole, before another process can read half of it."""
    with contextlib.suppress(OSError):
        grave = Path(tempfile.mkdtemp(prefix=_DISCARDED, dir=entry.parent))
        with contextlib.suppress(OSError):
            os.rename(entry, grave / entry.name)
        shutil.rmtree(grave, ignore_errors=True)


def try_out(use: Callable[[Path], _T]) -> _T:
    """The result of `use` for an empty folder that is removed afterwards. Raises BuildError as `publish`."""

    def within(folder: Path) -> _T:
        with _making(folder) as empty:
            return use(empty)

    return _in_writable(within)


def read_note(name: str) -> str | None:
    """The text of a note; None if there is none."""
    for folder in _readable():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return _note(folder / name)
    return None


def write_note(name: str, text: str) -> Path:
    """A file of that name with that text, put there in one step unless it is there. Raises BuildError."""
    for folder in _readable():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if _note(folder / name) == text:
                return folder / name
    return _in_writable(lambda folder: _replace(folder / name, text))


def held() -> list[tuple[Path, int, int]]:
    """Each cache folder, with the number of builds in it and the bytes that they take with all notes."""
    found = [(folder, list(_ours(folder))) for folder in dict.fromkeys((*_usual(), *_readable()))]
    return [(folder, sum(path.is_dir() for path in paths), sum(map(_size, paths))) for folder, paths in found]


def clear() -> None:
    """Remove all builds and notes, and nothing else; what is being made stays, what is loaded works on."""
    for folder in _readable():
        _clean(folder)
        for path in _ours(folder):
            discard(path) if path.is_dir() else path.unlink(missing_ok=True)


# ----------------------------------------------------------------------------- the folders


def _usual() -> Iterator[Path]:
    """The folder that the user names, or where the system wants caches, whether it may be used or not."""
    if chosen := os.environ.get("CHALKGRAD_CACHE"):
        yield Path(chosen).absolute()
    elif (folder := platformdirs.user_cache_path("chalkgrad")).is_absolute():
        yield folder  # it is not where there is no home


def _configured() -> Path | None:
    """The usual folder; None without a home, or where others may write."""
    for folder in _usual():
        if (reason := trust.reason_against(folder)) is None:
            return folder
        _warn(folder, reason)
    return None


@functools.cache
def _warn(folder: Path, reason: str) -> None:
    """Once for each folder."""
    text = (
        f"{folder} is not used as the cache, since others could put programs there: {reason}. Name a folder "
        "of your own in CHALKGRAD_CACHE; until then a private temporary one is used"
    )
    warnings.warn(printable(text), CacheWarning, stacklevel=2)


def _temporary() -> Path:
    return Path(tempfile.gettempdir()).absolute() / f"chalkgrad-{os.geteuid()}"


def _is_private(folder: Path) -> bool:
    """A folder, no link, that nobody else can have prepared or can write to."""
    status = folder.lstat()
    private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
    return private and trust.reason_against(folder) is None


def _readable() -> Iterator[Path]:
    if configured := _configured():
        yield configured
    with contextlib.suppress(OSError):
        if _is_private(_temporary()):
            yield _temporary()


def _made(folder: Path) -> Path:
    trust.make(folder)
    if reason := trust.reason_against(folder):
        raise PermissionError(reason)
    return folder


def _made_temporary() -> Path:
    folder = _temporary()
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(folder):
        raise PermissionError(f"{folder} is not a private folder of this user")
    return folder


def _writable() -> Iterator[Callable[[], Path]]:
    """What makes the configured folder; then, for when it cannot be written, a private temporary one."""
    if folder := _configured():
        yield functools.partial(_made, folder)
    yield _made_temporary


def _in_writable(use: Callable[[Path], _T]) -> _T:
    """The result of `use` for the first cache folder where it raises no OSError."""
    failures = []
    for made in _writable():
        try:
            return use(made())
        except OSError as error:
            failures.append(str(error))
    raise BuildError(f"No folder to build in: name one in CHALKGRAD_CACHE. {'; '.join(failures)}")


# ----------------------------------------------------------------------------- entries and notes


def _ours(folder: Path) -> Iterator[Path]:
    """What lies in a cache folder by a name that is given here."""
    with contextlib.suppress(OSError):
        yield from (path for path in sorted(folder.iterdir()) if _NAME.match(path.name))


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(p.lstat().st_size for p in (path.iterdir() if path.is_dir() else [path]))
    return 0


def _note(path: Path) -> str:
    """The text of a note. Raises OSError if there is none, or if it is somebody else's."""
    with path.open(encoding="utf-8") as file:
        if not trust.is_ours(os.fstat(file.fileno())):
            raise PermissionError(f"{path} belongs to somebody else")
        return file.read()


def _replace(path: Path, text: str) -> Path:
    handle, temporary = tempfile.mkstemp(prefix=_MAKING, dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            _lock(handle)
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return path


def _publish_in(folder: Path, name: str, make: Callable[[Path], None]) -> Path:
    entry = folder / name
    if _intact(entry):
        return entry
    _clean(folder)
    with _making(folder) as making:
        make(making)
        (making / _SUMS).write_text(_sums(making), encoding="ascii")
        if not _intact(entry):
            discard(entry)
        try:
            os.rename(making, entry)
        except OSError:
            if not _intact(entry):
                raise
    return entry


@contextlib.contextmanager
def _making(folder: Path) -> Iterator[Path]:
    """A new folder in the folder, locked while it is there, removed unless it was renamed."""
    making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder))
    try:
        with _opened(making) as handle:
            _lock(handle)
            yield making
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _clean(folder: Path) -> None:
    """Remove what processes that were killed have left unfinished."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith((_MAKING, _DISCARDED)) and _is_forgotten(path):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


def _is_forgotten(path: Path) -> bool:
    """Whether nobody works on it any more: its maker holds a lock on it, which ends with the process."""
    with contextlib.suppress(OSError):
        age = time.time() - path.lstat().st_mtime
        if age < _YOUNG:
            return False
        with _opened(path) as handle:
            return age > _OLD if (free := _lock(handle)) is None else free
    return False


def _lock(handle: int) -> bool | None:
    """Lock an open file or folder until it is closed. False: somebody else has; None: there are no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _sums(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.name != _SUMS)
    return "".join(f"{hashlib.blake2b(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def _intact(entry: Path) -> bool:
    try:
        return trust.is_ours(entry.lstat()) and (entry / _SUMS).read_text(encoding="ascii") == _sums(entry)
    except (OSError, UnicodeDecodeError):
        return False
