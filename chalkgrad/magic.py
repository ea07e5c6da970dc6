"""In a notebook: after `%load_ext chalkgrad`, a cell that begins with `%%cell` is a model file."""

from __future__ import annotations

import keyword
import sys
from typing import Any

from chalkgrad.derive import ChoiceError, Model, load
from chalkgrad.errors import ChalkgradError


def load_ipython_extension(ipython: Any) -> None:
    """What `%load_ext chalkgrad` calls: the shell learns `%%cell`."""

    def cell(line: str, body: str) -> Model | None:
        """%%cell [NAME] [CHOICE=VALUE ...]: load the model file below, as NAME, and show it.

        NAME: the model's own name if it is left out. Choices are those of chalkgrad.load, architecture, feed
        and loss, and the functions of the file: %%cell model architecture=many-to-one g=relu
        """
        try:
            name, model = loaded(line, body)
        except ChalkgradError as error:
            print(f"%%cell: {error}", file=sys.stderr)
            return None
        ipython.push({name: model})
        return model

    ipython.register_magic_function(cell, "cell", "cell")


def loaded(line: str, body: str) -> tuple[str, Model]:
    """The variable and the model that a cell asks for. Raises ModelFileError, ChoiceError."""
    words = line.split()
    name = words.pop(0) if words and "=" not in words[0] else None
    choices: dict[str, Any] = {}
    for word in words:
        choice, _, value = word.partition("=")
        if not choice.isidentifier() or not value or choice in (*choices, "name_or_path", "text"):
            raise ChoiceError("choices", "CHOICE=VALUE, each once, after at most one name", word)
        choices[choice] = value
    model = load(text=body, **choices)
    name = model.name if name is None else name
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ChoiceError("name", "a name that a variable may have", name)
    return name, model
