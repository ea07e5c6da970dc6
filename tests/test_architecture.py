"""What may know what: imports, names of cells, evaluation of text, sizes of files, flags, the wheel."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import chalkgrad
from chalkgrad import derive
from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.calling import network
from chalkgrad.derive.deriving.architecture import schedule

ROOT = Path(__file__).parents[1]
DERIVE = sorted((ROOT / "derive").rglob("*.py"))
CODEGEN = sorted((ROOT / "codegen").rglob("*.py"))
TEMPLATES = sorted((ROOT / "codegen").rglob("templates/*"))
PUBLIC = ("codegen/__init__.py", "codegen/__main__.py")  # may use derive's public names
LIMIT = 400

assert DERIVE and CODEGEN and TEMPLATES


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(module, names) of every import, also of those inside functions."""
    for node in ast.walk(tree(path)):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, ()) for alias in names)
            case ast.ImportFrom(module="chalkgrad", names=names):  # from chalkgrad import derive
                yield from ((f"chalkgrad.{alias.name}", ()) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=0):
                yield str(module), tuple(alias.name for alias in names)
            case ast.ImportFrom():
                pytest.fail(f"{relative(path)}: a relative import")


def package(module: str) -> str:
    """The first part of its name; of what is in chalkgrad, the second."""
    return module.removeprefix("chalkgrad.").partition(".")[0]


# ----------------------------------------------------------------------------- imports


def test_derive_does_not_know_codegen() -> None:
    known = {relative(path): {package(module) for module, _ in imports(path)} for path in DERIVE}
    assert not [path for path, packages in known.items() if "codegen" in packages]


def test_only_lower_sees_inside_derive() -> None:
    for path in CODEGEN:
        if (own := relative(path)) == "codegen/lowering/lower.py":
            continue
        found = list(imports(path))
        assert "sympy" not in {package(module) for module, _ in found}, own
        from_derive = [(module, names) for module, names in found if package(module) == "derive"]
        if own in PUBLIC:
            assert {module for module, _ in from_derive} <= {"chalkgrad.derive"}, own
            assert {name for _, names in from_derive for name in names} <= set(derive.__all__), own
        else:
            assert not from_derive, own


def test_nothing_else_is_needed_at_run_time() -> None:
    allowed = {"chalkgrad", "derive", "codegen", *(path.stem for path in (ROOT / "chalkgrad").glob("*.py"))}
    allowed |= {"sympy", "mpmath", "numpy", "jinja2", "cffi", "_cffi_backend", "platformdirs"}
    for path in (*DERIVE, *CODEGEN):
        used = {package(module) for module, _ in imports(path)}
        drawn = {"matplotlib"} if path.name == "plotted.py" else set()  # where it is absent, nothing is drawn
        assert used <= allowed | drawn | set(sys.stdlib_module_names), relative(path)


# ----------------------------------------------------------------------------- cells are data


def cell_names() -> set[str]:
    """Every parameter, gate and cell of the built-in models, also prefixed; not what all models share."""
    names: set[str] = set()
    for name in derive.builtin_names():
        for architecture in ("many-to-many", "encoder-decoder"):
            model = derive.load(name, architecture=architecture)
            names |= {name} | {p.name for p in model.parameters} | {s.name for s in model.states}
            names |= {p.name for p in schedule(model).parameters} | {d.name for d in model.cell}
    return names - {"yhat"}


def code_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string that is no docstring, with its line."""
    module = tree(path)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    described = {  # the text under an assignment that says what it is
        id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)
    }
    for node in ast.walk(module):
        plain = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if plain and id(node) not in docstrings | described:
            yield node.lineno, node.value


# single letters are indices, arguments and loop variables everywhere: only longer names tell a cell
LONG = {name for name in cell_names() if len(name) > 1}
ANY_LONG = re.compile(rf"\b({'|'.join(sorted(LONG))})\b")


def default_model(path: Path, text: str) -> bool:
    """The default model of the command line, and the examples in its help."""
    help = path.name == "__main__.py" and text.startswith("examples:")
    return help or (path.name in ("__main__.py", "options.py") and text == "vanilla")


def cells_named(path: Path) -> Iterator[str]:
    """Where a file of Python names a cell, a gate or a parameter."""
    if not ANY_LONG.search(path.read_text(encoding="utf-8")):
        return  # reading its tokens takes long
    for line, text in code_strings(path):
        words = set(re.findall(r"[A-Za-z_]\w*", text))
        if words & LONG and not default_model(path, text):
            yield f"{relative(path)}:{line}: {sorted(words & LONG)}"
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.NAME and token.string in LONG:
                yield f"{relative(path)}:{token.start[0]}: {token.string}"


def test_no_cell_is_named_in_the_code() -> None:
    assert not [place for path in (*DERIVE, *CODEGEN) for place in cells_named(path)]


def test_no_cell_is_named_in_a_template() -> None:
    for path in TEMPLATES:
        assert not set(re.findall(r"[A-Za-z_]\w*", path.read_text(encoding="utf-8"))) & LONG, relative(path)


def test_the_names_looked_for_are_there() -> None:
    assert {"lstm", "gru", "W_aa", "W_za", "b_y", "enc_W_aa", "dec_b_y"} <= LONG


# ----------------------------------------------------------------------------- habits

BUILTIN = {"eval", "exec", "compile", "__import__", "S"}
ANYWHERE = {"parse_expr", "lambdify", "parse_latex", "autowrap", "ufuncify"}


def _evaluates(call: ast.Call) -> bool:
    """Whether a call could run a text: sympify does, unless it is strict."""
    match call.func:
        case ast.Name(id=name):
            bare = name in BUILTIN
        case ast.Attribute(value=ast.Name(id="sympy" | "builtins"), attr=name):
            bare = name in BUILTIN
        case ast.Attribute(attr=name):
            bare = False
        case _:
            return False
    strict = any(k.arg == "strict" and ast.unparse(k.value) == "True" for k in call.keywords)
    return bare or name in ANYWHERE or (name == "sympify" and not strict)


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def test_no_text_is_evaluated() -> None:
    for path in (*DERIVE, *CODEGEN):
        found = [f"{relative(path)}:{c.lineno}: {ast.unparse(c)}" for c in calls(path) if _evaluates(c)]
        assert not found
        names = {name for _, names in imports(path) for name in names}
        assert not names & (ANYWHERE | {"sympify"}), relative(path)


@pytest.mark.parametrize(
    "text, found",
    [
        ("eval('1')", True),
        ("sympy.S('x')", True),
        ("sympy.sympify(x)", True),
        ("sympy.sympify(x, strict=True)", False),
        ("sympy.utilities.lambdify(x, x)", True),
        ("re.compile('x')", False),
        ("super().eval(z)", False),
    ],
)
def test_evaluation_is_recognised(text: str, found: bool) -> None:
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    assert _evaluates(call) is found


ALLOCATORS = {"empty_like", "ndarray", "empty_aligned", "bytearray", "create_string_buffer", "malloc"}


def test_memory_that_is_not_filled_comes_from_one_function() -> None:
    """numpy.empty, which gives NaN in all tests; `new` makes structs, whose members are zero."""
    for path in CODEGEN:
        called = {ast.unparse(call.func).rpartition(".")[2] for call in calls(path)}
        assert not called & ALLOCATORS, relative(path)


def test_memory_in_tests_is_poisoned() -> None:
    for dtype in (np.float32, np.float64):
        assert np.isnan(np.empty((2, 3), dtype)).all()
        assert np.isnan(np.empty(64, np.uint8).view(dtype)).all()
        assert np.isnan(network.np.empty(3, dtype)).all()  # the same function


def test_no_file_is_long() -> None:
    files = (*DERIVE, *CODEGEN, *TEMPLATES)
    lines = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert max(lines.values()) <= LIMIT, max(lines, key=lambda path: lines[path])


def test_no_flag_changes_the_arithmetic_of_the_process() -> None:
    flags = [*toolchain.FLAGS, *toolchain.GLUE_FLAGS, *toolchain.LINK_FLAGS]
    flags += [flag for target in toolchain.TARGETS.values() for flag in target]
    assert not set(flags) & set(toolchain.UNSAFE)
    assert {"-ffast-math", "-Ofast", "-funsafe-math-optimizations"} <= set(toolchain.UNSAFE)
    texts = [*TEMPLATES, ROOT / "Makefile", ROOT / "pyproject.toml", *(ROOT / "generated").glob("*.[ch]")]
    texts += [path for path in CODEGEN if path.name != "toolchain.py"]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"-ffast-math|-Ofast|-funsafe-math|-ffinite-math|-fassociative", text), relative(
            path
        )


def test_one_version() -> None:
    """That of the package; whoever cites it cites that."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project and project["dynamic"] == ["version"]
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall("^version: (.*)$", cited, re.MULTILINE) == [chalkgrad.__version__]


def test_the_wheel_holds_one_package(tmp_path: Path) -> None:
    """chalkgrad, with derive and codegen and their data, and nothing else of the repository."""
    if importlib.util.find_spec("setuptools") is None or importlib.util.find_spec("pip") is None:
        pytest.skip("no setuptools or no pip here")
    source = tmp_path / "source"
    own = [path for path in (ROOT / "chalkgrad").iterdir() if path.is_file()]
    models = (ROOT / "derive" / "cells" / "models").glob("*.toml")
    schema = ROOT / "derive" / "cells" / "model.schema.json"
    parts = [*DERIVE, *CODEGEN, *TEMPLATES, *models, schema]
    for path in (*own, *parts, ROOT / "pyproject.toml"):
        _copy(path, source)
    for name in ("derive", "codegen"):
        (source / "chalkgrad" / name).symlink_to(Path("..", name))
    for name in ("LICENSE", "README.md"):
        (source / name).write_text("for the wheel\n")
    for name in ("generated", "tests", "examples"):
        (source / name).mkdir()
        (source / name / "__init__.py").write_text("")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        ".",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-q",
        "-w",
        "out",
    ]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    if done.returncode and "setuptools" in done.stderr and "Could not find" in done.stderr:
        pytest.skip("setuptools here is too old")
    assert done.returncode == 0, done.stderr[-1500:]
    (wheel,) = (source / "out").glob("*.whl")
    assert wheel.name.startswith(f"chalkgrad-{chalkgrad.__version__}-")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (points,) = (archive.read(name).decode() for name in names if name.endswith("/entry_points.txt"))
    assert "chalkgrad = chalkgrad.__main__:main\n" in points
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"chalkgrad"}
    due = {relative(path) for path in own} | {f"chalkgrad/{relative(path)}" for path in parts}
    assert due <= set(names)
    _meets_others(wheel, tmp_path)


def _meets_others(wheel: Path, folder: Path) -> None:
    """Beside packages of other people that are called derive and codegen, from an empty folder."""
    site, empty = folder / "site", folder / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in ("derive", "codegen"):
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("raise ImportError('of somebody else')")
    program = (
        "import chalkgrad as cg, numpy as np\n"
        "twin = cg.numpy_twin(cg.load('vanilla'))\n"
        "ones = {'W_aa': (4, 4), 'W_ax': (4, 3), 'b_a': 4, 'W_ya': (2, 4), 'b_y': 2}\n"
        "params = {name: np.ones(shape) for name, shape in ones.items()}\n"
        "twin.loss_and_grad(params, np.ones((5, 3)), np.ones((5, 2)))\n"
        "print(cg.__file__, cg.emit(cg.load('gru'), {'n_x': 1, 'n_a': 2, 'n_y': 3}).h[:2])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(site), "CHALKGRAD_CACHE": str(folder / "cache")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site)) and done.stdout.endswith("/*\n")
    help = [sys.executable, "-m", "chalkgrad", "--help"]
    done = subprocess.run(help, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert "chalkgrad cache" in done.stdout and "showcase" not in done.stdout


def _copy(path: Path, target: Path) -> None:
    place = target / path.relative_to(ROOT)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(path.read_bytes())
