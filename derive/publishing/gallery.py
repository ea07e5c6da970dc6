"""chalkgrad docs MANIFEST --out FOLDER: a page for every entry, and an index."""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

from chalkgrad import progress
from chalkgrad.commands import Parser, answered
from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.deriving.derivation import bptt
from chalkgrad.derive.documents.content import Wanted
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.publishing.document import printed

PROGRAM = "chalkgrad docs"
_HEADING, _MODEL, _STEPS = "heading", "model", "T"
_WRITING = ("notation", "layout")
_STYLE = (
    "body{font:1.05rem/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}a{color:light-dark(#0b57a4,#8ab8ff)}li{margin:.3rem 0}small{opacity:.75}"
)


@dataclass(frozen=True)
class Page:
    """One page: what is loaded, how it is written, and under which heading it stands."""

    heading: str
    model: str
    steps: int | tuple[int, int] | None
    choices: Mapping[str, Any]
    writing: Mapping[str, Any]

    @property
    def name(self) -> str:
        parts = [Path(self.model).stem, *self.choices.values(), *self.writing.values()]
        return "-".join(parts)

    @property
    def told(self) -> str:
        """The page in words."""
        chosen = {**self.choices, **self.writing}
        return ", ".join([Path(self.model).stem, *(f"{key} = {value}" for key, value in chosen.items())])


def pages(manifest: Path) -> Iterator[Page]:
    """The pages of a manifest. Raises ChoiceError for one that cannot be read."""
    try:
        entries = tomllib.loads(manifest.read_text(encoding="utf-8")).get("page", [])
    except (OSError, ValueError) as error:
        raise ChoiceError("MANIFEST", "a TOML file with [[page]] tables", f"{manifest}: {error}") from None
    for entry in entries:
        given = entry.get(_STEPS)
        steps = tuple(given) if isinstance(given, list) else given
        keys = [key for key in entry if key not in (_HEADING, _STEPS)]
        lists = [value if isinstance(value, list) else [value] for value in (entry[k] for k in keys)]
        for values in product(*lists):
            chosen = dict(zip(keys, values, strict=True))
            model = chosen.pop(_MODEL)
            if model not in builtin_names():
                model = str(manifest.parent / model)
            writing = {key: chosen.pop(key) for key in _WRITING if key in chosen}
            yield Page(entry[_HEADING], model, steps, chosen, writing)


def build(manifest: Path, folder: Path, more: Sequence[str] = ()) -> list[tuple[Page, float]]:
    """Write every page and the index; the pages with the seconds that each took. more: model files to add."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [*pages(manifest), *(Page("Your cells", path, None, {}, {}) for path in more)]
    built = []
    with progress.told("docs") as step:
        for number, page in enumerate(found, 1):
            step(f"{number} of {len(found)}, {page.told}")
            start = time.perf_counter()
            derivation = bptt(load(page.model, **page.choices))
            wanted = Wanted(
                page.steps, page.writing.get("notation", "note"), page.writing.get("layout", "gradient")
            )
            text = printed(derivation, wanted, "html", "full")
            assert isinstance(text, str)
            (folder / f"{page.name}.html").write_text(text, encoding="utf-8")
            built.append((page, time.perf_counter() - start))
    (folder / "index.html").write_text(_index([page for page, _ in built]), encoding="utf-8")
    return built


def _index(found: Sequence[Page]) -> str:
    lines = ['<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">']
    lines += ['<meta name="viewport" content="width=device-width, initial-scale=1">']
    lines += [f"<title>Derivations</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Derivations</h1>"]
    lines += [
        "<p>Back-propagation through time, derived and checked: each page is a whole derivation, from the "
        "equations of the cell to its gradients, with an example in numbers and the C that computes it.</p>"
    ]
    for heading in dict.fromkeys(page.heading for page in found):
        lines.append(f"<h2>{escape(heading)}</h2>\n<ul>")
        for page in found:
            if page.heading == heading:
                link = f'<a href="{escape(page.name)}.html">{escape(page.told)}</a>'
                lines.append(f"<li>{link}</li>")
        lines.append("</ul>")
    return "\n".join([*lines, "</body>\n</html>\n"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    parser = Parser(PROGRAM, "Build a page for every entry of a manifest, and an index of them.")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--cell", action="append", default=[], metavar="FILE", help="add a model file")
    return answered(PROGRAM, lambda: _run(parser.parse_args(arguments)))


def _run(options: argparse.Namespace) -> int:
    built = build(options.manifest, options.out, options.cell)
    for page, seconds in built:
        print(f"{seconds:5.1f} s  {page.told}")
    print(f"{len(built)} pages: {options.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
