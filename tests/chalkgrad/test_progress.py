"""What is said of long work: on a terminal only, after two seconds, in one line that is gone in the end."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from chalkgrad import codegen, derive, progress
from chalkgrad.__main__ import main
from chalkgrad.codegen import folder
from chalkgrad.codegen.building import toolchain
from tests.derive.once import judged_once
from tests.quick import flags_at

SOON = 0.001  # seconds from one writing to the next
CLEAR = "\r\x1b[K"


class Terminal:
    """A pseudo-terminal: what is written to `stream` arrives in `seen`."""

    def __init__(self) -> None:
        reads, writes = pty.openpty()
        self.reads = os.fdopen(reads, "rb", buffering=0)
        self.stream: TextIO = os.fdopen(writes, "w", encoding="utf-8")

    def seen(self, end: str = "") -> str:
        """All that is there; where an end is given, wait for it."""
        text = b""
        while not end or not text.endswith(end.encode()):
            if not select.select([self.reads], [], [], 60 if end else 0)[0]:
                assert not end, text
                break
            text += self.reads.read(1)
        return text.decode()

    def close(self) -> None:
        self.reads.close()
        self.stream.close()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    made = Terminal()
    yield made
    made.close()


class Clock:
    """It stands still; `looked(n)` waits until the time was asked for n times more."""

    def __init__(self, *times: float) -> None:
        self.times, self.asked = list(times), threading.Semaphore(0)

    def __call__(self) -> float:
        self.asked.release()
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]

    def looked(self, times: int) -> None:
        for _ in range(times):
            assert self.asked.acquire(timeout=60)


def test_a_line_that_is_written_over_and_cleared(terminal: Terminal) -> None:
    with progress.told("docs", terminal.stream, Clock(10.0, 14.0), SOON) as step:
        assert terminal.seen("s\x1b[K").startswith("\rdocs … 4 s\x1b[K")
        step("7 of 30, gru")
        shown = terminal.seen("gru … 4 s\x1b[K")
    assert re.fullmatch(r"(\rdocs … 4 s\x1b\[K)*\rdocs: 7 of 30, gru … 4 s\x1b\[K", shown)
    assert terminal.seen().endswith(CLEAR)


def test_nothing_of_what_takes_less_than_two_seconds(terminal: Terminal) -> None:
    clock = Clock(10.0, 10.0 + progress.AFTER - 0.01)
    with progress.told("docs", terminal.stream, clock, SOON):
        clock.looked(4)
    assert terminal.seen() == "" and progress.AFTER == 2


def test_no_more_than_fits(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what steers a terminal."""
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((20, 5)))
    with progress.told("a\x1b[2J\n" + 90 * "b", terminal.stream, Clock(0.0, 100.0), SOON):
        assert terminal.seen("s\x1b[K").startswith("\ra\\x1b[2J\\nb … 100 s\x1b[K")


def nowhere() -> TextIO:
    """A pipe that nobody reads."""
    reads, writes = os.pipe()
    os.close(reads)
    return os.fdopen(writes, "w")


def closed() -> TextIO:
    stream = nowhere()
    stream.close()
    return stream


@pytest.mark.parametrize("made", [nowhere, closed, io.StringIO])
def test_nothing_where_no_terminal_is(made: Callable[[], TextIO]) -> None:
    before = threading.active_count()
    with progress.told("docs", made(), Clock(0.0, 9.0), SOON) as step:
        step("1 of 2")
        assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["dumb", None])
def test_nothing_where_a_line_cannot_be_cleared(
    kind: str | None, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERM") if kind is None else monkeypatch.setenv("TERM", kind)
    before = threading.active_count()
    with progress.told("docs", terminal.stream, Clock(0.0, 9.0), SOON):
        assert threading.active_count() == before
    assert terminal.seen() == ""


def test_nothing_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with progress.told("docs", clock=Clock(0.0, 9.0), every=SOON) as step:
        step("1 of 2")


def test_one_line_at_a_time(terminal: Terminal) -> None:
    """Whoever was first has it; then whoever still works."""
    late = Clock(0.0, 9.0)
    with progress.told("second", terminal.stream, late, every=SOON) as step:
        with progress._LINE:
            late.looked(4)
            assert terminal.seen() == ""
        assert terminal.seen("s\x1b[K").startswith("\rsecond … 9 s")
        waiting = Clock(0.0, 9.0)
        with progress.told("third", terminal.stream, waiting, SOON):
            waiting.looked(4)
            step("on")
            assert "third" not in terminal.seen("on … 9 s\x1b[K")
    assert not progress._LINE.locked()


def test_nothing_is_raised(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the terminal goes away, nor where a thread cannot start; what the block raises comes through."""
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    clock = Clock(0.0, 9.0)
    with progress.told("docs", terminal.stream, clock, SOON):
        terminal.reads.close()
        clock.looked(4)
        terminal.stream.close()
        clock.looked(4)
    other = Terminal()
    with pytest.raises(KeyError), progress.told("docs", other.stream, Clock(0.0, 9.0), SOON):
        other.seen("s\x1b[K")
        raise KeyError
    assert other.seen().endswith(CLEAR) and not progress._LINE.locked()

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with progress.told("docs", other.stream, Clock(0.0, 9.0), SOON) as step:
        step("1 of 2")
    assert not raised and other.seen() == ""
    other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_fork_comes_to_its_end(terminal: Terminal) -> None:
    """It leaves the block of its parent, whose line it does not touch, and has none while that is there."""
    child = -1
    clock = Clock(0.0, 9.0)
    try:
        with progress.told("docs", terminal.stream, clock, SOON):
            terminal.seen("s\x1b[K")
            child = os.fork()
            if child == 0:
                own = Clock(0.0, 9.0)
                with progress.told("of the child", terminal.stream, own, SOON):
                    own.looked(4)
            else:
                _, status = os.waitpid(child, 0)
    finally:
        if child == 0:
            os._exit(7 if sys.exc_info()[0] is None else 1)
    shown = terminal.seen()
    assert os.waitstatus_to_exitcode(status) == 7
    assert "child" not in shown and shown.endswith(CLEAR) and shown.count(CLEAR) == 1


# ----------------------------------------------------------------------------- who says what


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All lines that there could be, were every piece of work long."""
    lines: list[str] = []

    @contextlib.contextmanager
    def told(what: str) -> Iterator[Callable[[str], None]]:
        lines.append(what)
        yield lambda far: lines.append(f"{what}: {far}")

    monkeypatch.setattr(progress, "told", told)
    return lines


def test_a_gallery_counts_its_pages(said: list[str], tmp_path: Path) -> None:
    manifest = tmp_path / "pages.toml"
    manifest.write_text(
        '[[page]]\nheading = "All"\nmodel = "vanilla"\narchitecture = "one-to-one"\n'
        'h = ["sigmoid", "softmax"]\n'
    )
    with judged_once():
        assert main(["docs", str(manifest), "--out", str(tmp_path / "pages")]) == 0
    where = "vanilla, architecture = one-to-one, h ="
    assert said[:2] == ["docs", f"docs: 1 of 2, {where} sigmoid"]
    assert f"docs: 2 of 2, {where} softmax" in said and "deriving vanilla" in said


def test_a_showcase_counts_its_networks(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(
        f'[{name}]\nmodel = "vanilla"\nsizes = {{n_x = 1, n_a = 2, n_y = 1}}\n' for name in ("one", "two")
    )
    (tmp_path / "manifest.toml").write_text(text)
    monkeypatch.setattr(folder, "place_extension", lambda path: path)
    assert main(["showcase", "--folder", str(tmp_path)]) == 0
    assert said == [
        "writing one",
        "writing two",
        "compiling",
        *(f"compiling: {n} of 2 done" for n in (0, 1, 2)),
    ]


def test_a_build_says_what_is_compiled(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "FLAGS", flags_at("-O0"))
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path / "cache"))
    for _ in range(2):  # the second time it is there
        codegen.build(derive.load("vanilla"), {"n_x": 5, "n_a": 2, "n_y": 1})
    assert said == ["writing rnn_vanilla", "compiling rnn_vanilla"]
