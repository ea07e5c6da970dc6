"""python -m derive check: is a formula right? The verdict goes to standard output, the status says it too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from chalkgrad.derive.checking.check import check
from chalkgrad.derive.checking.judging.points import DEFAULT_T
from chalkgrad.derive.errors import ChoiceError, DeriveError
from chalkgrad.derive.publishing.options import add_choices, chosen_steps, loaded, show

EPILOG = """\
examples:
  python -m derive check "dL/dW_aa = sum_t delta_z_a[t] @ a[t-1]^T"
  python -m derive check "delta_z_a[t] = delta_a[t] * g'(z_a[t])" --g relu
  python -m derive check "delta_c[t] = f[t+1] * delta_c[t+1]" --model my_cell.toml --T 4
  python -m derive check "dL[2]/dW_aa = dL[2]/da[2] @ da[2]/da[1] @ d+a[1]/dW_aa" --T 2
  python -m derive check - < line.tex               a line of LaTeX from standard input

  a[t]  a[t-1]  a[T]  a[2]  a<t>  a^{<t>}           a value at a step; a alone: at t
  delta_v[t]  z_v[t]                                dL/dv[t], the pre-activation of v
  dL/dW  dL[2]/dv[1]  da[2]/da[1]  d+a[2]/dW        total derivatives, and with d+ immediate ones
  sum_t (...)  sum_{t=1}^{T} (...)                  over all steps, or over a range
  A @ B  u @ v^T  u * v  v^T  v^2  diag(v)          products of matrices, componentwise, and so on
  g(v)  g'(v)  tanh'(v)  sum(v)                     functions and their derivatives; a sum of components

exit status: 0 if the formula is right, 1 if it is wrong, 2 if it or an argument cannot be read.
"""


def main(arguments: Sequence[str], default_model: str) -> int:
    """Run the command on what follows "check". Returns the exit status."""
    options = _parser(default_model).parse_args(arguments)
    try:
        right, text = _checked(options)
    except DeriveError as error:
        print(f"derive: {_message(error)}", file=sys.stderr)
        return 2
    show(text)
    return 0 if right else 1


def _checked(options: argparse.Namespace) -> tuple[bool, str]:
    model = loaded(options)
    steps = chosen_steps(options.T, model)
    formula = sys.stdin.read() if options.formula == "-" else options.formula
    report = check(model, formula, DEFAULT_T if steps is None else steps)
    return report.correct, str(report)


def _message(error: DeriveError) -> str:
    """In the words of the command line; a caret keeps its line."""
    match error:
        case ChoiceError(argument="name_or_path", expected=expected, received=received):
            return str(ChoiceError("--model", expected, received))
        case _:
            return str(error)


def _parser(default_model: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m derive check",
        description="Check a formula for a gradient, a δ, a recurrence or a chain; if it is wrong, say why.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("formula", metavar="FORMULA", help='"left = right", or - to read it from standard input')
    add("--model", default=default_model, metavar="MODEL", help=f"a cell or a .toml file ({default_model})")
    add_choices(parser)
    return parser
