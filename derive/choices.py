"""The names that may be chosen, in calls, model files and on the command line: each list once."""

from __future__ import annotations

from collections.abc import Collection

from chalkgrad.derive.errors import ChoiceError

ONE_TO_ONE, ONE_TO_MANY, MANY_TO_ONE = "one-to-one", "one-to-many", "many-to-one"
MANY_TO_MANY, ENCODER_DECODER = "many-to-many", "encoder-decoder"
ARCHITECTURES = (ONE_TO_ONE, ONE_TO_MANY, MANY_TO_ONE, MANY_TO_MANY, ENCODER_DECODER)
WITHOUT_OUTPUT = (ONE_TO_ONE, MANY_TO_MANY)  # what a model without an output may be
WITH_FEED = (ONE_TO_MANY, ENCODER_DECODER)  # what has steps without an input

NO_FEED, FEED_OUTPUT, FEED_TARGET = FEEDS = ("none", "output", "target")

AUTO = "auto"
BINARY, CATEGORICAL, SQUARED = LOSSES = ("binary_cross_entropy", "cross_entropy", "squared_error")
KINDS = (AUTO, *LOSSES)

NOTATIONS = ("note", "d2l", "pascanu", "werbos")
LAYOUTS = ("gradient", "jacobian")
LEVELS = ("full", "brief", "exam", "key")


def check_choice(argument: str, value: object, allowed: Collection[str]) -> None:
    """Raises ChoiceError for what is not one of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ChoiceError(argument, f"one of {', '.join(allowed)}", value)
