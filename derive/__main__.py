"""python -m derive: the derivation of a model as LaTeX, on standard output."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from derive.errors import ChoiceError, DeriveError

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.model import Model

DEFAULT_MODEL = "vanilla"
ARCHITECTURES = ("one-to-one", "one-to-many", "many-to-one", "many-to-many", "encoder-decoder")
FEEDS = ("none", "output", "target")
LOSSES = ("auto", "binary_cross_entropy", "cross_entropy", "squared_error")

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

What is printed are displays, $$ ... $$, that amsmath, MathJax and KaTeX accept: the forward equations,
the loss, the adjoint equations with their boundary at t = T, the gradients, and the chain rule through
T steps, one term for every step at which the parameter enters.

exit status: 0; 1 if --prove finds a difference; 2 for a model file or an argument that does not fit.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status, text = _run(options)
    except DeriveError as error:
        print(f"derive: {_message(error)}", file=sys.stderr)
        return 2
    return _print(text, status)


def _message(error: DeriveError) -> str:
    """One line, in the words of the command line."""
    match error:
        case ChoiceError(argument="name_or_path", expected=expected, received=received):
            return str(ChoiceError("MODEL", expected, received))
        case _:
            return " ".join(str(error).split())


def _print(text: str, status: int) -> int:
    """A reader that stops early is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m derive",
        description="Derive back-propagation through time for a recurrent cell and print it as LaTeX.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", nargs="?", default=DEFAULT_MODEL, metavar="MODEL", help=f"{_builtin()}, or a .toml file")
    add("--g", metavar="F", help="the same as --function g=F: for the built-in cells tanh or relu")
    add("--h", metavar="F", help="the same as --function h=F: sigmoid, softmax or identity")
    add("--function", action="append", default=[], metavar="NAME=F", help="choose a function of the file")
    add("--T", metavar="T", help="steps of the chain rule: 2, or T_x,T_y for an encoder-decoder")
    add("--loss-step", type=int, metavar="t", help="the chain rule is about the loss of this step (the last)")
    add("--wrt", metavar="NAMES", help="gradients to print, separated by commas: parameters, x, a0 (all)")
    add("--architecture", default="many-to-many", metavar="A", help=", ".join(ARCHITECTURES))
    add("--feed", default="none", metavar="F", help="what a step without an input reads: " + ", ".join(FEEDS))
    add("--loss", default="auto", metavar="L", help=", ".join(LOSSES))
    add("--prove", action="store_true", help="compare each gradient with sympy.diff of the expanded loss")
    return parser


def _builtin() -> str:
    """The names of the built-in cells, without loading anything else."""
    from importlib import resources

    files = resources.files("derive.models").iterdir()
    return ", ".join(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def _run(options: argparse.Namespace) -> tuple[int, str]:
    from derive.derivation import bptt
    from derive.latex import derivation_latex
    from derive.modelfile import load

    functions = _functions(options)
    model = load(
        options.model,
        architecture=options.architecture,
        feed=options.feed,
        loss=options.loss,
        **functions,
    )
    derivation = bptt(model)
    wrt = None if options.wrt is None else [name.strip() for name in options.wrt.split(",")]
    steps = _steps(options.T, model)
    parts = [derivation_latex(derivation, wrt)]
    if derivation.loss is not None:
        parts.append(_chain(derivation, steps, options.loss_step, wrt))
    if not options.prove:
        return 0, "\n\n".join(parts)
    report = _prove(derivation, steps)
    comment = "\n".join(f"% {line}" for line in str(report).splitlines())
    return (0 if report.ok else 1), "\n\n".join([*parts, comment])


def _chain(derivation: Derivation, steps: Any, loss_step: int | None, wrt: Sequence[str] | None) -> str:
    """The chain rule for the first parameter asked for, or the one that the chain chooses itself."""
    from derive.chain import chain

    parameters = {p.name for p in derivation.schedule.parameters}
    wanted = next((name for name in wrt or () if name in parameters), None)
    return chain(derivation, steps, loss_step, wanted).latex()


def _prove(derivation: Derivation, steps: Any) -> Any:
    from derive.prove import prove

    return prove(derivation, steps)


def _functions(options: argparse.Namespace) -> dict[str, str]:
    """The choices of --g, --h and --function."""
    chosen = {role: value for role in ("g", "h") if (value := getattr(options, role)) is not None}
    for text in options.function:
        name, separator, value = text.partition("=")
        if not separator or not name.isidentifier() or not value:
            raise ChoiceError("--function", "NAME=F", text)
        if name in ("architecture", "feed", "loss", "name_or_path"):
            raise ChoiceError("--function", "the name of a function of the model file", name)
        if chosen.setdefault(name, value) != value:
            raise ChoiceError("--function", f"one choice for {name}", f"{chosen[name]} and {value}")
    return chosen


def _steps(text: str | None, model: Model) -> Any:
    """T, or a pair; one number for an encoder-decoder counts for both."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ChoiceError("T", "a positive integer, or two with a comma between them", text) from None
    if model.architecture == "encoder-decoder":
        return numbers * 2 if len(numbers) == 1 else numbers
    return numbers[0] if len(numbers) == 1 else numbers


if __name__ == "__main__":
    sys.exit(main())
