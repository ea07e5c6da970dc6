"""`make fuzz`: thousands of random programs, in batches of one compiler and one level each.

    python -m tests.programs.fuzz [--count 5000] [--seed N] [--first BATCH]

A batch depends on the seed and its own number alone, so a run that was stopped goes on with --first, and one
batch can be repeated. Failures are shrunk and printed as entries for `tests.programs.pinned`. Exit status 1
if there is any, or if too many programs were drawn again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from tests.programs import backends, runs
from tests.programs.cases import Case
from tests.programs.program import Program

TOGETHER = 50  # programs of a batch
SPARE = 10  # more of them, for those that have to be drawn again
OPERATIONS = 600  # of straight-line code
SECONDS = 60.0  # for shrinking one failure
SHRUNK = 2  # failures of a batch that are shrunk: more are mostly the same
MOST_AGAIN = 0.1
COMPILERS = tuple(name for name in ("gcc", "clang") if shutil.which(name)) or ("cc",)
LEVELS = ("-O0", "-O1", "-O2", "-O3")


@dataclass
class Batch:
    """What a batch came to; its failures as text."""

    number: int
    compiler: str
    level: str
    asked: int = 0
    again: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def run(number: int, seed: int, count: int) -> Batch:
    """One batch of at most `count` programs, in a process of its own choices."""
    rng = random.Random(f"{seed} {number}")
    batch = Batch(number, rng.choice(COMPILERS), rng.choice(LEVELS))
    apart, own = rng.random() < 0.1, rng.randrange(2**32)
    os.environ["CC"] = batch.compiler
    report = runs.Report()
    with tempfile.TemporaryDirectory() as cache, backends.budget(OPERATIONS):
        os.environ["CHALKGRAD_CACHE"] = cache  # what is built is used once
        cases = runs.usable(runs.draw(TOGETHER + SPARE, own), count, report)
        runs.hold(cases, report, batch.level, apart)
        batch.asked = report.asked
        batch.again.update(why for _, why in report.again)
        batch.failures = [_told(case, own, what, n) for n, (case, what) in enumerate(_by_program(report))]
    return batch


def _alone(number: int, seed: int, count: int) -> Batch:
    """`run` in a process of its own, which may crash."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        try:
            return process.submit(run, number, seed, count).result()
        except BrokenProcessPool:
            return Batch(number, "?", "?", failures=["the process has crashed"])


def _by_program(report: runs.Report) -> list[tuple[Case, dict[str, str]]]:
    """Failing programs with what differs, by backend."""
    found: dict[int, tuple[Case, dict[str, str]]] = {}
    for case, backend, what in report.failures:
        found.setdefault(id(case), (case, {}))[1][backend] = what
    return list(found.values())


def _told(case: Case, own: int, what: dict[str, str], number: int) -> str:
    """A failure: as it was found, and shrunk on the cheapest backend that has it."""
    lines = [f"{backend}: {difference}" for backend, difference in what.items()]
    small = case.program
    cheapest = min(what, key=runs.COST.index)
    if number < SHRUNK:
        small = runs.shrunk(case.program, cheapest, TOGETHER + SPARE, own, SECONDS)
        lines.append(f"shrunk on {cheapest}: {runs.fails(Case(small), cheapest)}")
    return "\n".join([*lines, entry(small)])


def entry(program: Program) -> str:
    """The program as Python reads it."""
    choices = f"{program.architecture!r}, {program.feed!r}, {program.loss!r}, {dict(program.functions)!r}"
    return f'Program(\n    """\n{program.text}""",\n    {program.setting!r},\n    {choices},\n)'


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.programs.fuzz")
    parser.add_argument("--count", type=int, default=5000, help="how many programs")
    parser.add_argument("--seed", type=int, default=None, help="of the run; a fresh one if it is not given")
    parser.add_argument("--first", type=int, default=0, help="the batch to begin with")
    options = parser.parse_args(arguments)
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    print(f"seed {seed}: {options.count} programs, {TOGETHER} a batch, {', '.join(COMPILERS)}", flush=True)
    counts = [min(TOGETHER, options.count - first) for first in range(0, options.count, TOGETHER)]
    again: Counter[str] = Counter()
    asked = failed = 0
    begin = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = [pool.submit(_alone, n, seed, counts[n]) for n in range(options.first, len(counts))]
        for future in batches:
            batch = future.result()
            asked, failed, again = asked + batch.asked, failed + len(batch.failures), again + batch.again
            rate = asked / (time.monotonic() - begin)
            print(
                f"batch {batch.number}: {batch.asked} by {batch.compiler} {batch.level}; in all {asked}, "
                f"{failed} failed, {sum(again.values())} drawn again, {rate:.1f} a second",
                flush=True,
            )
            for text in batch.failures:
                print(f"\n--- batch {batch.number}, seed {seed}\n{text}\n", flush=True)
    share = sum(again.values()) / max(asked + sum(again.values()), 1)
    reasons = ", ".join(f"{n} {why}" for why, n in again.most_common()) or "none"
    print(f"seed {seed}: {asked} programs, {failed} failed; drawn again {share:.1%}: {reasons}")
    return int(failed > 0 or share > MOST_AGAIN)


if __name__ == "__main__":
    sys.exit(main())
