"""python -m derive: the derivation of a model as a document, or the check of a formula."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chalkgrad.derive import choices
from chalkgrad.derive.cells.modelfile import builtin_names
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.documents.content import Wanted
from chalkgrad.derive.errors import ChoiceError, DeriveError
from chalkgrad.derive.publishing import check_command
from chalkgrad.derive.publishing.document import FORMATS, printed
from chalkgrad.derive.publishing.options import add_choices, chosen_steps, loaded, show
from chalkgrad.derive.values.prove import prove

DEFAULT_MODEL = "vanilla"
EPILOG = """\
examples:
  python -m derive                                  the note's network, T = 2
  python -m derive --g relu --h softmax             ReLU and softmax
  python -m derive gru --T 3 --wrt W_ka             one parameter of a GRU, three steps
  python -m derive lstm --wrt W_fa,x,a0,c0          with the input and the initial states
  python -m derive vanilla --architecture many-to-one
  python -m derive vanilla --architecture one-to-many --feed output
  python -m derive vanilla --architecture encoder-decoder --T 2,3
  python -m derive my_cell.toml --function act=tanh a model file of your own
  python -m derive --prove                          and compare with sympy.diff of the expanded loss
  python -m derive gru --out gru.html               a page to explore; .tex .pdf .md .ipynb .txt as well
  python -m derive --format text --level brief      one page of results, for the terminal
  python -m derive --notation d2l --layout jacobian other ways to write the same
  python -m derive --level exam --out exam.tex      questions; the answers go to exam-key.tex
  python -m derive check "dL/db_a = sum_t delta_z_a[t]"       is this right? (check --help says more)

Unless a format is asked for, displays are printed, $$ ... $$, that amsmath, MathJax and KaTeX accept: the
model, the forward equations, the adjoint equations with their boundary at t = T, the gradients, the chain
rule through T steps, and an example with numbers. Every displayed equality has been checked.

exit status: 0; 1 if --prove finds a difference or an equality does not hold; 2 for a model file or an
argument that does not fit.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["check"]:
        return check_command.main(given[1:], DEFAULT_MODEL)
    options = _parser().parse_args(given)
    try:
        return _run(options)
    except DeriveError as error:
        print(f"derive: {_message(error)}", file=sys.stderr)
        return _status(error)


def _status(error: DeriveError) -> int:
    """A wrong equation is 1, a missing program no failure of ours, anything else 2."""
    return {"WrongStep": 1, "MissingProgram": 0}.get(type(error).__name__, 2)


def _message(error: DeriveError) -> str:
    """One line, in the words of the command line."""
    match error:
        case ChoiceError(argument="name_or_path", expected=expected, received=received):
            return str(ChoiceError("MODEL", expected, received))
        case _:
            return " ".join(str(error).split())


def _write(path: Path, text: str | bytes) -> None:
    """To a file. Raises ChoiceError where that cannot be."""
    try:
        path.write_bytes(text if isinstance(text, bytes) else f"{text.rstrip()}\n".encode())
    except OSError as error:
        raise ChoiceError("--out", "a file that can be written", f"{path}: {error.strerror}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m derive",
        description="Derive back-propagation through time for a recurrent cell and print it as a document.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
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
    levels = tuple(level for level in choices.LEVELS if level != "key")  # written beside the exam
    add("--level", choices=levels, default="full", metavar="V", help=", ".join(levels))
    add("--out", metavar="FILE", help="write to a file instead of standard output")
    add("--prove", action="store_true", help="compare each gradient with sympy.diff of the expanded loss")
    return parser


def _run(options: argparse.Namespace) -> int:
    model = loaded(options)
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
