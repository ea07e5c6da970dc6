"""The coefficients in templates/elementary.toml: `python -m chalkgrad.codegen.c.minimax` writes them.

Each polynomial is the best one in the weighted maximum norm, found by Remez's exchange on a fine grid
(E. W. Cheney, Introduction to Approximation Theory, chapter 3), in 160-bit arithmetic. It is then rounded in
stages: one coefficient to the precision at hand, the others fitted again with that one fixed, and so on, so
that the later ones make up for the rounding of the earlier ones (the loss that plain rounding has:
N. Brisebarre, J.-M. Muller, A. Tisserand, Computing machine-efficient polynomial approximations, ACM TOMS 32,
2006). The same numbers come out on every machine: nothing is random and all arithmetic is mpmath's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mpmath
from mpmath import mp, mpf

FILE = Path(__file__).parent / "templates" / "elementary.toml"
BITS = {"float32": 24, "float64": 53}
LN2_BITS = {"float32": 16, "float64": 42}  # of the upper part: its product with an exponent is exact
TANH_SPLIT = 0.5625

_WORKING_BITS = 160
_PER_COEFFICIENT = 24  # grid points
_EXCHANGES = 40

Real = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Problem:
    """A polynomial p of `terms` coefficients with weight(x) |p(x) - target(x)| smallest on [low, high].

    The weight makes that the relative error of the function computed with p.
    """

    target: Real
    weight: Real
    low: mpf
    high: mpf
    terms: int


def exponential(terms: int) -> Problem:
    """q with e^r = 1 + r + r² q(r) for |r| ≤ ln(2)/2, and a little more: n is rounded from a product."""

    def target(r: mpf) -> mpf:
        return (mpmath.expm1(r) - r) / r**2 if r else mpf(1) / 2

    bound = mpmath.ln2 / 2 * (1 + mpf(2) ** -12)
    return Problem(target, lambda r: r**2 * mpmath.exp(-r), -bound, bound, terms)


def logarithm(terms: int, largest: mpf) -> Problem:
    """p with 2 artanh q = 2 q + q³ p(q²), in z = q², for 0 ≤ q ≤ largest; ln(1 + f) has q = f/(2 + f)."""

    def target(z: mpf) -> mpf:
        q = mpmath.sqrt(z)
        return 2 * (mpmath.atanh(q) - q) / q**3 if q else mpf(2) / 3

    def weight(z: mpf) -> mpf:
        q = mpmath.sqrt(z)
        return q**3 / (2 * mpmath.atanh(q)) if q else mpf(0)

    return Problem(target, weight, mpf(0), largest**2, terms)


def hyperbolic(terms: int, split: float) -> Problem:
    """p with tanh a = a + a³ p(a²), in z = a², for 0 ≤ a ≤ split."""

    def target(z: mpf) -> mpf:
        a = mpmath.sqrt(z)
        return (mpmath.tanh(a) - a) / a**3 if a else -mpf(1) / 3

    def weight(z: mpf) -> mpf:
        a = mpmath.sqrt(z)
        return a**3 / mpmath.tanh(a) if a else mpf(0)

    return Problem(target, weight, mpf(0), mpf(split) ** 2, terms)


def tail(terms: int) -> Problem:
    """p with 2 artanh(w/2) = w + w³ p(w²), in z = w², for 0 ≤ w ≤ 2/3."""

    def target(z: mpf) -> mpf:
        w = mpmath.sqrt(z)
        return (2 * mpmath.atanh(w / 2) - w) / w**3 if w else mpf(1) / 12

    def weight(z: mpf) -> mpf:
        w = mpmath.sqrt(z)
        return w**3 / (2 * mpmath.atanh(w / 2)) if w else mpf(0)

    return Problem(target, weight, mpf(0), (mpf(2) / 3) ** 2, terms)


def problems(dtype: str) -> dict[str, Problem]:
    """The polynomials by the function that they belong to."""
    terms = {"float32": (5, 3, 4, 5), "float64": (10, 8, 10, 10)}[dtype]
    return {
        "exp": exponential(terms[0]),
        "log": logarithm(terms[1], mpf(1) / 5),  # 3/4 ≤ 1 + f ≤ 3/2: -1/7 ≤ q ≤ 1/5
        "tail": tail(terms[2]),
        "tanh": hyperbolic(terms[3], TANH_SPLIT),
    }


def coefficients(problem: Problem, bits: int) -> tuple[list[mpf], mpf]:
    """The coefficients, lowest first, each of `bits` bits; and the weighted error that they leave."""
    with mp.workprec(_WORKING_BITS):
        grid = _grid(problem)
        weights = [problem.weight(x) for x in grid]
        left = [problem.target(x) for x in grid]
        powers, found = list(range(problem.terms)), {}
        while powers:
            best = _remez(grid, left, weights, powers)
            end = 0 if problem.low >= 0 else -1  # without the power 0, others cannot alternate across 0
            k = powers.pop(end)
            found[k] = rounded(best[end], bits)
            left = [value - found[k] * x**k for value, x in zip(left, grid, strict=True)]
        error = max(abs(w * value) for w, value in zip(weights, left, strict=True))
        return [found[k] for k in range(problem.terms)], error


def _grid(problem: Problem) -> list[mpf]:
    """The extrema of a Chebyshev polynomial of high degree, on the interval; without 0."""
    count = _PER_COEFFICIENT * problem.terms
    middle, radius = (problem.low + problem.high) / 2, (problem.high - problem.low) / 2
    points = [middle - radius * mpmath.cospi(mpf(i) / count) for i in range(count + 1)]
    return [x for x in points if abs(x) > radius * mpf(2) ** -40]


def _remez(
    grid: Sequence[mpf], values: Sequence[mpf], weights: Sequence[mpf], powers: Sequence[int]
) -> list[mpf]:
    """The best combination of the powers of x on the grid, in the weighted maximum norm."""
    size, first = len(powers) + 1, powers[0]
    chosen = [round((i + 0.5) * (len(grid) - 1) / size) for i in range(size)]
    solution: list[mpf] = []
    for _ in range(_EXCHANGES):
        rows = [[*(grid[i] ** k for k in powers), (-1) ** j / weights[i]] for j, i in enumerate(chosen)]
        solution = list(mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix([values[i] for i in chosen])))
        level = abs(solution.pop())
        downwards = [*solution[::-1], *[mpf(0)] * first]
        errors = [
            w * (mpmath.polyval(downwards, x) - value)
            for x, value, w in zip(grid, values, weights, strict=True)
        ]
        if max(map(abs, errors)) <= level * (1 + mpf(2) ** -10):
            break
        chosen = _alternating(errors, size)
    return solution


def _alternating(errors: Sequence[mpf], size: int) -> list[int]:
    """Where the error is largest between its changes of sign: `size` places, next to each other."""
    peaks: list[int] = []
    for i, error in enumerate(errors):
        if peaks and (error > 0) == (errors[peaks[-1]] > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    if len(peaks) < size:
        raise ArithmeticError(f"minimax: expected {size} changes of sign of the error, found {len(peaks)}")
    while len(peaks) > size:
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    return peaks


def rounded(value: mpf, bits: int) -> mpf:
    """The nearest number of that many bits."""
    with mp.workprec(bits):
        return +value


def constants(dtype: str) -> dict[str, mpf]:
    """log2 e, ln 2 in two parts, and where tanh changes its formula."""
    with mp.workprec(_WORKING_BITS):
        upper = rounded(+mpmath.ln2, LN2_BITS[dtype])
        return {
            "log2e": rounded(1 / mpmath.ln2, BITS[dtype]),
            "ln2_hi": upper,
            "ln2_lo": rounded(mpmath.ln2 - upper, BITS[dtype]),
            "tanh_split": mpf(TANH_SPLIT),
        }


def shown(value: mpf) -> str:
    """A number that float64 holds, exactly, as C and Python read it."""
    mantissa, exponent = float(value).hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}"


def text() -> str:
    """elementary.toml: exact numbers, as hexadecimal text."""
    lines = [
        "# Written by `python -m chalkgrad.codegen.c.minimax`, which says what they are. Lowest power first."
    ]
    for dtype, bits in BITS.items():
        lines += ["", f"[{dtype}.constant]"]
        lines += [f'{name} = "{shown(value)}"' for name, value in constants(dtype).items()]
        lines += ["", f"[{dtype}.polynomial]"]
        for name, problem in problems(dtype).items():
            found, error = coefficients(problem, bits)
            lines.append(f"# relative error 2^{mpmath.nstr(mpmath.log(error, 2), 4)}")
            lines += [f"{name} = [", *(f'    "{shown(c)}",' for c in found), "]"]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or print it."""
    parser = argparse.ArgumentParser(prog="python -m chalkgrad.codegen.c.minimax", description=__doc__)
    parser.add_argument("--print", action="store_true", help="print the file instead of writing it")
    if parser.parse_args(arguments).print:
        sys.stdout.write(text())
    else:
        FILE.write_text(text(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
