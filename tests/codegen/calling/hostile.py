"""Names that mean something to C, to NumPy, or to the generated code itself, in a model file."""

from __future__ import annotations

import keyword
from collections.abc import Sequence

C_WORDS = (
    "auto", "break", "case", "char", "const", "default", "do", "double", "enum", "extern", "float", "goto",
    "inline", "int", "long", "register", "restrict", "short", "signed", "sizeof", "static", "struct",
    "switch", "typedef", "union", "unsigned", "void", "volatile", "_Bool", "_Complex", "_Static_assert",
    "_Thread_local", "asm", "typeof", "fortran", "bool", "nullptr", "constexpr",
)  # fmt: skip
C_LIBRARY = (
    "main", "printf", "malloc", "free", "memset", "memcpy", "abs", "fabs", "expf", "tanhf", "log1p", "pow",
    "y0", "y1", "jn", "j1", "gamma", "lgamma", "signgam", "index", "errno", "stdin", "exit", "time", "div",
    "signbit", "isnan", "isinf", "fmax", "size_t", "ptrdiff_t", "int64_t", "float_t", "va_list", "offsetof",
    "INFINITY", "NAN", "NULL", "M_PI", "HUGE_VAL", "assert", "I", "complex", "linux", "unix", "i386",
    "__LINE__", "__FILE__", "__func__", "__GNUC__", "_Pragma", "defined", "NULL_", "EOF", "TRUE", "DOMAIN",
)  # fmt: skip
OWN_C = (
    "T_", "T_x", "T_y", "rows", "row", "work", "p", "b", "i", "j", "k", "r", "n", "m", "q", "R", "X", "M",
    "Y", "G", "A", "V", "v", "active", "last", "last_x", "last_y", "vec", "LANES", "VEC_BYTES", "padded",
    "take", "active_rows", "product", "outer", "transpose", "others", "others_pull", "weigh", "weights",
    "softplus_", "relu_", "loss", "dyhat", "double_", "d_W", "d_x", "delta_a", "delta_yhat", "z_a", "z_yhat",
    "u_a", "W_T", "a_part", "a_i", "z_a_i", "common", "largest", "states_a", "dstates_a", "d_a0", "L",
    "net_args", "net_forward", "net_loss_and_grad_work", "a_", "W_", "w_yhat", "a_0_1", "z_a_1_1",
)  # fmt: skip
PYTHON = (
    "np", "range", "len", "dtype", "arrays", "params", "idle", "zeros", "wanted", "rows_at", "lengths_x",
    "slice", "logsumexp", "logsumexp_of_others", "forward", "vjp", "loss_and_grad", "print", "match", "type",
    "self", "__name__", "__builtins__", "_", "__", "T_x_", "shape", "float64", "xx", "x_",
)  # fmt: skip
NAMES = tuple(dict.fromkeys(n for n in (*C_WORDS, *C_LIBRARY, *OWN_C, *PYTHON) if not keyword.iskeyword(n)))
RESERVED = ("t", "T", "B", "x", "y", "yhat", "tanh", "softmax", "sum", "lambda", "None", "a0")


GROUP = 5  # matrices, vectors, scalars and twice as many intermediates of one model


def model_file(names: Sequence[str], inner: Sequence[str], state: str = "a", size: str = "n_a") -> str:
    """A cell with 3 GROUP parameters and 2 GROUP intermediates of these names."""
    matrices, vectors, scalars = (names[i * GROUP : (i + 1) * GROUP] for i in range(3))
    equations, value = [], f"{state}[t-1]"
    for i, (W, b, s) in enumerate(zip(matrices, vectors, scalars, strict=True)):
        first, second = inner[2 * i : 2 * i + 2]
        equations.append(f'{first} = "tanh({W} @ {value} + V_hostile @ x) * {b}"')
        equations.append(f'{second} = "{W}.T @ {first} + {s} * mean({first})"')
        value = second
    return f"""
name = "net"
[sizes]
n_x = "a"
{size} = "b"
n_y = "c"
[inputs]
x = ["n_x"]
[states]
{state} = ["{size}"]
[parameters]
{_declared(matrices, size, size)}
{_declared(vectors, size)}
{_declared(scalars)}
V_hostile = ["{size}", "n_x"]
U_hostile = ["n_y", "{size}"]
[equations]
{chr(10).join(equations)}
{state} = "sin({value}) + 0.1 * {state}[t-1]"
[output]
yhat = "softmax(U_hostile @ {state})"
[loss]
kind = "binary_cross_entropy"
"""


def _declared(names: Sequence[str], *shape: str) -> str:
    return "\n".join(f"{name} = {list(shape)}" for name in names)
