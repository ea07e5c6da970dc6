"""chalkgrad c: a network as C. In a checkout also: rebuild the showcase, or take the tour."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from chalkgrad import derive, progress
from chalkgrad.codegen import folder, showcase
from chalkgrad.codegen.choices import DTYPES
from chalkgrad.codegen.driver import emit, twin_source
from chalkgrad.codegen.report import Problem, table
from chalkgrad.commands import Parser, answered
from chalkgrad.derive import gradients_latex

_TOUR = "vanilla"  # the founding note's network
_EPILOG = """\
examples:
  chalkgrad c vanilla --sizes n_x=3,n_a=4,n_y=2 --out net
      net/vanilla.c, vanilla.h, vanilla_numpy.py and vanilla.py, which compiles the C when it is imported:
      cd net && python -c "import vanilla; help(vanilla.loss_and_grad)"
  chalkgrad c lstm --h softmax --sizes n_x=8,n_a=16,n_y=4 --dtype float32 --out net
  chalkgrad c mycell.toml --sizes n_x=3,n_a=4,n_y=2 --T 2 --out net
      a cell of your own, for exactly two steps: written out without loops where that is short enough
  chalkgrad c vanilla --architecture encoder-decoder --feed output --sizes n_x=3,n_a=4,n_y=2 --out net
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, `showcase` and `tour` after these words. Returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    match given:
        case ["showcase", *rest]:
            return showcase_command(rest)
        case ["tour", *rest]:
            return tour_command(rest)
        case _:
            return c_command(given)


def c_command(arguments: Sequence[str]) -> int:
    """Write a network as C."""
    return answered("chalkgrad c", lambda: _export(arguments))


def showcase_command(arguments: Sequence[str]) -> int:
    """Write and compile every network of a manifest."""
    return answered("chalkgrad showcase", lambda: _showcase(arguments))


def tour_command(arguments: Sequence[str]) -> int:
    """Derive, generate, compile and compare the note's network."""
    return answered("chalkgrad tour", lambda: _tour(arguments))


def _export(arguments: Sequence[str]) -> int:
    description = "Write a recurrent network as C: forward pass, loss, and all gradients."
    parser = Parser("chalkgrad c", description, _EPILOG)
    parser.add_argument(
        "model", metavar="MODEL", help=f"a model file, or one of {', '.join(derive.builtin_names())}"
    )
    parser.add_argument(
        "--sizes", required=True, type=_sizes, help="a number for each size: n_x=3,n_a=4,n_y=2"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the folder to write to")
    parser.add_argument("--dtype", default="float64", choices=DTYPES)
    parser.add_argument("--T", type=_steps, help="fix the number of steps; T_x,T_y for an encoder-decoder")
    parser.add_argument("--name", help="prefix of all C names and of the files; default: the model's name")
    parser.add_argument(
        "--architecture", default="many-to-many", metavar="A", help=", ".join(derive.ARCHITECTURES)
    )
    parser.add_argument(
        "--feed", default="none", help=f"what a step without an input reads: {', '.join(derive.FEEDS)}"
    )
    parser.add_argument("--loss", default="auto", help=f"auto, {', '.join(derive.LOSSES)}")
    parser.add_argument("--g", help="the function g of the model file, where it has one of that name")
    parser.add_argument("--h", help="the function h, likewise")
    parser.add_argument("--function", action="append", default=[], metavar="NAME=CHOICE", type=_choice)
    given = parser.parse_args(arguments)
    functions = dict(given.function) | {n: f for n, f in (("g", given.g), ("h", given.h)) if f}
    model = derive.load(
        given.model, architecture=given.architecture, feed=given.feed, loss=given.loss, **functions
    )
    name = given.name or "".join(c if c.isalnum() else "_" for c in model.name)
    emitted = emit(model, given.sizes, given.dtype, given.T, name=name)
    folder.write(folder.files(emitted, model.title, twin_source(model, given.sizes)), given.out)
    print(f"wrote {', '.join(sorted(folder.files(emitted, model.title, '')))} to {given.out}")
    return 0


def _showcase(arguments: Sequence[str]) -> int:
    parser = Parser("chalkgrad showcase", "Write and compile every network of generated/manifest.toml.")
    parser.add_argument("--folder", type=Path, default=Path("generated"), help="where its manifest.toml is")
    parser.add_argument("--no-compile", action="store_true", help="write the sources only")
    given = parser.parse_args(arguments)
    wrappers = []
    for entry in showcase.read_manifest(given.folder / "manifest.toml"):
        model = derive.load(entry.model, **entry.choices)
        folder.write(showcase.network_files(entry, model, model.title), given.folder)
        wrappers.append(given.folder / f"{entry.name}.py")
        print(f"{given.folder / entry.name}: {model.title}, {model.architecture}")
    if not given.no_compile:
        with progress.told("compiling") as step, ThreadPoolExecutor() as compilers:
            step(f"0 of {len(wrappers)} done")
            jobs = [compilers.submit(folder.place_extension, wrapper) for wrapper in wrappers]
            for number, job in enumerate(as_completed(jobs), 1):
                job.result()
                step(f"{number} of {len(wrappers)} done")
    return 0


def _tour(arguments: Sequence[str]) -> int:
    parser = Parser("chalkgrad tour", "Derive, generate, compile and compare the note's network.")
    parser.parse_args(arguments)
    model = derive.load(_TOUR)
    derivation = derive.bptt(model)
    print(f"# {model.title}: its gradients, derived (make derive prints every step)\n")
    print(gradients_latex(derivation))
    print("\n# The showcase, written and compiled\n")
    _showcase([])
    sizes = dict(zip(model.sizes, (3, 4, 2), strict=True))

    def exact(given: Problem) -> tuple[Any, Any]:
        found = derive.evaluate(derivation, given.values, sizes=sizes, T=given.steps)
        return found.loss, found.gradients

    print("\n# The same gradients three ways\n")
    print(table(derivation, exact, sizes))
    return 0


def _sizes(text: str) -> dict[str, int]:
    pairs = [_pair(part) for part in text.split(",")]
    if len(dict(pairs)) < len(pairs):
        raise argparse.ArgumentTypeError(f"expected a number for each size once, received {text!r}")
    return {name: int(number) for name, number in pairs}


def _choice(text: str) -> tuple[str, str]:
    name, choice = _pair(text)
    if name in ("name_or_path", "text", "architecture", "feed", "loss"):
        raise argparse.ArgumentTypeError(f"expected a function of the model, received {text!r}")
    return name, choice


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, received {text!r}")
    return name.strip(), value.strip()


def _steps(text: str) -> int | tuple[int, int]:
    numbers = [int(part) for part in text.split(",")]
    if len(numbers) > 2:
        raise argparse.ArgumentTypeError(f"expected T or T_x,T_y, received {text!r}")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


if __name__ == "__main__":
    sys.exit(main())
