"""How long a verdict takes, after a model's first claim: claims about the built-in cells, right and wrong.

The claims are those of the tests, and the labelled ones beside the checkout where they are there.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chalkgrad import derive
from chalkgrad.derive.cells.model import Model

_ROOT = Path(__file__).parents[1]
_LISTS = tuple(_ROOT / "tests" / "derive" / "checking" / f"{kind}_claims.txt" for kind in ("right", "wrong"))
_LABELLED = _ROOT.parent / "shared" / "claims.jsonl"


def verdicts() -> list[dict[str, Any]]:
    """For each verdict: how many claims, the median, the 9th decile and the worst, in seconds."""
    models: dict[str, Model] = {}
    times: dict[str, list[float]] = defaultdict(list)
    for name, chosen, claim in _claims():
        key = f"{name} {sorted(chosen.items())}"
        if key not in models:
            models[key] = derive.load(name, **chosen)
            derive.check(models[key], "dL/dx[t] = delta_x[t]")
        start = time.perf_counter()
        try:
            verdict = derive.check(models[key], claim).verdict
        except derive.FormulaError:
            continue
        times[verdict].append(time.perf_counter() - start)
    return [
        {
            "verdict": verdict,
            "claims": len(found),
            "median": float(np.median(found)),
            "decile": float(np.quantile(found, 0.9)),
            "worst": max(found),
        }
        for verdict, found in sorted(times.items())
    ]


def _claims() -> Iterator[tuple[str, dict[str, Any], str]]:
    for path in _LISTS:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                model, *_, claim = (part.strip() for part in line.split(" | "))
                name, *words = model.split()
                yield name, dict(word.split("=") for word in words), claim
    if _LABELLED.is_file():
        for line in _LABELLED.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield row["model"], {k: v for k, v in row["choices"].items() if k != "T"}, row["formula"]
