"""The folder with what was built before, shared by all processes of a user.

An entry is a folder with a name that tells its content. It is made under another name, then renamed, so
that it is there as a whole or not at all: readers need no lock, and the loser of a race takes the
winner's. Every file that is loaded is first held against its digest, as a truncated library would crash
the process that maps it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from codegen.errors import BuildError

_SUMS = "SUMS"


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
        grave = Path(tempfile.mkdtemp(prefix="discarded-", dir=entry.parent))
        with contextlib.suppress(OSError):
            os.rename(entry, grave / entry.name)
        shutil.rmtree(grave, ignore_errors=True)


def read_note(name: str) -> str | None:
    """The text of a note; None if there is none."""
    for folder in _readable():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (folder / name).read_text(encoding="utf-8")
    return None


def write_note(name: str, text: str) -> Path:
    """A file of that name with that text, put there in one step unless it is there. Raises BuildError."""
    for folder in _readable():
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if (folder / name).read_text(encoding="utf-8") == text:
                return folder / name
    return _in_writable(lambda folder: _replace(folder / name, text))


def _configured() -> Path:
    if chosen := os.environ.get("LONGHAND_CACHE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "longhand"


def _temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"longhand-{os.getuid()}"


def _is_private(folder: Path) -> bool:
    """A folder, no link, that nobody else can have prepared or can write to."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _readable() -> Iterator[Path]:
    with contextlib.suppress(RuntimeError):  # no home folder
        yield _configured()
    with contextlib.suppress(OSError):
        if _is_private(_temporary()):
            yield _temporary()


def _writable() -> Iterator[Path]:
    """The configured folder; then, for when it cannot be written, a private temporary one."""
    with contextlib.suppress(RuntimeError):
        yield _configured()
    _temporary().mkdir(mode=0o700, exist_ok=True)
    if not _is_private(_temporary()):
        raise PermissionError(f"{_temporary()} is not a private folder of this user")
    yield _temporary()


def _in_writable(use: Callable[[Path], Path]) -> Path:
    """The result of `use` for the first cache folder where it raises no OSError."""
    failures = []
    candidates = _writable()
    while True:
        try:
            folder = next(candidates)
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            return use(folder)
        except OSError as error:
            failures.append(str(error))
        except StopIteration:
            reasons = "; ".join(failures)
            raise BuildError(f"No folder to build in: name one in LONGHAND_CACHE. {reasons}") from None


def _replace(path: Path, text: str) -> Path:
    handle, temporary = tempfile.mkstemp(prefix="making-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
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
    making = Path(tempfile.mkdtemp(prefix="making-", dir=folder))
    try:
        make(making)
        (making / _SUMS).write_text(_sums(making), encoding="ascii")
        if not _intact(entry):
            discard(entry)
        try:
            os.rename(making, entry)
        except OSError:
            if not _intact(entry):
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return entry


def _sums(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.name != _SUMS)
    return "".join(f"{hashlib.blake2b(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def _intact(entry: Path) -> bool:
    try:
        return (entry / _SUMS).read_text(encoding="ascii") == _sums(entry)
    except (OSError, UnicodeDecodeError):
        return False
