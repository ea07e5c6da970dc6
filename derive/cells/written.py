"""The writer of model files: what TOML reads one as, written again. Only what the reader takes is written."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping

from chalkgrad.derive.cells.tables import MAX_DOTS, checked_tables
from chalkgrad.derive.errors import ModelFileError

MAPPING = "mapping"  # in messages, in place of a file's name


def written(mapping: Mapping[str, object]) -> str:
    """The text of the model file that TOML reads as this mapping.

    Raises ModelFileError for every mistake but those in the text of an equation.
    """
    document = {key: _plain(v) if isinstance(v, Mapping) else v for key, v in _plain(mapping).items()}
    checked_tables(MAPPING, document)
    tables = {key: value for key, value in document.items() if isinstance(value, dict)}
    head = _lines({key: value for key, value in document.items() if key not in tables})
    return "\n".join([head, *(f"\n[{key}]\n{_lines(table)}" for key, table in tables.items())]) + "\n"


def _plain(mapping: Mapping[str, object]) -> dict[str, object]:
    for key in mapping:
        if not isinstance(key, str):
            raise ModelFileError(MAPPING, None, None, "texts as keys", reprlib.repr(key))
    return dict(mapping)


def _lines(table: Mapping[str, object]) -> str:
    """The names are letters, digits and _, as the reader wants them: no key needs quotes."""
    return "\n".join(f"{key} = {toml_value(value)}" for key, value in table.items())


def toml_value(value: object) -> str:
    """A text, or a list of texts, on one line.

    JSON writes what TOML reads, but for the character 127. Dots in great number the reader takes for a key.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")
    return text if text.count(".") <= MAX_DOTS else text.replace(".", r"\u002e")
