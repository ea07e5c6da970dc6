"""The storeys of the house: imports go down, those in functions and for types included, and in no circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]

STOREYS = (
    "chalkgrad.errors",
    "chalkgrad.commands chalkgrad.progress chalkgrad.short_names chalkgrad.telling",
    "derive.errors",
    "derive.choices derive.showing",
    "derive.terms",
    "derive.cells",
    "derive.deriving",
    "derive.values",
    "derive.chaining",
    "derive.claims",
    "derive.writing",
    "derive.figures",
    "derive.checking.reading",
    "derive.checking.judging",
    "derive.checking.explaining",
    "derive.checking",
    "derive.checking.check",
    "derive.documents",
    "derive.formats",
    "derive.publishing",
    "derive",
    "derive.__main__",
    "codegen.errors",
    "codegen.choices",
    "codegen.program",
    "codegen.lowering",
    "codegen.passes",
    "codegen.c",
    "codegen.twin",
    "codegen.building",
    "codegen.calling",
    "codegen.driver",
    "codegen.folder codegen.listing codegen.report",
    "codegen.showcase",
    "codegen",
    "codegen.__main__",
    "chalkgrad.magic",
    "chalkgrad",
    "chalkgrad.__main__",
)
"""From the ground up; what stands in one line does not import each other. `chalkgrad.derive` and
`chalkgrad.codegen` are links: everything is told by the folder where it lies."""

ROOM_FOR = 18  # files beside each other


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PLACES = ("chalkgrad/*.py", "derive/**/*.py", "codegen/**/*.py")
FILES = {module(path): path for place in PLACES for path in sorted(ROOT.glob(place))}


def storey(name: str) -> tuple[int, str]:
    """The storey of a module and its room there: the longest name in the list that it is, or lies in."""
    found = {room: n for n, line in enumerate(STOREYS) for room in line.split()}
    own = [room for room in found if name == room or (room.count(".") and name.startswith(f"{room}."))]
    assert own, f"{name} stands on no storey"
    room = max(own, key=len)
    return found[room], room


def imported(path: Path, files: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    """The modules of the house that a file imports anywhere in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found = [_told(alias.name) for alias in names]
            case ast.ImportFrom(module=str() as source, names=names):
                parts = [_told(f"{source}.{alias.name}") for alias in names]
                found = [part if part in files else _told(source) for part in parts]
            case _:
                continue
        yield from ((name, node.lineno) for name in dict.fromkeys(found) if name in files)


def _told(name: str) -> str:
    """A module by the folder where it lies: chalkgrad.derive.terms is derive.terms."""
    return re.sub(r"^chalkgrad\.(derive|codegen)\b", r"\1", name)


@cache
def arrows() -> dict[str, list[tuple[str, int]]]:
    """Of every module what it imports, with the line."""
    return {name: list(imported(path, FILES)) for name, path in FILES.items()}


def test_imports_go_down() -> None:
    """To a lower storey, or within the room."""
    wrong = []
    for path, name, target, line in ((FILES[n], n, *arrow) for n in FILES for arrow in arrows()[n]):
        (here, own), (there, other) = storey(name), storey(target)
        if there > here or (there == here and other != own):
            wrong.append(f"{path.relative_to(ROOT)}:{line} imports {target}")
    assert not wrong


def test_no_circle() -> None:
    """What imports nothing that is left is taken away, again and again: nothing stays."""
    left = {name: {target for target, _ in found} - {name} for name, found in arrows().items()}
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    assert not left


def test_the_reader_of_imports(tmp_path: Path) -> None:
    """It sees those in functions, under TYPE_CHECKING, of a module and of a name in it."""
    path = tmp_path / "one.py"
    path.write_text(
        "import chalkgrad.derive.terms.zero\n"
        "if TYPE_CHECKING:\n    from chalkgrad.derive.terms import order\n"
        "def f():\n    from chalkgrad.derive.errors import DeriveError, ShapeError\n    import sys\n"
        "from chalkgrad import derive, __version__\n"
    )
    found = [("derive.terms.zero", 1), ("derive.terms.order", 3), ("derive.errors", 5), ("derive", 7)]
    found += [("chalkgrad", 7)]
    assert sorted(imported(path, FILES)) == sorted(found)


def test_no_room_is_crowded() -> None:
    for package in ("chalkgrad", "derive", "codegen", "tests"):
        for folder in (ROOT / package, *(p for p in (ROOT / package).rglob("*") if p.is_dir())):
            beside = [p for p in folder.iterdir() if p.is_file() and p.suffix != ".pyc"]
            assert len(beside) <= ROOM_FOR, f"{folder.relative_to(ROOT)}: {len(beside)} files"


def test_every_storey_is_there() -> None:
    for line in STOREYS:
        for room in line.split():
            assert any(name == room or name.startswith(f"{room}.") for name in FILES), room


def test_the_readme_shows_the_house() -> None:
    """Every room of the list stands in the table "How the parts fit", in the order of the storeys."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## How the parts fit")[2]
    rooms = [room for line in STOREYS for room in line.split() if FILES[room].name == "__init__.py"]
    shown = [f"`{room.replace('.', '/')}/`" for room in rooms if room.count(".") == 1 or room == "chalkgrad"]
    places = [text.find(room) for room in shown]
    assert -1 not in places and places == sorted(places)
