"""`python -m tests.claims.fuzz`: random edits of right equations, the checker beside the evaluator."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.claims.compare import Compared, random_edits

PIECE = 250  # edits of one seed


def piece(seed: int) -> list[Compared]:
    return list(random_edits(PIECE, seed))


def run(count: int, seed: int) -> Iterator[Compared]:
    """On two processes, a piece at a time."""
    with ProcessPoolExecutor(2) as pool:
        for found in pool.map(piece, range(seed, seed + -(-count // PIECE))):
            yield from found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.claims.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(10**9) if options.seed is None else options.seed
    tried = doubtful = other = 0
    for one in run(options.count, seed):
        tried += 1
        doubtful += one.due is None
        if not one.agrees:
            other += 1
            print(f"{one.setting}\n    {one.text}\n    due {one.due}\n    found {one.found}", flush=True)
    print(f"seed {seed}: {tried} edits, {doubtful} doubtful, {other} judged otherwise")
    return 1 if other else 0


if __name__ == "__main__":
    raise SystemExit(main())
