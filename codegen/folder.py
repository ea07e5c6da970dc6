"""A network as a folder of files: C, header, NumPy twin and a Python module that calls the compiled C.

`write` makes the files, `load` is what the Python module calls. The compiled extension lies beside the
sources where it was put there (`generated/` does that), else in the build cache.
"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

from chalkgrad.codegen.building.build import compile_sources, load_extension
from chalkgrad.codegen.building.cache import digest
from chalkgrad.codegen.building.native import CBackend
from chalkgrad.codegen.c.identifiers import struct_fields
from chalkgrad.codegen.c.source import Source
from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.driver import Emitted
from chalkgrad.codegen.errors import ArgumentError
from chalkgrad.codegen.program.interface import Interface
from chalkgrad.codegen.twin.text import in_docstring

_SUFFIX = EXTENSION_SUFFIXES[0]
_HIDDEN = sys.stdlib_module_names | {"cffi", "chalkgrad", "jinja2", "numpy", "setuptools", "sympy"}
_MODULE = '''"""{title}: loss, gradients and outputs, computed by {name}.c.

Written by Chalkgrad. `network` has the functions; {name}_numpy.py computes the same in NumPy.

    loss, grads = {name}.loss_and_grad(params, x, y)
"""

from chalkgrad.codegen import Interface, load_folder

network = load_folder(
    __file__,
    {interface},
)
{functions}
'''


def files(emitted: Emitted, title: str, twin: str) -> dict[str, str]:
    """file name → text of everything that belongs to a network.

    Raises ArgumentError for a name under which its module would hide one that it needs.
    """
    name = emitted.source.name
    if name in _HIDDEN:
        raise ArgumentError("name", "a name that no module of Python or Chalkgrad has", repr(name))
    functions = ["forward", "vjp"]
    functions += ["loss_and_grad", "plan"] if emitted.interface.yhat is not None else []
    module = _MODULE.format(
        title=in_docstring(title),
        name=name,
        interface=_literal(emitted.interface),
        functions="\n".join(f"{f} = network.{f}" for f in sorted(functions)),
    )
    return {f"{name}.c": emitted.c, f"{name}.h": emitted.h, f"{name}_numpy.py": twin, f"{name}.py": module}


def write(texts: dict[str, str], folder: Path) -> None:
    """Write the files into the folder, which is made if need be; files that are as they should be stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def load(file: str, interface: Interface) -> Network:
    """The network whose C lies beside `file`; compiled unless it was compiled before.

    Raises BuildError without a compiler or Python's headers, saying what to install.
    """
    path = Path(file)
    source = read_source(path)
    module = _beside(path, source) or compile_sources([source])
    backend = CBackend(module, source.name, struct_fields(interface))
    return Network(interface, backend, source.code, partial(load, file, interface))


def read_source(path: Path) -> Source:
    """The source beside a wrapper module: NAME.c and NAME.h for NAME.py."""
    header = path.with_suffix(".h").read_text(encoding="utf-8")
    code = path.with_suffix(".c").read_text(encoding="utf-8")
    return Source(path.stem, header, code, _declarations(header))


def place_extension(path: Path) -> Path:
    """Compile the network of a wrapper module for any processor and put the extension beside it.

    The file's name tells from which source and for which Python it was made; older ones are removed.
    """
    source = read_source(path)
    module = compile_sources([source], target="portable")
    assert module.__file__ is not None
    target = path.with_name(f"{_stem(path, source)}{module.__name__}{_SUFFIX}")
    for old in path.parent.glob(f"_{path.stem}_*{_SUFFIX}"):
        if old != target:
            old.unlink()
    if not target.exists():
        making = target.with_suffix(".making")
        shutil.copyfile(module.__file__, making)
        making.replace(target)
    return target


def _beside(path: Path, source: Source) -> ModuleType | None:
    """The extension beside the wrapper, if there is one made from exactly this source."""
    stem = _stem(path, source)
    for place in path.parent.glob(f"{stem}*{_SUFFIX}"):
        return load_extension(place.name[len(stem) : -len(_SUFFIX)], place)
    return None


def _stem(path: Path, source: Source) -> str:
    return f"_{path.stem}_{digest(source.header, source.code)[:12]}"


def _declarations(header: str) -> str:
    """What cffi reads of a header: the struct and all functions."""
    start, end = header.index("typedef struct"), header.rindex("#ifdef __cplusplus")
    return header[start:end].strip()


def _literal(interface: Interface) -> str:
    """The interface as Python text."""
    parts = [f"{name}={getattr(interface, name)!r}" for name in interface.__dataclass_fields__]
    inner = ",\n        ".join(parts)
    return f"Interface(\n        {inner},\n    )"
