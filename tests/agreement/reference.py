"""What everything is held to, an oracle that reads the model file itself; and how far off it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from chalkgrad.codegen import Network
from chalkgrad.derive import Derivation, evaluate
from tests import oracle
from tests.agreement.cases import TOLERANCE, Array, Case, Data, data_of, derivation_of, sizes_of
from tests.agreement.cells import CELLS


@dataclass(frozen=True)
class Reference:
    """Results of far more digits, rounded once to float64."""

    loss: float
    gradients: Mapping[str, Array]
    yhat: Array
    states: Mapping[str, Array]
    vjp: Mapping[str, Array]

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters, x and initial states."""
        return tuple(self.gradients)

    @property
    def results(self) -> dict[str, Any]:
        """All of it, by function and name."""
        found = {"loss": self.loss, **self.gradients, "forward yhat": self.yhat}
        found |= {f"forward {name}": value for name, value in self.states.items()}
        return found | {f"vjp {name}": value for name, value in self.vjp.items()}


@cache
def reference_of(case: Case) -> Reference:
    return told(case, data_of(case))


@cache
def oracle_of(case: Case) -> oracle.Network:
    choices = {"architecture": case.architecture, "feed": case.feed, "loss": case.loss}
    return oracle.load(CELLS.get(case.model, case.model), **choices, g=case.g, h=case.h)


def told(case: Case, data: Data) -> Reference:
    """What the oracle says; a parameter that the network does not have must have no part in anything."""
    found = oracle_of(case).run(*_arguments(case, data), **_options(data))
    assert found.defined and found.loss is not None and found.yhat is not None, f"{case}: out of the domain"
    states = (f"{name}0" for name in found.states)
    names = (*(p.name for p in derivation_of(case).schedule.parameters), "x", *states)
    assert not any(found.gradients[n].any() or found.vjp[n].any() for n in found.gradients if n not in names)
    gradients, vjp = ({name: of[name] for name in names} for of in (found.gradients, found.vjp))
    return Reference(found.loss, gradients, found.yhat, found.states, vjp)


def evaluated(case: Case, data: Data, derivation: Derivation | None = None) -> Reference:
    """What the equations of the derivation give at 50 digits."""
    derivation = derivation_of(case) if derivation is None else derivation
    common: dict[str, Any] = {"sizes": sizes_of(case), "T": case.steps, "lengths": data.lengths}
    of_loss = evaluate(derivation, data.values, **common)
    outside = evaluate(derivation, data.values, dyhat=data.dyhat, dstates=data.dstates, **common)
    assert of_loss.loss is not None and of_loss.yhat is not None
    return Reference(
        float(of_loss.loss),
        _rounded(of_loss.gradients),
        np.asarray(of_loss.yhat, np.float64),
        _rounded(of_loss.states),
        _rounded(outside.gradients),
    )


def _rounded(arrays: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.asarray(a, np.float64) for name, a in arrays.items()}


def distance(found: Any, expected: Any) -> float:
    """How far one tensor is off, in float64, as a whole and entry by entry.

    The larger of ‖found − expected‖ / ‖expected‖ in the Euclidean norm and in the largest entry; ∞ if a shape
    or a NaN is in the way.
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        return np.inf
    error = found - expected
    if not expected.any():
        return np.inf if error.any() else 0.0
    ratios = (np.linalg.norm(error.ravel(), p) / np.linalg.norm(expected.ravel(), p) for p in (2, np.inf))
    return float(max(ratios))


def far(found: Mapping[str, Any], expected: Mapping[str, Any], tolerance: float) -> dict[str, float]:
    """The tensors that are not within the tolerance, and how far off they are."""
    return {name: d for name, d in distances(found, expected).items() if not d <= tolerance}


def distances(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, float]:
    """How far off each tensor is. Names must be the same."""
    assert found.keys() == expected.keys()
    return {name: distance(found[name], value) for name, value in expected.items()}


# ----------------------------------------------------------------------------- the functions of a network


def loss_and_gradients(net: Network, data: Data, names: tuple[str, ...]) -> dict[str, Any]:
    loss, gradients = net.loss_and_grad(
        data.params, data.x, data.y, initial=data.initial, lengths=data.lengths, wrt=names
    )
    return {"loss": loss, **gradients}


def outputs(case: Case, net: Network, data: Data) -> dict[str, Any]:
    targets = data.y if case.feed == "target" else None
    yhat, states = net.forward(
        data.params, data.x, initial=data.initial, lengths=data.lengths, steps=case.counts[1], y=targets
    )
    return {"yhat": yhat, **states}


def pulled_back(case: Case, net: Network, data: Data, names: tuple[str, ...]) -> dict[str, Any]:
    targets = data.y if case.feed == "target" else None
    return net.vjp(
        data.params,
        data.x,
        data.dyhat,
        data.dstates,
        initial=data.initial,
        lengths=data.lengths,
        wrt=names,
        steps=case.counts[1],
        y=targets,
    )


def results(case: Case, net: Network, data: Data, names: tuple[str, ...]) -> dict[str, Any]:
    """All that the network gives, by function and name."""
    of_functions = {
        "": loss_and_gradients(net, data, names),
        "forward ": outputs(case, net, data),
        "vjp ": pulled_back(case, net, data, names),
    }
    return {
        f"{function}{name}": value
        for function, found in of_functions.items()
        for name, value in found.items()
    }


def apart(case: Case, net: Network) -> dict[str, float]:
    """How far all that the network gives is from the reference."""
    right = reference_of(case)
    return distances(results(case, net, data_of(case), right.names), right.results)


def promised(case: Case, backend: str) -> tuple[str, float]:
    """What is promised of it, for the table of promises, and the bound."""
    who = {"twin": "the NumPy twin", "c": "C"}.get(backend, "the interpreter")
    return f"{case.dtype}: {who} is as the oracle has it", TOLERANCE[case.dtype]


# ----------------------------------------------------------------------------- where less can be promised

UNITS = 8  # in the last place of every number, and what they grow to is what is allowed


def in_parts(case: Case, net: Network) -> dict[str, float]:
    """How far all is from the reference, in parts of what rounding explains: 1 is all of it.

    Chance makes a few of many cases ill-conditioned; their condition is measured only then.
    """
    parts = {name: d / TOLERANCE[case.dtype] for name, d in apart(case, net).items()}
    off = {name: part * TOLERANCE[case.dtype] for name, part in parts.items() if not part <= 1}
    if not off:
        return parts
    condition, unit = conditions(case), float(np.finfo(case.dtype).eps)
    bounds = {name: max(TOLERANCE[case.dtype], UNITS * unit * condition[name]) for name in off}
    return parts | {name: d / bounds[name] for name, d in off.items()}


def beyond_its_condition(case: Case, net: Network) -> dict[str, float]:
    """What rounding does not explain."""
    return {name: part for name, part in in_parts(case, net).items() if not part <= 1}


@cache
def conditions(case: Case) -> Mapping[str, float]:
    """How much larger the relative change of each result is than that of the numbers behind it."""
    return oracle_of(case).condition(*_arguments(case, data_of(case)), **_options(data_of(case)))


def _arguments(case: Case, data: Data) -> tuple[Any, ...]:
    return sizes_of(case), data.params, data.x, data.y


def _options(data: Data) -> dict[str, Any]:
    return {"initial": data.initial, "lengths": data.lengths, "dyhat": data.dyhat, "dstates": data.dstates}
