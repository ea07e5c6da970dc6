"""LaTeX of the chain rule through time: what the note documents, what is true, each factor, the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy

from derive.algebra import Parameter, Role, Symbol
from derive.chain import Chain, ChainTerm
from derive.chain_factors import factor_rows
from derive.derivation import Derivation
from derive.latex import partial_latex
from derive.latex_expr import expr_latex, parameter_latex, step_latex, symbol_latex, t
from derive.latex_page import Row, aligned, prose, rows_latex, section_latex
from derive.latex_scalar import joined

K = sympy.Symbol("k", integer=True)
_WRITTEN_OUT = 4  # as many steps back are written one by one


# ----------------------------------------------------------------------------- pieces


def loss_latex(derivation: Derivation, step: int) -> str:
    """L^{<t>}"""
    assert derivation.loss is not None
    return symbol_latex(derivation.loss, step)


def stacked_latex(derivation: Derivation, through: Sequence[Symbol], step: sympy.Expr | int) -> str:
    """s^{<t>}: the one value that is handed on by its own name, several by a name that none of them has."""
    if len(through) == 1:
        return symbol_latex(through[0], step)
    taken = {f.target.name for p in derivation.phases for f in p.forward}
    name = "s" if "s" not in taken else r"\mathbf{s}"
    return f"{name}^{{<{step_latex(step)}>}}"


def label(derivation: Derivation, loss_step: int, k: int, through: Sequence[Symbol]) -> str:
    return "direct" if k == loss_step else f"through {stacked_latex(derivation, through, k)}"


def immediate_latex(of: str, by: str) -> str:
    return rf"\frac{{\partial^{{+}} {of}}}{{\partial {by}}}"


def product_latex(
    derivation: Derivation, loss_step: int, k: int, through: Sequence[Symbol], parameter: Parameter
) -> str:
    """∂L/∂s⟨t⟩ · ∂s⟨t⟩/∂s⟨t−1⟩ ⋯ ∂⁺s⟨k⟩/∂W"""
    first = partial_latex(loss_latex(derivation, loss_step), stacked_latex(derivation, through, loss_step))
    last = immediate_latex(stacked_latex(derivation, through, k), parameter_latex(parameter.name))
    return " ".join([first, *_back(derivation, through, loss_step, k), last])


def _back(derivation: Derivation, through: Sequence[Symbol], start: int, end: int) -> list[str]:
    """The factors from s⟨start⟩ back to s⟨end⟩."""

    def factor(j: int) -> str:
        return partial_latex(stacked_latex(derivation, through, j), stacked_latex(derivation, through, j - 1))

    if start - end > _WRITTEN_OUT:
        return [factor(start), r"\cdots", factor(end + 1)]
    return [factor(j) for j in range(start, end, -1)]


def documented_lines(
    derivation: Derivation, loss_step: int, last: int, through: Sequence[Symbol], parameter: Parameter
) -> tuple[str, ...]:
    """Lines in the note's shape, back to step `last`: ∂L/∂ŷ ∂ŷ/∂W, then through a⟨t⟩, then a⟨t−1⟩, …"""
    loss, by = loss_latex(derivation, loss_step), parameter_latex(parameter.name)
    yhat = next(f.target for p in derivation.phases for f in p.forward if f.target.name == "yhat")
    output = symbol_latex(yhat, loss_step)
    lines = [rf"{partial_latex(loss, by)} & = & {partial_latex(loss, output)} {partial_latex(output, by)}"]
    if last == 0 or list(through) == [yhat]:
        return tuple(lines)
    here = stacked_latex(derivation, through, loss_step)
    start = [partial_latex(loss, here)]
    if yhat not in through:
        start = [partial_latex(loss, output), partial_latex(output, here)]
    for k in range(loss_step, last - 1, -1):
        if k in (loss_step, last) or loss_step - last < _WRITTEN_OUT:
            back = _back(derivation, through, loss_step, k)
            end = partial_latex(stacked_latex(derivation, through, k), by)
            lines.append("& = & " + " ".join([*start, *back, end]))
        elif k == loss_step - 1:
            lines.append(r"& \vdots &")
    return tuple(lines)


def evaluated_latex(term: ChainTerm) -> str:
    return joined([expr_latex(e, 0) for e in term.terms])


# ----------------------------------------------------------------------------- the whole


def chain_latex(chain: Chain) -> str:
    """The sections of the chain, as displays."""
    return "\n\n".join(
        [
            _documented(chain),
            _definitions(chain),
            _sum(chain),
            _factors(chain),
            _remark(chain),
            _result(chain),
        ]
    )


def _documented(chain: Chain) -> str:
    title = "Quoted: the chain rule as the founding note documents it, in this model's names"
    if not chain.quoted:
        title = "The chain rule in the shape of the founding note"
    return section_latex(title, aligned(chain.documented))


def _definitions(chain: Chain) -> str:
    derivation, through = chain.derivation, chain.through
    by, here = parameter_latex(chain.parameter.name), stacked_latex(derivation, through, K)
    lines = []
    if len(through) > 1:
        parts = r",\ ".join(symbol_latex(s, t) for s in through)
        lines.append(f"`{stacked_latex(derivation, through, t)}` stacks what a step hands on: `{parts}`.")
    immediate, moved = immediate_latex(here, by), rf"(\mathrm{{d}}{by})"
    lines += [
        f"`{immediate}` is immediate: `{by}` moves at step `k` alone, what step `k-1` hands on stays.",
        f"`{partial_latex(here, by)}` is total: `{by}` moves at every step, and what step `k-1` hands on.",
        rf"`{immediate}\,{moved}` is what a small change `{moved}` at step `k` alone does.",
        r"Rows of `\frac{\partial u}{\partial v}` belong to `u`, columns to `v`; "
        "a gradient has the shape of its parameter.",
    ]
    return section_latex("Two kinds of derivative", *map(prose, lines))


def _gradient_latex(chain: Chain) -> str:
    return partial_latex(loss_latex(chain.derivation, chain.loss_step), parameter_latex(chain.parameter.name))


def _sum(chain: Chain) -> str:
    """One term per step at which the parameter enters."""
    title = "One term for every step at which the parameter enters"
    if not chain.terms:
        return section_latex(title, rf"{_gradient_latex(chain)} = 0")
    lines = []
    for number, term in enumerate(chain.terms):
        left = f"{_gradient_latex(chain)} & = " if number == 0 else "& + "
        lines.append(rf"{left}{term.product} && \qquad k = {term.k}\text{{: }}{_label(chain, term)}")
    return section_latex(title, aligned(lines))


def _label(chain: Chain, term: ChainTerm) -> str:
    if term.k == chain.loss_step:
        return r"\text{direct}"
    return prose(f"through `{stacked_latex(chain.derivation, chain.through, term.k)}`")


def _factors(chain: Chain) -> str:
    def stacked(step: sympy.Expr | int) -> str:
        return stacked_latex(chain.derivation, chain.through, step)

    groups = [rows_latex(rows) for rows in factor_rows(chain, stacked)]
    legend = (
        r"`\operatorname{diag}(v)` has `v` on its diagonal, "
        r"`I` is the unit matrix, `\mathbf{1}` a column of ones."
    )
    return section_latex("Each factor", prose(legend), *groups)


# ----------------------------------------------------------------------------- what is said about it


def _remark(chain: Chain) -> str:
    return section_latex("The last documented line", *(prose(line) for line in _remarks(chain)))


_TOTAL = "Read with total derivatives the first two lines hold; each further one drops a direct path."

_TOTAL_SOMETIMES = (
    "Read with total derivatives a line drops the paths of those steps, among the later ones that it has "
    "passed, at which the parameter enters; where there are none it holds."
)


def _remarks(chain: Chain) -> list[str]:
    by = parameter_latex(chain.parameter.name)
    if not chain.terms:
        loss = loss_latex(chain.derivation, chain.loss_step)
        return [f"`{by}` does not enter before `{loss}`, so the gradient is zero."]
    last, others = chain.terms[-1], chain.terms[:-1]
    zero = _zero_latex(chain)
    start = "Its last derivative taken as immediate, it is"
    if not others:
        only = f"{start} the only term, `k = {last.k}`: nothing is left out."
        return [only, f"With `{zero}` it is zero."] if last.vanishes else [only]
    rest = ", ".join(str(term.k) for term in reversed(others))
    direct = chain.terms[0].k == chain.loss_step
    missing = f"the term `k = {rest}`{', the direct path' if direct else ''}"
    if len(others) > 1:
        missing = f"the terms `k = {rest}`{', the direct path among them' if direct else ''}"
    steps = [term.k for term in chain.terms]
    at_every_step = steps == list(range(chain.loss_step, last.k - 1, -1))
    lines = [] if len(chain.documented) < 3 else [_TOTAL if at_every_step else _TOTAL_SOMETIMES]
    lines += [f"{start} one of the {len(chain.terms)} terms: `k = {last.k}`.", f"It leaves out {missing}."]
    if not last.vanishes:
        return [*lines, f"That term does not vanish with `{zero}`."]
    end = immediate_latex(stacked_latex(chain.derivation, chain.through, last.k), by)
    what = f"the immediate derivative `{end}` is zero" if last.immediate_vanishes else "that term is zero"
    left = "path" if len(others) == 1 else "paths"
    lines.append(f"With `{zero}` {what}:")
    return [*lines, f"that line alone gives 0, and the whole gradient is the {left} that it leaves out."]


def _zero_latex(chain: Chain) -> str:
    return ", ".join(f"{symbol_latex(s, 0)} = 0" for s in chain.derivation.schedule.states)


# ----------------------------------------------------------------------------- the result


def _result(chain: Chain) -> str:
    """The sum evaluated through the adjoint recurrence, with and without initial states."""
    left = _gradient_latex(chain)
    parts = [_aligned_sum(chain, left, chain.terms)]
    if any(term.vanishes for term in chain.terms):
        parts.append(prose(f"With `{_zero_latex(chain)}`:"))
        parts.append(_aligned_sum(chain, left, tuple(term for term in chain.terms if not term.vanishes)))
    if chain.where:
        step = loss_latex(chain.derivation, chain.loss_step)
        parts.append(
            prose(rf"where, for this one loss, `\delta_{{v}}^{{<t>}} = {partial_latex(step, 'v^{<t>}')}`:")
        )
        parts.append(rows_latex(_where_rows(chain)))
    return section_latex("The result", *parts)


def _aligned_sum(chain: Chain, left: str, terms: Iterable[ChainTerm]) -> str:
    lines: list[str] = []
    for term in terms:
        body = evaluated_latex(term)
        start = f"{left} & = " if not lines else "& " if body.startswith("-") else "& + "
        lines.append(rf"{start}{body} && \qquad k = {term.k}")
    lines = lines or [f"{left} & = 0"]
    return aligned(lines)


def _where_rows(chain: Chain) -> list[Row]:
    shapes = {s.name: s for p in chain.derivation.phases for e in p.adjoint for s in [e.target]}
    return [
        Row(
            symbol_latex(Symbol(name, shapes[name].shape, 0, Role.COTANGENT), step),
            joined([expr_latex(e, 0) for e in terms]),
        )
        for (name, step), terms in chain.where.items()
    ]
