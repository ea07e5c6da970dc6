"""One case: prepare every contender, hold its result to ours, and only then time those that agree."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.agree import Result, disagreement, kept
from benchmarks.case import Case, Size, make_case
from benchmarks.peak import fma_peak
from benchmarks.peers import OURS, Peer, Run
from benchmarks.timing import Timing, interleaved
from chalkgrad import progress
from chalkgrad.codegen.choices import DtypeName


@dataclass
class Measured:
    """What is known of a case, ready for JSON. Times in seconds.

    ready: from the arrays to the end of the first call, compilers included unless they found it cached.
    refused: who disagrees or fails, and how. absent: who has nothing to offer for this case.
    """

    model: str
    size: tuple[int, int, int, int, int]
    dtype: DtypeName
    threads: int
    flops: int
    peak: float
    load: float
    timings: dict[str, Timing] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)

    @property
    def ours(self) -> str | None:
        """The faster of our builds."""
        return self._fastest([name for name in self.timings if name.startswith(OURS)])

    @property
    def best_peer(self) -> str | None:
        return self._fastest([name for name in self.timings if not name.startswith(OURS)])

    @property
    def ratio(self) -> float | None:
        """The best peer's time over ours."""
        ours, peer = self.ours, self.best_peer
        return self.timings[peer].median / self.timings[ours].median if ours and peer else None

    @property
    def rate(self) -> float | None:
        """Our flops a second."""
        return self.flops / self.timings[self.ours].median if self.ours else None

    def _fastest(self, names: list[str]) -> str | None:
        return min(names, key=lambda name: self.timings[name].median, default=None)


def measure(case: Case, peers: Sequence[Peer], rounds: int = 7, probe: bool = True) -> Measured:
    """The first peer that prepares the case is ours, and the reference of the others.

    probe: measure the peak just before; 0 otherwise.
    """
    size = case.size
    found = Measured(
        case.model,
        (size.T, size.B, size.n_x, size.n_a, size.n_y),
        case.dtype,
        case.threads,
        case.flops,
        fma_peak(case.dtype, case.threads) if probe else 0.0,
        os.getloadavg()[0],
    )
    runs: dict[str, Run] = {}
    reference: Result | None = None
    for peer in peers:
        start = time.perf_counter()
        try:
            run = peer.prepare(case)
            if run is None:
                found.absent.append(peer.name)
                continue
            first = run()
        except Exception as error:  # a peer that fails must not end the run
            found.refused[peer.name] = (
                f"it fails: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            )
            continue
        found.ready[peer.name] = time.perf_counter() - start
        result = kept(first)
        reference = reference or result
        if problem := disagreement(result, reference, case.dtype):
            found.refused[peer.name] = f"it disagrees: {problem}"
        else:
            runs[peer.name] = run
    found.timings = interleaved(runs, rounds)
    return found


Choice = tuple[str, Size, DtypeName, int]


def measure_all(choices: Sequence[Choice], peers: Sequence[Peer], rounds: int) -> list[Measured]:
    """The cases (model, size, dtype, threads) one after the other, with a line for each as it is done."""
    results = []
    for number, (model, size, dtype, threads) in enumerate(choices, 1):
        case = make_case(model, size, dtype, threads)
        with progress.told(f"bench: {number} of {len(choices)}, {case}"):
            found = measure(case, peers, rounds)
        ratio = f"ratio {found.ratio:.2f} to {found.best_peer}" if found.ratio else "no peer"
        ours = found.timings[found.ours].median * 1e6 if found.ours else float("nan")
        print(f"{case}: ours {ours:.4g} µs, {ratio}", flush=True)
        for name, reason in found.refused.items():
            print(f"    {name} is not timed: {reason}", flush=True)
        results.append(found)
    return results
