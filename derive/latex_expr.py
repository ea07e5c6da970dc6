"""LaTeX of the expressions of `derive.algebra`: vectors at a step, products, reductions.

Notation is the founding note's: a^{<t>}, W_{aa}, \\hat{y}^{<t>}; beside it \\delta_{v}^{<t>} for the
cotangent of v, \\bar{v}^{<t>} for one that the caller brings, ∗ for the componentwise product.
"""

from __future__ import annotations

import sympy

from derive.algebra import (
    Expr,
    Map,
    MatVec,
    Others,
    OthersPull,
    Outer,
    Parameter,
    Reduce,
    Role,
    Symbol,
    arg,
    exact,
    walk,
)
from derive.latex_scalar import Level, Tex, body_latex, name_latex, parenthesised

t = sympy.Symbol("t", integer=True, positive=True)
_INDICES = "ijkmpqrs"
_SOFTMAX, _SHIFTED = sympy.exp(arg(0) - arg(1)), arg(0) - arg(1)


def expr_latex(expr: Expr, step: sympy.Expr | int = t) -> str:
    """The expression as it stands at `step`: lag 0 is printed as `step`, lag −1 as `step` − 1."""
    return expr_tex(expr, step).text


def step_latex(step: sympy.Expr | int) -> str:
    """A step of the trajectory: t-1, T, T_{x}+1, 2."""
    number, rest = exact(step).as_coeff_Add()
    names = sorted(sympy.Add.make_args(rest), key=str) if rest != 0 else []
    text = "+".join(name_latex(str(name)) for name in names)
    if not text:
        return str(number)
    return text if number == 0 else f"{text}{int(number):+d}"


def parameter_latex(name: str) -> str:
    """A parameter; the prefix of one of two networks is a superscript: W^{\\mathrm{enc}}_{aa}."""
    prefix, _, rest = name.partition("_")
    if prefix not in ("enc", "dec") or not rest:
        return name_latex(name)
    head, brace, tail = name_latex(rest).partition("_{")
    return rf"{head}^{{\mathrm{{{prefix}}}}}{brace}{tail}"


def symbol_latex(symbol: Symbol, step: sympy.Expr | int = t) -> str:
    """v^{<t>}, \\delta_{v}^{<t>} or \\bar{v}^{<t>}."""
    name, when = name_latex(symbol.name), f"^{{<{step_latex(exact(step) + symbol.lag)}>}}"
    match symbol.role:
        case Role.VALUE:
            return name + when
        case Role.COTANGENT:
            return rf"\delta_{{{name}}}{when}"
        case Role.EXTERNAL:
            return rf"\bar{{{name}}}{when}"
        case _:
            raise TypeError(f"no LaTeX for the role {symbol.role}")


def transposed_latex(parameter: Parameter) -> str:
    name = parameter_latex(parameter.name)
    return rf"{{{name}}}^{{\top}}" if "^" in name else rf"{name}^{{\top}}"


def expr_tex(expr: Expr, step: sympy.Expr | int = t) -> Tex:
    """The expression with how tightly it binds. Raises TypeError for a node it does not know."""
    vector = len(expr.shape) == 1
    match expr:
        case Symbol():
            return Tex(symbol_latex(expr, step), vector=vector)
        case Parameter(name=name):
            return Tex(parameter_latex(name), vector=vector)
        case MatVec(matrix=matrix, vector=operand, transposed=transposed):
            left = transposed_latex(matrix) if transposed else parameter_latex(matrix.name)
            return Tex(f"{left} {expr_tex(operand, step).at(Level.MATVEC)}", Level.MATVEC, True)
        case Map() if (logits := softmax_argument(expr)) is not None:
            inside = expr_tex(logits, step).text
            return Tex(rf"\operatorname{{softmax}}{parenthesised(inside)}", vector=True)
        case Map(body=body, args=args):
            inner = body_latex(body, [expr_tex(operand, step) for operand in args])
            return Tex(inner.text, inner.level, inner.vector or vector)
        case Outer(left=left, right=right):
            row = expr_tex(right, step)
            after = f"({row.text})" if isinstance(right, Symbol) else parenthesised(row.text)
            column = expr_tex(left, step)
            before = column.text if column.level >= Level.MATVEC else _bracketed(column.text)
            return Tex(rf"{before} {after}^{{\top}}", Level.PRODUCT)
        case Reduce() | Others() | OthersPull():
            return _indexed(expr, step)
        case _:
            raise TypeError(f"no LaTeX for {type(expr).__name__}")


def _bracketed(text: str) -> str:
    return rf"\left[ {text} \right]"


def softmax_argument(node: Expr) -> Expr | None:
    """z where the node is softmax(z) written out, with its shift by the maximum."""
    if not isinstance(node, Map) or node.body != _SOFTMAX or len(node.args) != 2:
        return None
    u, normaliser = node.args
    if normaliser != Reduce("logsumexp", u) or not isinstance(u, Map):
        return None
    if u.body != _SHIFTED or len(u.args) != 2 or u.args[1] != Reduce("max", u.args[0]):
        return None
    return u.args[0]


def _indexed(expr: Reduce | Others | OthersPull, step: sympy.Expr | int) -> Tex:
    """What runs over components, with index letters that the expression does not use."""
    parts = [expr_tex(child, step).text for child in expr.children]
    i, k, m = _free_indices(expr, "".join(parts))

    def component(text: str, index: str) -> str:
        return rf"{parenthesised(text)}_{{{index}}}"

    match expr:
        case Reduce(kind="sum", vector=v):
            return Tex(
                rf"\sum_{{{i}=1}}^{{{name_latex(v.shape[0])}}} {component(parts[0], i)}", Level.PRODUCT
            )
        case Reduce(kind="max"):
            return Tex(rf"\max_{{{i}}} {component(parts[0], i)}", Level.PRODUCT)
        case Reduce(kind="logsumexp", vector=v):
            size = name_latex(v.shape[0])
            return Tex(rf"\log \sum_{{{i}=1}}^{{{size}}} \exp {component(parts[0], i)}", Level.PRODUCT)
        case Others():
            inside = rf"\log \sum_{{{k} \neq {i}}} \exp {component(parts[0], k)}"
            return Tex(rf"{_bracketed(inside)}_{{{i}}}", vector=True)
        case OthersPull():
            weight, total = component(parts[1], k), component(parts[1], m)
            share = rf"\frac{{\exp {weight}}}{{\sum_{{{m} \neq {i}}} \exp {total}}}"
            inside = rf"\sum_{{{i} \neq {k}}} {component(parts[0], i)} {share}"
            return Tex(rf"{_bracketed(inside)}_{{{k}}}", vector=True)
        case _:
            raise TypeError(f"no LaTeX for {type(expr).__name__}")


def _free_indices(expr: Expr, inner: str) -> list[str]:
    """Three index letters that are neither a name in the expression nor an index inside it."""
    names = {n.name for n in walk(expr) if isinstance(n, (Symbol, Parameter))}
    free = [c for c in _INDICES if c not in names and f"_{{{c}}}" not in inner and f"_{{{c}=" not in inner]
    return [*free, "i_1", "i_2", "i_3"][:3]
