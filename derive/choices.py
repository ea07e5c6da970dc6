"""The names that may be chosen, in calls, model files and on the command line: each list once, as a type."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, TypeVar, get_args

from chalkgrad.derive.errors import ChoiceError

Architecture = Literal["one-to-one", "one-to-many", "many-to-one", "many-to-many", "encoder-decoder"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
ONE_TO_ONE, ONE_TO_MANY, MANY_TO_ONE, MANY_TO_MANY, ENCODER_DECODER = ARCHITECTURES
WITHOUT_OUTPUT = (ONE_TO_ONE, MANY_TO_MANY)  # what a model without an output may be
WITH_FEED = (ONE_TO_MANY, ENCODER_DECODER)  # what has steps without an input

Feed = Literal["none", "output", "target"]
FEEDS: tuple[Feed, ...] = get_args(Feed)
NO_FEED, FEED_OUTPUT, FEED_TARGET = FEEDS

Loss = Literal["binary_cross_entropy", "cross_entropy", "squared_error"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
BINARY, CATEGORICAL, SQUARED = LOSSES
AUTO: Literal["auto"] = "auto"
Kind = Loss | Literal["auto"]
KINDS: tuple[Kind, ...] = (AUTO, *LOSSES)

Notation = Literal["note", "d2l", "pascanu", "werbos"]
NOTATIONS: tuple[Notation, ...] = get_args(Notation)

Layout = Literal["gradient", "jacobian"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

Level = Literal["full", "brief", "exam", "key"]
LEVELS: tuple[Level, ...] = get_args(Level)

Allowed = Literal["values", "delta", "immediate", "total", "loss"]
ALLOWED: tuple[Allowed, ...] = get_args(Allowed)
"""What the answer to a question may use: v⟨t⟩, δ_v and ∂L/∂v, ∂⁺u/∂v, ∂u/∂v, L."""
VALUES, DELTA, IMMEDIATE, TOTAL, LOSS_ITSELF = ALLOWED

ARGUMENTS = ("name_or_path", "text", "architecture", "feed", "loss")
"""Of `load`, beside the functions of a model file: none of those may be called so."""

Name = TypeVar("Name", bound=str)


def check_choice(argument: str, value: object, allowed: Collection[Name]) -> Name:
    """The one of those allowed that the value is. Raises ChoiceError for any other."""
    for name in allowed:
        if isinstance(value, str) and value == name:
            return name
    raise ChoiceError(argument, f"one of {', '.join(allowed)}", value)
