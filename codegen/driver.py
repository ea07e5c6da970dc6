"""From a model to something that runs: derive, lower, passes, emit, compile."""

from __future__ import annotations

import functools
import hashlib
import keyword
import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from chalkgrad import progress
from chalkgrad.codegen.building.build import compile_cached, publish_module
from chalkgrad.codegen.building.cache import digest
from chalkgrad.codegen.building.fingerprint import fingerprint
from chalkgrad.codegen.building.native import CBackend
from chalkgrad.codegen.c.identifiers import struct_fields
from chalkgrad.codegen.c.render import Texts, render
from chalkgrad.codegen.c.source import Source
from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.choices import MATHS, TARGETS, Dtype, Math, Target, check_choice, check_dtype
from chalkgrad.codegen.errors import ArgumentError, ArgumentTypeError
from chalkgrad.codegen.lowering.lower import Derivation, Model, derived, functions_of, interface, lower
from chalkgrad.codegen.passes import pipeline
from chalkgrad.codegen.program.interface import Counts, Interface
from chalkgrad.codegen.program.ir import Program
from chalkgrad.codegen.twin.emit import emit_numpy
from chalkgrad.codegen.twin.network import TwinBackend
from chalkgrad.telling import Told, brief, fenced

Subject = Model | Derivation
Steps = int | tuple[int, int] | None
LARGEST = 2**31 - 1
"""The most entries that a parameter may have."""


@dataclass(frozen=True, repr=False)
class Emitted(Told):
    """Generated text: `c` and `h` are the files, `interface` tells what the functions take."""

    source: Source
    interface: Interface

    @property
    def c(self) -> str:
        return self.source.code

    @property
    def h(self) -> str:
        return self.source.header

    def __str__(self) -> str:
        return self.c

    def __repr__(self) -> str:
        return brief(self, f"{self.source.name}.c, {len(self.c.splitlines())} lines, {self.interface.told}")

    def _repr_markdown_(self) -> str:
        return fenced(self.c, "c")


def emit(
    model: Subject,
    sizes: Mapping[str, int],
    dtype: Dtype = "float64",
    T: Steps = None,
    name: str | None = None,
    *,
    passes: Iterable[str] | None = None,
    math: Math = "own",
) -> Emitted:
    """The C of a network as text; nothing is compiled.

    sizes: a number for each of the model's sizes. dtype: "float64" or "float32". T: the number of steps
    if it is fixed, a pair (T_x, T_y) for an encoder–decoder; tiny networks are then written out without
    loops. name: the prefix of all C names, the model's name if not given. passes: which of
    `codegen.PASSES` to run, None for all; they change speed, not results. math: "own" for elementary
    functions of this project, vectors at once, or "libm" for those of the C library.

    Raises ArgumentError or ArgumentTypeError, which name the argument.
    """
    face = _fixed(model, sizes, dtype, T)
    return _emit(model, face, _prefix(model, name), _chosen(passes), check_choice("math", math, MATHS))


def build(
    model: Subject,
    sizes: Mapping[str, int],
    dtype: Dtype = "float64",
    T: Steps = None,
    *,
    threads: int | None = None,
    target: Target = "native",
    passes: Iterable[str] | None = None,
    math: Math = "own",
) -> Network:
    """The compiled network, taken from the cache if it was built before.

    Arguments as in `emit`. threads: how many a call may use, None for all that there are; small work stays on
    one, and no result depends on how many they are. target: "native" for this
    processor, "portable" for any of its architecture.

    Raises as `emit`; BuildError without a compiler or Python's headers, saying what to install.
    """
    if threads is not None:
        _whole("threads", threads)
    target = check_choice("target", target, TARGETS)
    face, prefix = _fixed(model, sizes, dtype, T), _prefix(model, None)
    chosen, math = _chosen(passes), check_choice("math", math, MATHS)
    recipe = digest(_version(), fingerprint(model), fingerprint(face), prefix, repr(chosen), math)
    module = compile_cached(recipe, lambda: [_emit(model, face, prefix, chosen, math).source], target=target)
    options = {"threads": threads, "target": target, "passes": chosen, "math": math}
    again = partial(build, model, dict(sizes), check_dtype(dtype), T, **options)  # type: ignore[arg-type]
    return Network(face, CBackend(module, prefix, struct_fields(face), threads), recipe=again)


def numpy_twin(model: Subject, sizes: Mapping[str, int] | None = None) -> Network:
    """The network in readable NumPy: the same functions, no compiler. `.source` is its text.

    sizes: a number for each of the model's sizes; without them any sizes, read off the arrays of a call.
    Some models need them, as no array has an axis of a size that they count with.
    The twin computes in float32 only if every floating array it is given is float32.

    Raises ArgumentError or ArgumentTypeError, which name the argument.
    """
    derivation, face = _twin(model, sizes)
    text = _twin_text(derivation, face)
    module = publish_module(f"{_prefix(model, None)}_numpy", text)
    return Network(face, TwinBackend(module), text, partial(numpy_twin, model, sizes))


def twin_source(model: Subject, sizes: Mapping[str, int] | None = None) -> str:
    """The text of the NumPy twin; arguments as in `numpy_twin`."""
    return _twin_text(*_twin(model, sizes))


# ----------------------------------------------------------------------------- the line


def _twin(model: Subject, sizes: Mapping[str, int] | None) -> tuple[Derivation, Interface]:
    if not isinstance(model, (Model, Derivation)):
        raise _no_subject(model)
    derivation = derived(model)
    face = interface(derivation.model, derivation.schedule)
    return derivation, face if sizes is None else replace(face, sizes=_sizes(derivation.model, face, sizes))


def _twin_text(derivation: Derivation, face: Interface) -> str:
    return emit_numpy(face, _vector(derivation), derivation.model.title)


def _vector(derivation: Derivation) -> tuple[Program, ...]:
    programs = (lower(derivation, function) for function in functions_of(derivation))
    return tuple(pipeline.run(p, pipeline.vector_passes()) for p in programs)


def _emit(model: Subject, face: Interface, prefix: str, chosen: tuple[str, ...], math: str) -> Emitted:
    with progress.told(f"writing {prefix}"):
        derivation = derived(model)
        assert face.sizes is not None
        vector = _vector(derivation)
        loops = tuple(pipeline.run(p, pipeline.loop_passes(face.sizes, chosen)) for p in vector)
        counts = fixed_counts(face)
        straight = {} if counts is None else pipeline.straighten(vector, face.sizes, counts, chosen)
        steps = {"T_x": counts.T_x, "T_y": counts.T_y} if counts is not None and straight else {}
        texts = Texts(prefix, derivation.model.title, face, loops, straight, steps, math)
        return Emitted(render(texts), face)


def fixed_counts(face: Interface) -> Counts | None:
    """The numbers of steps that a network with fixed T runs; None where they are free."""
    if face.T is None:
        return None
    match face.architecture:
        case "encoder-decoder":
            T_x, T_y = face.T  # type: ignore[misc]
        case "one-to-many":
            T_x, T_y = 1, face.T
        case "many-to-one":
            T_x, T_y = face.T, 1
        case _:
            T_x = T_y = face.T
    assert isinstance(T_x, int) and isinstance(T_y, int)
    return Counts(T_x, 0 if face.yhat is None else T_y, 0)


# ----------------------------------------------------------------------------- arguments


def _no_subject(received: object) -> ArgumentTypeError:
    expected = "a Model, which chalkgrad.load gives, or a Derivation"
    return ArgumentTypeError("model", expected, type(received).__name__)


def _fixed(model: Subject, sizes: Mapping[str, int], dtype: Any, T: Steps) -> Interface:
    """The interface with everything fixed that the caller fixes."""
    match model:
        case Derivation():
            plain, face = model.model, interface(model.model, model.schedule)
        case Model():
            plain, face = model, interface(model)
        case _:
            raise _no_subject(model)
    numbers = _sizes(plain, face, sizes)
    return replace(face, sizes=numbers, dtype=check_dtype(dtype), T=_steps(face, T))


def _sizes(model: Model, face: Interface, sizes: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(sizes, Mapping):
        raise ArgumentTypeError("sizes", "a mapping from size names to whole numbers", type(sizes).__name__)
    expected = f"exactly the sizes {', '.join(model.sizes)}"
    given = {name: _whole(f"sizes[{name!r}]", value) for name, value in sizes.items()}
    for old, new in face.tied:
        given.setdefault(old, given.get(new, 0))
        given.setdefault(new, given[old])
        if given[old] != given[new]:
            what = f"{old} = {new}, since the output is fed back"
            raise ArgumentError("sizes", what, f"{old} = {given[old]}, {new} = {given[new]}")
    unknown, missing = set(given) - set(model.sizes), set(model.sizes) - set(given)
    if unknown or missing:
        said = [f"without {n}" for n in sorted(missing)] + [f"with {n}" for n in sorted(map(str, unknown))]
        raise ArgumentError("sizes", expected, ", ".join(said))
    for name, shape in {**face.parameters, **{s: (n,) for s, n in face.states.items()}}.items():
        entries = functools.reduce(operator.mul, (given[s] for s in shape), 1)
        if entries > LARGEST:
            raise ArgumentError("sizes", f"at most {LARGEST} entries in {name}", str(entries))
    return {name: given[name] for name in model.sizes}


def _whole(argument: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentTypeError(argument, "a whole number", type(value).__name__) from None
    if isinstance(value, bool) or not 1 <= number <= LARGEST:
        raise ArgumentError(argument, f"a whole number from 1 to {LARGEST}", repr(value))
    return number


def _chosen(passes: Iterable[str] | None) -> tuple[str, ...]:
    """The optional passes to run, in their order."""
    if passes is None:
        return pipeline.OPTIONAL
    if isinstance(passes, (str, bytes)) or not isinstance(passes, Iterable):
        raise ArgumentTypeError("passes", "a sequence of names", type(passes).__name__)
    names = tuple(passes)
    for name in names:
        if name not in pipeline.OPTIONAL:
            raise ArgumentError("passes", f"names out of {', '.join(pipeline.OPTIONAL)}", repr(name))
    return tuple(name for name in pipeline.OPTIONAL if name in names)


def _steps(face: Interface, T: Steps) -> Steps:
    if face.architecture == "one-to-one":
        if T is not None and _whole("T", T) != 1:
            raise ArgumentError("T", "1, the only step of one-to-one", repr(T))
        return 1
    if T is None:
        return None
    if face.architecture != "encoder-decoder":
        return _whole("T", T)
    if not isinstance(T, (tuple, list)) or len(T) != 2:
        raise ArgumentTypeError("T", "a pair (T_x, T_y) for an encoder–decoder", repr(T))
    return _whole("T[0]", T[0]), _whole("T[1]", T[1])


def _prefix(model: Subject, name: str | None) -> str:
    """A C identifier for the network."""
    if name is not None:
        if (
            not isinstance(name, str)
            or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)
            or keyword.iskeyword(name)
        ):
            raise ArgumentError("name", "an identifier of ASCII letters, digits and underscores", repr(name))
        return name
    own = model.model.name if isinstance(model, Derivation) else model.name
    return "rnn_" + re.sub(r"[^A-Za-z0-9]+", "_", own).strip("_")


@functools.cache
def _version() -> str:
    """A digest of the program itself: what it generates may change with any of its files."""
    result = hashlib.sha256()
    here = Path(__file__).parent
    for package in (here.parent / "derive", here):
        for path in sorted(package.rglob("*")):
            if path.suffix in (".py", ".j2", ".toml"):
                result.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return result.hexdigest()
