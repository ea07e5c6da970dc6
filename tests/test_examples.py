"""The examples run, and do what they say."""

from __future__ import annotations

import math
import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest

from chalkgrad import codegen, derive
from chalkgrad.codegen.building import toolchain
from tests.quick import flags_at

ROOT = Path(__file__).parent.parent
SMALLEST, CHAR_LM = ROOT / "examples" / "smallest.py", ROOT / "examples" / "char_lm.py"
TICKING = """
import itertools, runpy, sys, time
ticks = itertools.count()
time.perf_counter = lambda: next(ticks) / 100
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script by a clock of its own: a hundred steps are a second, whatever the machine does."""
needs_tqdm = pytest.mark.skipif(find_spec("tqdm") is None, reason="char_lm.py needs tqdm")


def run(arguments: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Python with the packages of this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, encoding="utf-8", check=False
    )


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def test_smallest_is_small_and_prints_the_gradient(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "FLAGS", flags_at("-O0"))
    assert len(SMALLEST.read_text(encoding="utf-8").splitlines()) < 15
    found = runpy.run_path(str(SMALLEST))
    printed = capsys.readouterr().out
    twin = codegen.numpy_twin(derive.load("vanilla", h="softmax"))
    loss, grads = twin.loss_and_grad(found["params"], found["x"], found["y"])
    assert number(r"L = (\S+)", printed) == pytest.approx(loss, abs=1e-6)
    assert r"\frac{\partial L}{\partial W_{aa}}" in printed
    assert str(found["grads"]["W_aa"]) in printed
    for name, gradient in grads.items():
        np.testing.assert_allclose(found["grads"][name], gradient, rtol=1e-11, atol=1e-13)


@needs_tqdm
def test_char_lm_learns_the_text_it_has_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = run(
        ["-c", TICKING, CHAR_LM, "--cell", "vanilla", "--seconds", "2", "--hidden", "32", "--seed", "1"]
    )
    assert done.returncode == 0, done.stderr
    unigram = number(r"unigram entropy of the held-out text: (\S+) bits", done.stdout)
    bits = number(r"vanilla on the held-out text: (\S+) bits per character, \d+% less", done.stdout)
    text = "\n".join(topics[name] for name in sorted(topics))
    counts = Counter(text[-(len(text) // 10) :])
    total = sum(counts.values())
    # rare characters share one symbol, so the two entropies differ a little
    assert unigram == pytest.approx(-sum(n / total * math.log2(n / total) for n in counts.values()), abs=0.01)
    assert 1 < bits < unigram
    assert len(done.stdout.partition("a sample:\n")[2]) == 600 + len("\n")
    assert re.search(r"\d+ steps, \d\.\d\d bits per character", done.stderr)


@needs_tqdm
def test_char_lm_keeps_the_last_tenth_apart() -> None:
    example = runpy.run_path(str(CHAR_LM))
    alphabet, training, held_out = example["read_text"]()
    text = "\n".join(topics[name] for name in sorted(topics))
    shown = "".join(c if c in alphabet else alphabet[0] for c in text)
    assert "".join(alphabet[code] for code in np.concatenate([training, held_out])) == shown
    assert 0 <= len(text) // 10 - len(held_out) < example["STREAMS"]
    assert example["unigram_entropy"](np.array([3, 3, 5, 7])) == 1.5


@needs_tqdm
def test_char_lm_reports_a_wrong_cell_in_one_line() -> None:
    done = run([CHAR_LM, "--cell", "perceptron"])
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and "perceptron" in done.stderr
    assert done.stderr.count("\n") == 1


def test_char_lm_without_tqdm_says_what_to_install() -> None:
    hide = "import runpy, sys; sys.modules['tqdm'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = run(["-c", hide, CHAR_LM])
    assert done.returncode == 1
    assert done.stderr == "char_lm.py shows its progress with tqdm: pip install tqdm\n"
