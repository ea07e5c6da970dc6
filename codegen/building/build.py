"""From C text to a loaded extension, through cffi's API mode; built once, then found in the cache.

All sources of a build are linked into one extension, each a translation unit of its own. A build is
known by a digest of its texts, the flags, the compiler, Python's ABI and, for the native target, the
processor; that digest is also the module's name, so that the same build is the same module object.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import ModuleType

from chalkgrad import progress
from chalkgrad.codegen.building import arithmetic, cache, toolchain
from chalkgrad.codegen.building.toolchain import Compiler
from chalkgrad.codegen.c.source import Source
from chalkgrad.codegen.choices import Target
from chalkgrad.codegen.errors import BuildError

_PREFIX = cache.MODULE
_LOADING = threading.RLock()
if hasattr(os, "register_at_fork"):  # a child must not find it locked by a thread that it has not
    os.register_at_fork(
        before=_LOADING.acquire, after_in_parent=_LOADING.release, after_in_child=_LOADING.release
    )


def compile_sources(sources: Sequence[Source], *, target: Target = "native") -> ModuleType:
    """The extension made of the sources, with `.ffi` and `.lib`; compiled unless it is in the cache.

    `target` is "native", for this processor only, or "portable". Raises BuildError if it is not in the cache
    and there is no compiler, if Python's headers are missing, or if the compiler refuses the C, does not
    keep to IEEE arithmetic, or takes too long.
    """
    _check_names(sources)
    return compile_cached(cache.digest(*_texts(sources)), lambda: sources, target=target)


def compile_cached(
    recipe: str, make: Callable[[], Sequence[Source]], *, target: Target = "native"
) -> ModuleType:
    """As `compile_sources(make())`; `make` runs only if the recipe was never built here.

    `recipe` is a digest of all that determines the result of `make`. Where there is no compiler, what any
    other has made of the recipe will do.
    """
    known = (recipe, *_machine(target))
    of_any = "built_" + cache.digest(*known)
    try:
        compiler = toolchain.find_compiler()
    except BuildError:
        if module := _noted(of_any):
            return module
        raise
    note = "recipe_" + cache.digest(*known, *_maker(compiler))
    if module := _noted(note):
        return module
    module = _built(make(), compiler, target)
    for name in (note, of_any):
        cache.write_note(name, module.__name__)
    return module


def _noted(note: str) -> ModuleType | None:
    """The module that a note names, where it is there and can be loaded."""
    name = cache.read_note(note)
    if name is None or not re.fullmatch(_PREFIX + "[0-9a-f]{32}", name):
        return None
    if module := _loaded(name):
        return module
    if entry := cache.find(name):
        with contextlib.suppress(ImportError, OSError):
            return _load_extension(name, entry)
    return None


def _built(sources: Sequence[Source], compiler: Compiler, target: Target) -> ModuleType:
    """The extension that this compiler makes of the sources, or has made."""
    _check_names(sources)
    flags = (*toolchain.flags_for(target), *_threads(compiler, compiler.fingerprint()))
    name = _PREFIX + cache.digest(*_machine(target), *_maker(compiler), *_texts(sources))

    def make(folder: Path) -> None:
        _compile(folder, name, sources, compiler, flags)

    return _loaded(name) or _load_or_rebuild(name, make)


def _texts(sources: Sequence[Source]) -> list[str]:
    return [text for source in sources for text in (source.name, source.header, source.code, source.cdef)]


def publish_module(name_hint: str, source_text: str) -> ModuleType:
    """A Python module with that text, kept as a file in the cache so that tracebacks can show its lines.

    The same hint and text give the same module object. No compiler is needed.
    """
    hint = re.sub(r"\W", "_", name_hint, flags=re.ASCII)[:40]
    name = f"{_PREFIX}{hint}_{cache.digest(source_text)}"
    with _LOADING:
        if module := _loaded(name):
            return module
        path = cache.write_note(f"{name}.py", source_text)
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise BuildError(f"{path} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def _check_names(sources: Sequence[Source]) -> None:
    names = [source.name for source in sources]
    for name in names:
        if not name.isascii() or not name.isidentifier() or name.startswith(_PREFIX):
            raise ValueError(f"source name {name!r}: expected a C identifier")
    if not names or len(set(names)) != len(names):
        raise ValueError(f"source names {names}: expected at least one, and no two alike")


def _machine(target: Target) -> tuple[str, ...]:
    """All that a build depends on besides the sources and the compiler."""
    return (
        *toolchain.flags_for(target),
        *toolchain.GLUE_FLAGS,
        *toolchain.LINK_FLAGS,
        toolchain.python_abi(),
        toolchain.processor() if target == "native" else "",
    )


def _maker(compiler: Compiler) -> tuple[str, ...]:
    """Which compiler it is."""
    fingerprint = compiler.fingerprint()
    return (*compiler.command, _identity(compiler, fingerprint), *_threads(compiler, fingerprint))


@functools.cache
def _identity(compiler: Compiler, fingerprint: str) -> str:
    note = "compiler_" + cache.digest(fingerprint)
    identity = cache.read_note(note)
    if identity is None:
        identity = compiler.identity()
        with contextlib.suppress(BuildError):
            cache.write_note(note, identity)
    return identity


@functools.cache
def _threads(compiler: Compiler, fingerprint: str) -> tuple[str, ...]:
    """The flag for OpenMP, where the compiler has it."""
    note = "threads_" + cache.digest(fingerprint)
    known = cache.read_note(note)
    if known is None:
        found = cache.try_out(functools.partial(toolchain.has_threads, compiler))
        known = toolchain.THREADS if found else "none"
        with contextlib.suppress(BuildError):
            cache.write_note(note, known)
    return (known,) if known == toolchain.THREADS else ()


def _loaded(name: str) -> ModuleType | None:
    return sys.modules.get(name)


def _load_or_rebuild(name: str, make: Callable[[Path], None]) -> ModuleType:
    entry = cache.publish(name, make)
    try:
        return _load_extension(name, entry)
    except (ImportError, OSError):
        cache.discard(entry)
    entry = cache.publish(name, make)
    try:
        return _load_extension(name, entry)
    except (ImportError, OSError) as error:
        raise BuildError(f"The extension in {entry} was built but does not load: {error}") from error


def _load_extension(name: str, entry: Path) -> ModuleType:
    return load_extension(name, entry / f"{name}.so")


def load_extension(name: str, path: Path) -> ModuleType:
    """The extension `name` in a file. Raises ImportError or OSError if it is none."""
    with _LOADING:
        if module := _loaded(name):
            return module
        loader = ExtensionFileLoader(name, str(path))
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        if spec is None:
            raise ImportError(f"{path} is not an extension")
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        sys.modules[name] = module
        return module


def _compile(
    folder: Path, name: str, sources: Sequence[Source], compiler: Compiler, flags: Sequence[str]
) -> None:
    """Fill a folder with the sources and NAME.so, made by a compiler that keeps to IEEE arithmetic."""
    headers = [f"-I{path}" for path in toolchain.python_headers()]
    (folder / f"{arithmetic.NAME}.c").write_text(arithmetic.text(), encoding="utf-8", newline="\n")
    commands = [_to_object(arithmetic.NAME, flags)]
    for source in sources:
        (folder / f"{source.name}.h").write_text(source.header, encoding="utf-8", newline="\n")
        (folder / f"{source.name}.c").write_text(source.code, encoding="utf-8", newline="\n")
        commands.append(_to_object(source.name, flags))
    _write_glue(folder / f"{name}.c", name, sources)
    commands.append(_to_object(name, (*toolchain.GLUE_FLAGS, *headers)))
    with progress.told(f"compiling {', '.join(source.name for source in sources)}"):
        compiler.run_all(commands, folder)

    objects = [f"{stem}.o" for stem in (*(source.name for source in sources), name)]
    if missing := [file for file in objects if not (folder / file).is_file()]:
        raise BuildError(f"The C compiler {' '.join(compiler.command)!r} wrote no {missing[0]}: is it one?")
    threads = [flag for flag in flags if flag == toolchain.THREADS]
    trial = [*threads, f"{arithmetic.NAME}.o", "-lm", "-o", arithmetic.NAME]
    library = [*toolchain.LINK_FLAGS, *threads, *objects, "-lm", "-o", f"{name}.so"]
    compiler.run_all([trial, library], folder)
    arithmetic.check(compiler.command, folder)
    for file in objects:
        (folder / file).unlink()


def _to_object(stem: str, flags: Sequence[str]) -> list[str]:
    return [*flags, "-c", f"{stem}.c", "-o", f"{stem}.o"]


def _write_glue(path: Path, name: str, sources: Sequence[Source]) -> None:
    from cffi import FFI
    from cffi.error import CDefError, FFIError

    ffi = FFI()
    try:
        for source in sources:
            ffi.cdef(source.cdef)
        includes = "".join(f'#include "{source.name}.h"\n' for source in sources)
        ffi.set_source(name, includes, compiler_verbose=0)
        ffi.emit_c_code(str(path))
    except (CDefError, FFIError) as error:
        raise BuildError(f"cffi refuses the declarations: {error}") from error
