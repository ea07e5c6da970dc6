"""chalkgrad derive: the derivation of a model as a document."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chalkgrad.commands import Parser, answered
from chalkgrad.derive import choices
from chalkgrad.derive.cells.modelfile import builtin_names
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.documents.content import Wanted
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.publishing import check_command
from chalkgrad.derive.publishing.document import FORMATS, printed
from chalkgrad.derive.publishing.options import DEFAULT_MODEL, add_choices, chosen_steps, loaded, show
from chalkgrad.derive.values.prove import prove

PROGRAM = "chalkgrad derive"
EPILOG = """\
examples:
  chalkgrad derive                                  the note's network, T = 2
  chalkgrad derive --g relu --h softmax             ReLU and softmax
  chalkgrad derive gru --T 3 --wrt W_ka             one parameter of a GRU, three steps
  chalkgrad derive lstm --wrt W_fa,x,a0,c0          with the input and the initial states
  chalkgrad derive vanilla --architecture many-to-one
  chalkgrad derive vanilla --architecture one-to-many --feed output
  chalkgrad derive vanilla --architecture encoder-decoder --T 2,3
  chalkgrad derive my_cell.toml --function act=tanh a model file of your own
  chalkgrad derive --prove                          and compare with sympy.diff of the expanded loss
  chalkgrad derive gru --out gru.html               a page to explore; .tex .pdf .md .ipynb .txt as well
  chalkgrad derive --format text --level brief      one page of results, for the terminal
  chalkgrad derive --notation d2l --layout jacobian other ways to write the same
  chalkgrad derive --level exam --out exam.tex      questions; the answers go to exam-key.tex

Unless a format is asked for, displays are printed, $$ ... $$, that amsmath, MathJax and KaTeX accept: the
model, the forward equations, the adjoint equations with their boundary at t = T, the gradients, the chain
rule through T steps, and an example with numbers. Every displayed equality has been checked.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, `check` after that word too. Returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["check"]:
        return check_command.main(given[1:])
    return answered(PROGRAM, lambda: _run(_parser().parse_args(given)))


def _write(path: Path, text: str | bytes) -> None:
    """To a file. Raises ChoiceError where that cannot be."""
    try:
        path.write_bytes(text if isinstance(text, bytes) else f"{text.rstrip()}\n".encode())
    except OSError as error:
        raise ChoiceError("--out", "a file that can be written", f"{path}: {error.strerror}") from None


def _parser() -> argparse.ArgumentParser:
    description = "Derive back-propagation through time for a recurrent cell and print it as a document."
    parser = Parser(PROGRAM, description, EPILOG)
    add = parser.add_argument
    add(
        "model",
        nargs="?",
        default=DEFAULT_MODEL,
        metavar="MODEL",
        help=f"{', '.join(builtin_names())}, or a .toml file",
    )
    add_choices(parser)
    add("--loss-step", type=int, metavar="t", help="the chain rule is about the loss of this step (the last)")
    add("--wrt", metavar="NAMES", help="gradients to print, separated by commas: parameters, x, a0 (all)")
    add(
        "--format",
        choices=tuple(FORMATS),
        metavar="F",
        help=f"{', '.join(FORMATS)} (latex, or what --out ends with)",
    )
    add(
        "--notation",
        choices=choices.NOTATIONS,
        default="note",
        metavar="N",
        help=", ".join(choices.NOTATIONS),
    )
    add("--layout", choices=choices.LAYOUTS, default="gradient", metavar="Y", help=", ".join(choices.LAYOUTS))
    levels = f"{', '.join(choices.LEVELS)}; exam with --out writes its key beside it"
    add("--level", choices=choices.LEVELS, default="full", metavar="V", help=levels)
    add("--out", metavar="FILE", help="write to a file instead of standard output")
    add("--prove", action="store_true", help="compare each gradient with sympy.diff of the expanded loss")
    return parser


def _run(options: argparse.Namespace) -> int:
    model = loaded(options, "MODEL")
    derivation = bptt(model)
    wrt = None if options.wrt is None else tuple(name.strip() for name in options.wrt.split(","))
    steps = chosen_steps(options.T, model)
    wanted = Wanted(steps, options.notation, options.layout, options.loss_step, wrt)
    endings = {format.ending: name for name, format in FORMATS.items() if format.ending}
    path = None if options.out is None else Path(options.out)
    format = options.format or ("latex" if path is None else endings.get(path.suffix, "latex"))
    text = printed(derivation, wanted, format, options.level)
    if path is None:
        show(text)
    else:
        _write(path, text)
        if options.level == "exam":
            key = path.with_name(f"{path.stem}-key{path.suffix}")
            _write(key, printed(derivation, wanted, format, "key"))
    return 0 if not options.prove else _prove(derivation, steps, path is None and format == "latex")


def _prove(derivation: Derivation, steps: Any, as_comment: bool) -> int:
    """The comparison with sympy.diff, as a comment of LaTeX or beside what is printed."""
    report = prove(derivation, steps)
    if as_comment:
        show("\n" + "\n".join(f"% {line}" for line in str(report).splitlines()))
    else:
        print(report, file=sys.stderr)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
