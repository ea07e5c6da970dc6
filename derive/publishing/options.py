"""What the commands of `derive` share: the options that choose a model and its steps, and printing."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.errors import ChoiceError

DEFAULT_MODEL = "vanilla"


def add_choices(parser: argparse.ArgumentParser) -> None:
    """The options that `loaded` reads, and --T."""
    add = parser.add_argument
    add("--g", metavar="F", help="the same as --function g=F: for the built-in cells tanh or relu")
    add("--h", metavar="F", help="the same as --function h=F: sigmoid, softmax or identity")
    add("--function", action="append", default=[], metavar="NAME=F", help="choose a function of the file")
    add("--T", metavar="T", help="the number of steps, or T_x,T_y for an encoder-decoder")
    add("--architecture", default=choices.MANY_TO_MANY, metavar="A", help=", ".join(choices.ARCHITECTURES))
    fed = f"what a step without an input reads: {', '.join(choices.FEEDS)}"
    add("--feed", default=choices.NO_FEED, metavar="F", help=fed)
    add("--loss", default=choices.AUTO, metavar="L", help=", ".join(choices.KINDS))


def loaded(options: argparse.Namespace, argument: str) -> Model:
    """The model that the options choose, its name by that argument. Raises ModelFileError, ChoiceError."""
    functions = _functions(options)
    try:
        return load(
            options.model,
            architecture=options.architecture,
            feed=options.feed,
            loss=options.loss,
            **functions,
        )
    except ChoiceError as error:
        if error.argument != "name_or_path":
            raise
        raise ChoiceError(argument, error.expected, error.received) from None


def _functions(options: argparse.Namespace) -> dict[str, str]:
    """The choices of --g, --h and --function."""
    chosen = {role: value for role in ("g", "h") if (value := getattr(options, role)) is not None}
    for text in options.function:
        name, separator, value = text.partition("=")
        if not separator or not name.isidentifier() or not value:
            raise ChoiceError("--function", "NAME=F", text)
        if name in choices.ARGUMENTS:
            raise ChoiceError("--function", "the name of a function of the model file", name)
        if chosen.setdefault(name, value) != value:
            raise ChoiceError("--function", f"one choice for {name}", f"{chosen[name]} and {value}")
    return chosen


def chosen_steps(text: str | None, model: Model) -> Any:
    """T, or a pair; one number for an encoder-decoder counts for both."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ChoiceError("T", "a positive integer, or two with a comma between them", text) from None
    if model.architecture == choices.ENCODER_DECODER:
        return numbers * 2 if len(numbers) == 1 else numbers
    return numbers[0] if len(numbers) == 1 else numbers


def show(text: str | bytes) -> None:
    """To standard output."""
    if isinstance(text, bytes):
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    else:
        print(text, flush=True)
