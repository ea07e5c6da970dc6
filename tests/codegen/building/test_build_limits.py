"""Builds that run out of room or of time, and what builds that were killed leave behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalkgrad.codegen.building import cache, toolchain
from chalkgrad.codegen.building.build import _identity, _threads, compile_sources
from chalkgrad.codegen.building.process import LIMIT, Process, time_limit
from chalkgrad.codegen.errors import BuildError, TimeLimitError
from tests.chosen import some
from tests.codegen.building.test_build import doubled, scaled


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; and an empty folder for temporary files, tmp beside it."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    _identity.cache_clear()
    _threads.cache_clear()
    return tmp_path / "cache"


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mycc"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def where(module: object) -> Path:
    return Path(str(module.__file__)).parents[1]  # type: ignore[attr-defined]


def unfinished(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(("making-", "discarded-"))}


# ----------------------------------------------------------------------------- room


@pytest.mark.parametrize("words", ["final link failed: No space left on device", "x.o: Disk quota exceeded"])
@pytest.mark.parametrize("when", ["-c", ".so"])
def test_a_disk_that_fills_while_compiling(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, when: str
) -> None:
    full = f'case "$PWD $*" in {folder}*{when}*) echo "{words}"; exit 1;; esac'
    monkeypatch.setenv("CC", script(tmp_path, f'{full}\nexec cc "$@"'))
    module = compile_sources([scaled(factor=2.125)])
    assert doubled(module) == pytest.approx(2.125)
    assert (
        where(module).parent == (folder if when == "--version" else tmp_path / "tmp") or when == "--version"
    )
    assert not unfinished(folder)


def test_all_disks_are_full(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = 'case "$*" in *-c*) echo "No space left on device"; exit 1;; esac'
    monkeypatch.setenv("CC", script(tmp_path, f'{full}\nexec cc "$@"'))
    with pytest.raises(BuildError, match=r"^No folder to build in: name one in CHALKGRAD_CACHE.*cache.*tmp"):
        compile_sources([scaled(factor=2.25)])


@contextlib.contextmanager
def small(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of that size as the cache."""
    folder.mkdir()
    size = f"size={kilobytes}k,mode=700"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no mounts here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root can mount")
@pytest.mark.parametrize("kilobytes", [4, 16, 32, 48, 64])
def test_a_small_disk(folder: Path, tmp_path: Path, kilobytes: int) -> None:
    """Full before the compiler runs, while it compiles, while it links; at last it is large enough."""
    with small(folder, kilobytes):
        module = compile_sources([scaled(factor=2.5 + kilobytes / 1024)])
        assert doubled(module) == pytest.approx(2.5 + kilobytes / 1024)
        assert where(module).is_relative_to(tmp_path / "tmp")
        assert not unfinished(folder)


def test_a_mistake_is_no_full_disk(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", script(tmp_path, 'case "$*" in *-c*) echo "no!"; exit 1;; esac\nexec cc "$@"'))
    with pytest.raises(BuildError, match=r"failed \(exit status 1\):\nno!$"):
        compile_sources([scaled(factor=2.75)])
    assert not (tmp_path / "tmp" / f"chalkgrad-{os.geteuid()}").exists()


def test_what_a_compiler_writes_aside_goes_with_the_build(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("CC", script(tmp_path, 'case "$*" in *-c*) echo > "$TMPDIR/left"; exit 1;; esac'))
    with pytest.raises(BuildError, match="failed"):
        compile_sources([scaled(factor=2.875)])
    assert not unfinished(folder) and not list((tmp_path / "tmp").iterdir())


# ----------------------------------------------------------------------------- time


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc here")
@pytest.mark.parametrize(
    "when", some(["*", "--version", "*-fopenmp*trial*", "*-c*", "*.so"], ("*", "*-c*").__contains__)
)
def test_a_compiler_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, folder: Path
) -> None:
    """With a process of its own, that does not end when the compiler does."""
    hang = f"sleep 100 & echo $! >> {tmp_path}/pids; wait"
    monkeypatch.setenv("CC", script(tmp_path, f'case "$*" in {when}) {hang};; esac\nexec cc "$@"'))
    monkeypatch.setenv(LIMIT, "1.5" if when in ("*", "--version") else "3")
    start = time.monotonic()
    with pytest.raises(TimeLimitError, match=rf"mycc .* had not ended after .* {LIMIT}, in seconds"):
        compile_sources([scaled(factor=3.25)])
    assert time.monotonic() - start < 30
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    deadline = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids and not any(map(is_running, pids))
    assert not folder.is_dir() or not unfinished(folder)
    assert not [path for path in folder.parent.rglob("threads_*") if when == "*-fopenmp*trial*"]


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "1 s"])
def test_a_limit_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(LIMIT, text)
    with pytest.raises(
        BuildError, match=rf"{LIMIT}: expected a number of seconds above 0, received '{text}'"
    ):
        compile_sources([scaled(factor=3.5)])


@pytest.mark.parametrize("text, seconds", [("", 600), ("2.5", 2.5), ("1e9", 1e6), ("inf", 1e6)])
def test_limits(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setenv(LIMIT, text)
    assert time_limit() == seconds
    assert Process(["sh", "-c", "echo said; exit 3"]).wait() == (3, "said\n")


def test_the_first_failure_stops_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setenv("CC", script(tmp_path, '[ "$1" = bad ] && exit 1; sleep 100'))
    start = time.monotonic()
    with pytest.raises(BuildError, match=r"mycc bad failed"):
        toolchain.find_compiler().run_all([["bad"], ["slow"], ["slower"]])
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("processors", [1, 2, 8])
def test_outputs_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    monkeypatch.setenv("CC", script(tmp_path, 'sleep 0.$1; head -c 100000 /dev/zero | tr "\\0" $1'))
    calls = [["3"], ["1"], ["2"], ["0"]]
    assert toolchain.find_compiler().run_all(calls) == [digit * 100000 for (digit,) in calls]


# ----------------------------------------------------------------------------- what is left behind


def aged(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def left(folder: Path, name: str, seconds: float) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "a.o").write_text("")
    return aged(folder / name, seconds)


def test_what_is_forgotten_is_removed(folder: Path) -> None:
    for name in ("making-a", "discarded-b"):
        left(folder, name, 61)
    (folder / "making-c").write_text("a note")
    aged(folder / "making-c", 61)
    left(folder, "making-young", 1)
    left(folder, "discarded-young", 1)
    (folder / "making-link").symlink_to(left(folder.parent, "elsewhere", 1000))
    old = left(folder, "an entry", 10**6)
    cache.publish("entry", lambda making: None)
    assert unfinished(folder) == {"making-young", "discarded-young", "making-link"}
    assert (old / "a.o").exists() and (folder.parent / "elsewhere" / "a.o").exists()


def test_what_somebody_works_on_stays(folder: Path) -> None:
    """However long it takes."""
    alive = left(folder, "making-alive", 10**6)
    handle = os.open(alive, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    cache.publish("entry", lambda making: None)
    assert unfinished(folder) == {"making-alive"}
    os.close(handle)
    cache.publish("another", lambda making: None)
    assert unfinished(folder) == set()


def test_where_there_are_no_locks_age_decides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(handle: int, how: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    left(folder, "making-hours", 3600)
    left(folder, "making-days", 100_000)
    cache.publish("entry", lambda making: None)
    assert unfinished(folder) == {"making-hours"}


def test_a_builder_that_is_killed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process does not touch what it makes while it lives, and removes it once it is dead."""
    hang = f'case "$*" in *-c*) echo $$ >> {tmp_path}/pids; exec sleep 100;; esac'
    compiler = script(tmp_path, f'{hang}\nexec cc "$@"')
    source = scaled(factor=3.75)
    text = (
        "from chalkgrad.codegen.building.build import compile_sources\n"
        "from chalkgrad.codegen.c.source import Source\n"
        f"compile_sources([{source!r}])\n"
    )
    paths = os.pathsep.join(path or "." for path in sys.path)
    environment = {**os.environ, "PYTHONPATH": paths, "CC": compiler}
    builder = subprocess.Popen([sys.executable, "-c", text], env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "pids").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    monkeypatch.setattr(cache, "_YOUNG", 0.0)
    try:
        cache.publish("one", lambda making: None)
        assert len(unfinished(folder)) == 1
        builder.kill()
        builder.wait()
        cache.publish("two", lambda making: None)
        assert not unfinished(folder)
    finally:
        builder.kill()
        for line in (tmp_path / "pids").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(line), signal.SIGKILL)
