"""The showcase: a manifest of networks, written as folders of files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalkgrad.codegen import folder
from chalkgrad.codegen.choices import DtypeName
from chalkgrad.codegen.driver import Steps, Subject, emit, twin_source
from chalkgrad.codegen.errors import ArgumentError


@dataclass(frozen=True)
class Entry:
    """One network of a manifest. `functions`: choices for the model's function names."""

    name: str
    model: str
    sizes: dict[str, int]
    architecture: str = "many-to-many"
    feed: str = "none"
    loss: str = "auto"
    dtype: DtypeName = "float64"
    T: Steps = None
    functions: dict[str, str] = field(default_factory=dict)

    @property
    def choices(self) -> dict[str, Any]:
        """What `derive.load` takes besides the model's name."""
        return {"architecture": self.architecture, "feed": self.feed, "loss": self.loss, **self.functions}


def read_manifest(path: Path) -> tuple[Entry, ...]:
    """The entries of a manifest. Raises ArgumentError where one has keys that it cannot have."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not UTF-8, or not TOML
        raise ArgumentError(path.name, "TOML", str(error)) from error
    entries = []
    for name, table in tables.items():
        try:
            steps = table.get("T")
            entries.append(Entry(name, **{**table, "T": tuple(steps) if isinstance(steps, list) else steps}))
        except TypeError as error:
            raise ArgumentError(f"{path.name}: [{name}]", "model, sizes and choices", str(error)) from error
    return tuple(entries)


def network_files(entry: Entry, model: Subject, title: str) -> dict[str, str]:
    """file name → text for one network."""
    emitted = emit(model, entry.sizes, entry.dtype, entry.T, name=entry.name)
    return folder.files(emitted, title, twin_source(model, entry.sizes))
