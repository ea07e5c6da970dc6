"""The ratio at every size: one panel for each type and thread count, one colour for each model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.report import measured

_COLOURS = ("#2a5caa", "#d9822b", "#3a8f5d", "#a23b72")  # apart in lightness too
_WIDTH = 0.8  # of the group of bars at one size


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Write the plot: a column for each thread count, a row for each type; bars from ratio 1."""
    cases = [case for case in measured(results, "cases") if case.ratio]
    if not cases:
        return
    dtypes = list(dict.fromkeys(case.dtype for case in cases))
    threads = list(dict.fromkeys(case.threads for case in cases))
    models = list(dict.fromkeys(case.model for case in cases))
    sizes = list(dict.fromkeys(case.size for case in cases))
    labels = [f"({T}, {B},\n{n_x}, {n_a}, {n_y})" for T, B, n_x, n_a, n_y in sizes]

    width = max(5.0, 1.5 + 1.05 * len(sizes)) * len(threads)
    shape, height = (len(dtypes), len(threads)), 0.9 + 3.3 * len(dtypes)
    figure, grid = plt.subplots(*shape, figsize=(width, height), sharex=True, sharey=True, squeeze=False)
    ratios = [case.ratio for case in cases if case.ratio]
    low, high = min(0.8, 0.65 * min(ratios)), 1.6 * max(ratios)
    bar = _WIDTH / len(models)
    for row, dtype in enumerate(dtypes):
        for column, count in enumerate(threads):
            axes = grid[row][column]
            for case in cases:
                if (case.dtype, case.threads) != (dtype, count) or case.ratio is None:
                    continue
                model = models.index(case.model)
                place = sizes.index(case.size) + bar * (model - (len(models) - 1) / 2)
                colour = _COLOURS[model % len(_COLOURS)]
                axes.bar(place, case.ratio - 1, 0.9 * bar, bottom=1, color=colour)
                above = case.ratio >= 1
                axes.annotate(
                    _digits(case.ratio),
                    (place, case.ratio),
                    (0, 2 if above else -2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom" if above else "top",
                    fontsize=6,
                    color="#444444",
                )
            _dress(axes, f"{dtype}, {count} thread{'s' * (count != 1)}", low, high)
            axes.set_xticks(range(len(sizes)), labels)
            axes.tick_params(axis="x", labelsize=8)
    for axes in grid[:, 0]:
        axes.set_ylabel("best peer's time / ours")
    handles = [plt.Rectangle((0, 0), 1, 1, color=_COLOURS[i % len(_COLOURS)]) for i in range(len(models))]
    figure.legend(handles, models, ncols=len(models), loc="upper center", frameon=False, fontsize=9)
    figure.supxlabel("(T, B, n_x, n_a, n_y)", fontsize=9)
    figure.tight_layout(rect=(0, 0, 1, 0.95 if len(dtypes) > 1 else 0.92))
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _digits(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 1 else f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


def _dress(axes: Any, title: str, low: float, high: float) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low <= t <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axhline(1, color="#222222", linewidth=1)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
