"""Names of the model as names of a language: reserved words and names of the runtime are stepped aside."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterable

from chalkgrad.codegen.c import library as c_library
from chalkgrad.codegen.program.interface import Interface, parameter_key
from chalkgrad.codegen.program.names import FreshNames

C_RESERVED = frozenset(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "asm",
        "fortran",
        "typeof",
        "i",
        "j",
        "k",
        "r",
        "t",
        "b",
        "p",
        "n",
        "m",
        "row",
        "rows",
        "active",
        "work",
        "real",
        "vec",
        "last",
        "T",
        "T_x",
        "T_y",
        "B",
        "lgamma_r",
        "gamma_r",
        "lgammaf_r",
        "gammaf_r",
        "lgammal_r",
        "gammal_r",
        "va_list",
        "size_t",
    ]
)
PYTHON_RESERVED = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins))
# families of macros and kernels, and keywords of C++ and of later Cs, that look like names of a model
_SYSTEM = re.compile(
    r"_?Py\w+|M_\d?_?[A-Z]\w*|L_[a-z]+|P_tmpdir|I|d_fileno|f(max|min)imum_\w+|(is|to)[a-z]+_l|(atan|exp|log)2|expm1"
    r"|(st|si|sa|va|sigev|sched|pthread|math|assert|static|thread|atomic|const|dynamic|reinterpret|co)_\w+"
    r"|(and|or|xor|not)_eq|typeof_unqual|(product|outer)_\d+_\d+"
)
_PLAIN = re.compile(r"[A-Za-z]+_\w*[A-Za-z0-9]|[A-Za-z]|[a-z][A-Za-z]*[0-9]")


def c_names(names: Iterable[str]) -> dict[str, str]:
    """An identifier of C11 for each name, all different.

    A single letter and a name with an underscore inside (W_aa) stay as they are: no keyword, macro or
    built-in function looks like them. Anything else gets a trailing underscore, since compilers know
    hundreds of library names and warn where one is shadowed.
    """

    def fits(name: str) -> bool:
        if name in C_RESERVED or name in c_library.names() or _SYSTEM.fullmatch(name):
            return False
        if name.endswith("_t") or (name.isupper() and len(name) > 1):
            return False
        return bool(_PLAIN.fullmatch(name)) or name in ("yhat", "dyhat", "loss")

    return _renamed(names, fits)


def struct_fields(interface: Interface) -> dict[str, str]:
    """canonical name → member of the struct of arguments, in the order in which the struct has them."""
    states = interface.states
    canonical = [
        *map(parameter_key, interface.parameters),
        "x",
        *(["y"] if interface.yhat is not None else []),
    ]
    canonical += [f"{s}0" for s in states]
    canonical += {"one-to-many": ["last_y"], "encoder-decoder": ["last_x", "last_y"]}.get(
        interface.architecture, ["last_x"]
    )
    canonical += [] if interface.yhat is None else ["dyhat"]
    canonical += [f"dstates.{s}" for s in states]
    canonical += [] if interface.yhat is None else ["loss", "yhat"]
    canonical += [f"states.{s}" for s in states]
    canonical += [f"d.{name}" for name in (*interface.parameters, "x", *(f"{s}0" for s in states))]
    names = FreshNames(("T_x", "T_y", "B", "threads", "work"))
    wanted = {c: names.fresh(c.replace(".", "_")) for c in canonical}
    spelled = c_names(wanted.values())
    return {c: spelled[w] for c, w in wanted.items()}


def python_names(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """A Python identifier for each name, different from `taken`."""
    avoid = PYTHON_RESERVED | set(taken)
    return _renamed(names, lambda name: name not in avoid and not name.startswith("_"), avoid)


def _renamed(names: Iterable[str], fits: Callable[[str], bool], avoid: Iterable[str] = ()) -> dict[str, str]:
    names = list(names)
    used = {n for n in names if fits(n)} | set(avoid)
    result = {}
    for name in names:
        chosen = name
        if not fits(name):
            chosen = f"{name.lstrip('_') or 'v'}_"
            chosen = f"v{chosen}" if chosen[0].isdigit() else chosen
            while chosen in used:
                chosen += "_"
            used.add(chosen)
        result[name] = chosen
    return result
