"""Fifty digits: what everything is held to, and how far from it something may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from codegen import Network
from derive import Derivation, evaluate
from tests.agreement.cases import TOLERANCE, Array, Case, Data, data_of, derivation_of, sizes_of


@dataclass(frozen=True)
class Reference:
    """Results at 50 digits, rounded once to float64."""

    loss: float
    gradients: Mapping[str, Array]
    yhat: Array
    states: Mapping[str, Array]
    vjp: Mapping[str, Array]

    @property
    def names(self) -> tuple[str, ...]:
        """Parameters, x and initial states."""
        return tuple(self.gradients)


@cache
def reference_of(case: Case) -> Reference:
    expected = evaluated(case, data_of(case))
    assert np.isfinite(expected.loss), f"{case}: yhat has left the domain of the loss"
    return expected


def evaluated(case: Case, data: Data, derivation: Derivation | None = None) -> Reference:
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
    """‖found − expected‖ / ‖expected‖ of one tensor, in float64; ∞ if a shape or a NaN is in the way."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        return np.inf
    error, scale = np.linalg.norm(found - expected), np.linalg.norm(expected)
    if scale == 0:
        return 0.0 if error == 0 else np.inf
    return float(error / scale)


def far(found: Mapping[str, Any], expected: Mapping[str, Any], tolerance: float) -> dict[str, float]:
    """The tensors that are not within the tolerance, and how far off they are. Names must be the same."""
    assert found.keys() == expected.keys()
    distances = {name: distance(found[name], value) for name, value in expected.items()}
    return {name: d for name, d in distances.items() if not d <= tolerance}


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


def disagreements(case: Case, net: Network, tolerance: float | None = None) -> dict[str, float]:
    """All that the network gives and that is not within the tolerance of the reference."""
    data, expected = data_of(case), reference_of(case)
    tolerance = TOLERANCE[case.dtype] if tolerance is None else tolerance
    names = expected.names
    results: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "": (loss_and_gradients(net, data, names), {"loss": expected.loss, **expected.gradients}),
        "forward ": (outputs(case, net, data), {"yhat": expected.yhat, **expected.states}),
        "vjp ": (pulled_back(case, net, data, names), expected.vjp),
    }
    return {
        f"{function}{name}": d
        for function, (found, right) in results.items()
        for name, d in far(found, right, tolerance).items()
    }
