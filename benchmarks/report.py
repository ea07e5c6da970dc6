"""The results as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.measure import Measured
from benchmarks.worker import read_measured

Results = Mapping[str, Any]
Peaks = Mapping[tuple[str, int], float]  # (dtype, threads) → flops a second

_HOW = """\
One call computes the loss and all parameter gradients of one batch: T steps, B examples, tanh, sigmoid
output, binary cross-entropy, zero initial states. All contenders read the same arrays; each may lay out its
weights once, ahead of the clock. Before it is timed, a contender's loss and every gradient must agree with
ours, norm of the difference over the norm, to 1e-4 in float32 and 1e-10 in float64. They take turns in one
process; a time is the median over rounds, ± half the distance between the quartiles, in µs. A time with an
asterisk is that of one call, for a contender so slow that its spread does not matter.

GFLOP/s counts 2 for each multiply-add of the products that are needed, forward and backward, and nothing
else: 2B (2T (G n_a² + G n_a n_x + n_y n_a) + T n_y n_a + (T − 1) G n_a²) with G gates. The peak is the best
that a loop of fused multiply-adds reached on the same number of threads during this run. Ratio is the best
peer's time over ours, the faster of our builds.
"""
_THREADS = """\
Threads: fixed at the start of the process by OMP_NUM_THREADS, OPENBLAS_NUM_THREADS, MKL_NUM_THREADS and
NUMBA_NUM_THREADS, by torch.set_num_threads, numba.set_num_threads and ONNX Runtime's intra_op_num_threads,
and by binding the process to as many processors, which is what holds JAX. CasADi's C always runs on one.
"""


def markdown(results: Results) -> str:
    """The whole report."""
    workers = results["workers"]
    cases = measured(results, "cases")
    lines = ["# Benchmark", "", *_about(workers), "", _HOW, _THREADS]
    titles: dict[str, str] = {}
    for worker in workers:
        titles |= worker["titles"]
    peaks = peaks_of(cases)
    for (dtype, threads), group in _grouped(cases).items():
        peak, last = peaks[dtype, threads], [case.peak for case in group]
        lines += [
            f"## {dtype}, {_threads(threads)}",
            "",
            f"Peak {peak / 1e9:.1f} GFLOP/s (measured before each case: {min(last) / 1e9:.1f} to "
            f"{max(last) / 1e9:.1f}); load of the machine {min(c.load for c in group):.1f} to "
            f"{max(c.load for c in group):.1f}.",
            "",
            *_case_table(group, titles, peak),
            "",
        ]
    if forward := measured(results, "forward"):
        lines += ["## Forward only", "", *_forward_table(forward), ""]
    sections: dict[str, Any] = {}
    for worker in workers:
        sections |= worker["sections"]
    lines += [line for name, rows in sections.items() for line in _PRINTERS[name](rows)]
    lines += _remarks(workers, cases, titles)
    return "\n".join(lines).rstrip() + "\n"


def measured(results: Results, kind: str) -> list[Measured]:
    """The cases of all workers: kind is "cases" or "forward"."""
    return [read_measured(case) for worker in results["workers"] for case in worker[kind]]


def peaks_of(cases: Iterable[Measured]) -> Peaks:
    """The best of a run: what else the machine does only lowers a probe."""
    peaks: dict[tuple[str, int], float] = defaultdict(float)
    for case in cases:
        peaks[case.dtype, case.threads] = max(peaks[case.dtype, case.threads], case.peak)
    return peaks


def size_text(size: Sequence[int]) -> str:
    return f"({', '.join(map(str, size))})"


def _about(workers: Sequence[Results]) -> list[str]:
    machine = workers[0]["machine"]
    versions = ", ".join(f"{package} {version}" for package, version in machine["versions"].items())
    bound = "; ".join(f"{_threads(w['threads'])}: {w['bound']}" for w in workers)
    return [
        f"{machine['date']}, {machine['processor']}, {machine['processors']} processors.",
        f"{machine['system']}.",
        f"Python {machine['python']}, {versions}.",
        f"{machine['compiler']}, {machine['flags']}.",
        f"{bound}.",
    ]


def _grouped(cases: Iterable[Measured]) -> dict[tuple[str, int], list[Measured]]:
    groups: dict[tuple[str, int], list[Measured]] = defaultdict(list)
    for case in cases:
        groups[case.dtype, case.threads].append(case)
    return groups


def _case_table(cases: Sequence[Measured], titles: Mapping[str, str], peak: float) -> list[str]:
    present = {name for case in cases for name in case.timings}
    names = [name for name in titles if name in present]
    head = ["model", "(T, B, n_x, n_a, n_y)", *(titles[name] for name in names)]
    rows = []
    for case in cases:
        cells = [case.model, size_text(case.size), *(_time_cell(case, name) for name in names)]
        rate = case.rate
        cells += [_number(rate / 1e9), f"{_number(100 * rate / peak)} %"] if rate else ["", ""]
        cells.append(f"**{case.ratio:.2f}**" if case.ratio else "")
        rows.append(cells)
    return _table([*head, "GFLOP/s", "of peak", "ratio"], rows)


def _time_cell(case: Measured, name: str) -> str:
    timing = case.timings.get(name)
    if timing is None:
        return "refused" if name in case.refused else ""
    text = _micro(timing.median)
    if timing.rounds == 1:
        return f"{text}*"
    text = f"{text} ± {_micro((timing.high - timing.low) / 2)}"
    return f"**{text}**" if name == case.ours or name == case.best_peer else text


def _forward_table(cases: Sequence[Measured]) -> list[str]:
    rows = []
    for case in cases:
        ours, peer = case.timings.get("chalkgrad_forward"), case.timings.get("onnx_forward")
        if ours and peer:
            where = [case.model, size_text(case.size), case.dtype, str(case.threads)]
            ratio = f"{peer.median / ours.median:.2f}"
            rows.append([*where, _micro(ours.median), _micro(peer.median), ratio])
    head = ["model", "(T, B, n_x, n_a, n_y)", "type", "threads", "ours, µs", "ONNX Runtime, µs", "ratio"]
    return _table(head, rows)


# ----------------------------------------------------------------------------- sections


def _builds(rows: Sequence[Results]) -> list[str]:
    body = [
        [r["model"], r["size"], str(r["T"]), *(f"{r[key]:.3f}" for key in ("cold", "cached", "import"))]
        for r in rows
    ]
    head = ["model", "size", "T", "cold, s", "cached, s", "imports, s"]
    text = "`derive.load` and `codegen.build` in a fresh process, with an empty cache and with a full one."
    return ["## From model to callable", "", text, "", *_table(head, body), ""]


def _calls(rows: Sequence[Results]) -> list[str]:
    body = []
    for r in rows:
        c = r["c"]
        over = [_micro(r[key] - c) if c is not None else "?" for key in ("plan", "loss_and_grad")]
        times = [_micro(r["plan"]), _micro(r["loss_and_grad"])]
        body.append([r["model"], _micro(c) if c is not None else "?", *times, *over])
    head = ["model", "C alone", "plan()", "loss_and_grad", "plan() adds", "loss_and_grad adds"]
    text = "Tiny size, T fixed, µs. C alone: the same function with the same struct, called by a loop in C."
    return ["## One call from Python", "", text, "", *_table(head, body), ""]


def _memory(rows: Sequence[Results]) -> list[str]:
    body = []
    for r in rows:
        space = r["workspace"]
        ratio = f"{space / r['kept']:.2f}" if space else "?"
        sizes = [_mebibytes(r["kept"]), _mebibytes(space), ratio]
        body.append([r["model"], r["size"], *sizes, _mebibytes(r["gradients"]), _mebibytes(r["rise"])])
    head = ["model", "size", "kept", "workspace", "workspace / kept", "gradients", "rise of the peak"]
    text = (
        "MiB. Kept: what back-propagation has to keep, B ((T + 1) S n_a + T (G n_a + n_y)) numbers for S "
        "states and G gates. The workspace has room for the slices of up to 64 threads; a call touches that "
        "of its own. The rise of the peak resident set of a fresh process by making a plan and calling it "
        "has what was touched and the gradients in it, however large the batch."
    )
    return ["## Memory", "", text, "", *_table(head, body), ""]


def _growth(rows: Sequence[Results]) -> list[str]:
    body = []
    for r in rows:
        slopes = [f"{r[key]:.2f}" if r[key] is not None else "?" for key in ("time_slope", "space_slope")]
        times = ", ".join(_micro(seconds) for seconds in r["times"])
        body.append([r["model"], r["over"], ", ".join(map(str, r["values"])), times, *slopes])
    head = ["model", "over", "values", "times, µs", "slope of time", "slope of workspace"]
    text = f"Around {rows[0]['of'] if rows else ''}; n: n_x = n_a = n, n_y = n/2. Slopes of the logarithms."
    return ["## How time grows", "", text, "", *_table(head, body), ""]


def _ablation(rows: Sequence[Results]) -> list[str]:
    labels = list(rows[0]["times"]) if rows else []
    body = []
    for r in rows:
        whole = r["times"][labels[0]]
        others = [f"{_micro(r['times'][label])} (× {r['times'][label] / whole:.2f})" for label in labels[1:]]
        body.append([r["model"], r["size"], _micro(whole), *others])
    return ["## What each choice is worth", "", "µs.", "", *_table(["model", "size", *labels], body), ""]


def _verdicts(rows: Sequence[Results]) -> list[str]:
    head = ("verdict", "claims", "median, s", "9th decile, s", "worst, s")
    cells = [
        (str(r["verdict"]), str(r["claims"]), *(f"{r[name]:.3f}" for name in ("median", "decile", "worst")))
        for r in rows
    ]
    return ["What a verdict on a claim takes, after the first claim about a model.", "", *_table(head, cells)]


def _straight(rows: Sequence[Results]) -> list[str]:
    body = []
    for r in rows:
        cells = [_micro(r[key][name]) for key in ("one", "many") for name in ("straight", "loops")]
        rate = _number(1e3 * r["cold"] / r["operations"])
        times = [f"{r['cold']:.2f}", f"{r['cold_loops']:.2f}", rate]
        body.append([r["model"], str(r["T"]), str(r["operations"]), *cells, *times])
    head = [
        "model",
        "T",
        "operations",
        "B = 1: written out, µs",
        "loops, µs",
        "B = 256: written out, µs",
        "loops, µs",
    ]
    head += ["cold build, s", "of the loops alone, s", "ms for an operation"]
    text = (
        "With T fixed, short code is written out: every number by itself, many examples one to a lane. "
        "Sizes (T, B, 3, 4, 2); it ends where the operations pass the budget of `codegen/passes/unroll.py`."
    )
    return ["## Written out or in loops", "", text, "", *_table(head, body), ""]


_PRINTERS = {
    "builds": _builds,
    "calls": _calls,
    "memory": _memory,
    "growth": _growth,
    "ablation": _ablation,
    "straight": _straight,
    "verdicts": _verdicts,
}


# ----------------------------------------------------------------------------- pieces


def _remarks(workers: Sequence[Results], cases: Sequence[Measured], titles: Mapping[str, str]) -> list[str]:
    lines = list(dict.fromkeys(line for worker in workers for line in worker["skipped"]))
    for case in cases:
        where = f"{case.model} {size_text(case.size)} {case.dtype}, {_threads(case.threads)}"
        lines += [f"{titles[name]}, {where}: {reason}" for name, reason in case.refused.items()]
    slowest: dict[str, float] = defaultdict(float)
    for case in cases:
        for name, seconds in case.ready.items():
            slowest[name] = max(slowest[name], seconds)
    longest = ", ".join(f"{titles[name]} {seconds:.1f} s" for name, seconds in slowest.items())
    what = f"Longest from arrays to the end of the first call, from the cache where there is one: {longest}."
    return ["## Remarks", "", *(f"- {line}" for line in [*lines, what])]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count != 1)}"


def _number(value: float) -> str:
    """Three digits, never in exponents."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _micro(seconds: float) -> str:
    return _number(1e6 * seconds)


def _mebibytes(count: float | None) -> str:
    return "?" if count is None else _number(count / 2**20)
