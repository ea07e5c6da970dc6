"""Timing several contenders in turns, so that whatever the machine does meanwhile happens to all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

SAMPLE = 0.02  # seconds that a sample takes at least, unless one call takes longer
PAUSE = 0.05  # seconds before a turn, in which the waiting threads of the one before fall asleep
SLOW_CALL, SLOW_FACTOR = 0.25, 10  # beyond both, against the fastest, one round is enough
_MANY = 1 << 20


@dataclass(frozen=True)
class Timing:
    """Seconds for one call: the median over rounds, and the quartiles."""

    median: float
    low: float
    high: float
    calls: int
    rounds: int


def interleaved(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Round-robin: in every round one sample of each, of as many calls as fill SAMPLE."""
    first = {name: _sample(run, 1) for name, run in runs.items()}
    calls = {name: _enough(run) if first[name] < SAMPLE else 1 for name, run in runs.items()}
    samples: dict[str, list[float]] = {name: [] for name in runs}
    slow = max(SLOW_CALL, SLOW_FACTOR * min(first.values(), default=0))
    for turn in range(rounds):
        for name, run in runs.items():
            if turn and first[name] > slow:
                continue
            time.sleep(PAUSE)
            if first[name] < SAMPLE:
                run()  # brings code and data back into the caches
            samples[name].append(_sample(run, calls[name]) / calls[name])
    return {name: _summary(times, calls[name]) for name, times in samples.items()}


def alone(run: Callable[[], object], rounds: int) -> Timing:
    return interleaved({"": run}, rounds)[""]


def _summary(times: list[float], calls: int) -> Timing:
    low, median, high = (float(np.quantile(times, q)) for q in (0.25, 0.5, 0.75))
    return Timing(median, low, high, calls, len(times))


def _sample(run: Callable[[], object], calls: int) -> float:
    """Seconds for so many calls."""
    turns = range(calls)
    start = time.perf_counter()
    for _ in turns:
        run()
    return time.perf_counter() - start


def _enough(run: Callable[[], object]) -> int:
    """How many calls fill SAMPLE."""
    calls = 1
    while calls < _MANY:
        seconds = _sample(run, calls)
        if seconds >= SAMPLE:
            break
        calls = min(max(2 * calls, int(calls * 1.2 * SAMPLE / max(seconds, 1e-9))), 10 * calls)
    return calls
