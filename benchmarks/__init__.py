"""How fast the compiled gradient is, next to everything else that could compute it: `python -m benchmarks`.

| place | owns |
|---|---|
| `case.py`, `cells.py` | a piece of work: arrays, packed weights, flop count; the cells |
| `peers/` | the contenders, one file each |
| `measure.py`, `timing.py`, `agree.py` | agreement first, then interleaved timing |
| `peak.py` | the fused multiply-add peak of this machine |
| `sections.py`, `child.py` | builds, calls from Python, memory, growth, ablation |
| `machine.py`, `worker.py`, `__main__.py` | this machine; a process for each thread count; the command line |
| `inside.py` | the one place that looks behind the public names of `codegen` |
| `report.py`, `plot.py` | the Markdown tables and the plot |

Nothing here is imported by `derive` or `codegen`.
"""
