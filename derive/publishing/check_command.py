"""chalkgrad check: is a formula right? The verdict goes to standard output, the status says it too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from chalkgrad.commands import Parser, answered
from chalkgrad.derive.checking.check import check
from chalkgrad.derive.choices import ALLOWED
from chalkgrad.derive.publishing.options import DEFAULT_MODEL, add_choices, chosen_steps, loaded, show
from chalkgrad.errors import WRONG

PROGRAM = "chalkgrad check"
EPILOG = """\
examples:
  chalkgrad check "dL/dW_aa = sum_t delta_z_a[t] @ a[t-1]^T"
  chalkgrad check "delta_z_a[t] = delta_a[t] * g'(z_a[t])" --g relu
  chalkgrad check "delta_c[t] = f[t+1] * delta_c[t+1]" --model my_cell.toml --T 4
  chalkgrad check "dL[2]/dW_aa = dL[2]/da[2] @ da[2]/da[1] @ d+a[1]/dW_aa" --T 2
  chalkgrad check - < line.tex               a line of LaTeX from standard input

  a[t]  a[t-1]  a[T]  a[2]  a<t>  a^{<t>}           a value at a step; a alone: at t
  delta_v[t]  z_v[t]                                dL/dv[t], the pre-activation of v
  dL/dW  dL[2]/dv[1]  da[2]/da[1]  d+a[2]/dW        total derivatives, and with d+ immediate ones
  sum_t (...)  sum_{t=1}^{T} (...)                  over all steps, or over a range
  A @ B  u @ v^T  u * v  v^T  v^2  diag(v)          products of matrices, componentwise, and so on
  g(v)  g'(v)  tanh'(v)  sum(v)                     functions and their derivatives; a sum of components

A claim is right for every T, all sizes and numbers, and wherever both sides exist; or under a condition that
is told, as t < T, a[0] = 0 or sum(y) = 1. --T adds a length: what holds for it alone is right under T = it.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit status."""
    return answered(PROGRAM, lambda: _run(_parser().parse_args(arguments)))


def _run(options: argparse.Namespace) -> int:
    right, text = _checked(options)
    show(text)
    return 0 if right else WRONG


def _checked(options: argparse.Namespace) -> tuple[bool, str]:
    model = loaded(options, "--model")
    steps = chosen_steps(options.T, model)
    formula = sys.stdin.read() if options.formula == "-" else options.formula
    report = check(model, formula, steps, target=options.target, allow=options.allow)
    return report.correct, str(report)


def _parser() -> argparse.ArgumentParser:
    description = "Check a formula for a gradient, a δ, a recurrence or a chain; if it is wrong, say why."
    parser = Parser(PROGRAM, description, EPILOG)
    add = parser.add_argument
    add("formula", metavar="FORMULA", help='"left = right", or - to read it from standard input')
    add("--model", default=DEFAULT_MODEL, metavar="MODEL", help=f"a cell or a .toml file ({DEFAULT_MODEL})")
    add("--target", metavar="NAME", help="what the formula should be the answer for, as dL/dW_aa")
    add("--allow", nargs="+", choices=ALLOWED, help="what it may use beside parameters and numbers")
    add_choices(parser)
    return parser
