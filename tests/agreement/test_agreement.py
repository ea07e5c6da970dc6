"""The derivation at 50 digits, the NumPy twin, the interpreter and the compiled C agree with the oracle."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from tests.agreement.backends import Suite, backends_of, network
from tests.agreement.cases import FACTORS, Case, Setting, data_of, diagonal, pairwise
from tests.agreement.reference import apart, distances, loss_and_gradients, promised, reference_of
from tests.promises import Promise

SUITE = Suite("pairwise", pairwise(), "quick", group_size=9, few=18)
PRODUCTION = Suite("production", diagonal(), "native", group_size=2, few=1)
LONG_STEPS = Setting(n_x=3, n_a=5, n_d=4, n_y=2, T=64, T_xy=(64, 63), B=2)
WIDE = Setting(n_x=18, n_a=53, n_d=21, n_y=11, T=3, T_xy=(3, 4), B=9)
LONG = Suite(
    "long",
    (
        Case("many-to-many", "vanilla", "softmax", "cross_entropy", "tanh", "float64", setting=LONG_STEPS),
        Case("many-to-many", "gru", "softmax", "cross_entropy", "tanh", "float32", setting=LONG_STEPS),
        Case("many-to-many", "lstm", "softmax", "cross_entropy", "tanh", "float64", setting=LONG_STEPS),
        Case("many-to-one", "vanilla", "sigmoid", "binary_cross_entropy", "tanh", "float64", "lengths", WIDE),
        Case("many-to-many", "vanilla", "sigmoid", "binary_cross_entropy", "tanh", "float32", "loop", WIDE),
    ),
    "quick",
)
"""Many steps; and sizes and a batch beyond the width of a vector register."""


def runs(suite: Suite, cases: Iterable[Case]) -> list[pytest.param]:
    return [
        pytest.param(case, backend, id=f"{case}-{backend}", marks=marks(suite, case))
        for case in cases
        for backend in backends_of(case)
    ]


def marks(suite: Suite, case: Case) -> list[pytest.MarkDecorator]:
    """The same process for all that share an extension; only a few of the cases in `make test`."""
    group = pytest.mark.xdist_group(f"{suite.name}-{suite.group(case)}")
    return [group] if suite.is_of_the_few(case) else [group, pytest.mark.full]


def params(suite: Suite, cases: Iterable[Case]) -> list[pytest.param]:
    return [pytest.param(case, id=str(case), marks=marks(suite, case)) for case in cases]


def test_the_cases_have_every_pair_of_values() -> None:
    for one, other in itertools.combinations(FACTORS, 2):
        found = {(getattr(case, one), getattr(case, other)) for case in SUITE.cases}
        assert found == set(itertools.product(FACTORS[one], FACTORS[other])), (one, other)


def test_the_few_cases_have_every_pair_of_all_but_layouts_and_models() -> None:
    few = [case for case in SUITE.cases if SUITE.is_of_the_few(case)]
    small = [name for name in FACTORS if name not in ("layout", "model")]
    for one, other in itertools.combinations(small, 2):
        found = {(getattr(case, one), getattr(case, other)) for case in few}
        assert found == set(itertools.product(FACTORS[one], FACTORS[other])), (one, other)
    assert all({getattr(case, name) for case in few} == set(FACTORS[name]) for name in ("layout", "model"))


def test_the_cases_compiled_as_for_production_have_every_value() -> None:
    for name, values in FACTORS.items():
        assert {getattr(case, name) for case in PRODUCTION.cases} == set(values), name


@pytest.mark.parametrize(("case", "backend"), runs(SUITE, SUITE.cases))
def test_every_result_agrees_with_the_oracle(case: Case, backend: str, promise: Promise) -> None:
    promise.within(*promised(case, backend), apart(case, network(SUITE, case, backend)))


@pytest.mark.parametrize("case", params(PRODUCTION, PRODUCTION.cases))
def test_c_as_it_is_built_agrees_with_the_oracle(case: Case, promise: Promise) -> None:
    promise.within(*promised(case, "c"), apart(case, network(PRODUCTION, case, "c")))


@pytest.mark.parametrize(("case", "backend"), runs(LONG, LONG.cases))
def test_many_steps_and_wide_sizes(case: Case, backend: str, promise: Promise) -> None:
    promise.within(*promised(case, backend), apart(case, network(LONG, case, backend)))


@pytest.mark.parametrize("case", params(SUITE, (c for c in SUITE.cases if c.form == "straight")))
def test_code_for_fixed_T_runs_its_loops_where_lengths_are_given(case: Case, promise: Promise) -> None:
    """Lengths that are all full change nothing, not even the last bits by more than rounding."""
    data, B = data_of(case), case.numbers.B
    whole = tuple(np.full(B, count) for count in case.counts)
    one = whole[1] if case.architecture == "one-to-many" else whole[0]
    lengths = whole if case.architecture == "encoder-decoder" else one
    expected = reference_of(case)
    found = loss_and_gradients(network(SUITE, case, "c"), replace(data, lengths=lengths), expected.names)
    promise.within(*promised(case, "c"), distances(found, {"loss": expected.loss, **expected.gradients}))
