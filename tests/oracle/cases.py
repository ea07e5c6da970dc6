"""Random calls of any network."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle.network import Network

SIZES = {"n_x": 3, "n_a": 4, "n_y": 2, "n_d": 5}
T, T_Y, BATCH = 4, 3, 2


def sizes_of(net: Network) -> dict[str, int]:
    """All different, but for what a feed makes equal."""
    fed = net.feed != "none" and net.architecture == "one-to-many"
    return SIZES | ({"n_x": SIZES["n_y"]} if fed else {})


def random_call(
    net: Network, *, lengths: bool = False, seed: int = 0
) -> tuple[dict[str, int], dict[str, Any]]:
    """Sizes, and all other arguments of `net.run` by name; with lengths the first example is shorter."""
    rng = np.random.default_rng(seed)
    sizes = sizes_of(net)
    T_x = 1 if net.architecture in ("one-to-one", "one-to-many") else T
    T_y = {"one-to-many": T_Y, "encoder-decoder": T_Y, "many-to-one": 1}.get(net.architecture, T_x)
    steps = T_x + T_y if net.architecture == "encoder-decoder" else max(T_x, T_y)
    call: dict[str, Any] = {
        "params": {
            name: rng.normal(size=[sizes[n] for n in shape]) for name, shape in net.parameters.items()
        },
        "x": rng.normal(size=(T_x, BATCH, sizes[net.x])),
        "initial": {name: rng.normal(size=(BATCH, sizes[n])) for name, n in net.states.items()},
        "dstates": {name: rng.normal(size=(steps, BATCH, sizes[n])) for name, n in net.states.items()},
    }
    if net.yhat is not None:
        shape = (T_y, BATCH, *(sizes[n] for n in net.yhat))
        call |= {"y": rng.uniform(size=shape), "dyhat": rng.normal(size=shape)}
    else:
        call["steps"] = T_y
    if lengths:
        short = {"encoder-decoder": ([T - 1, T], [T_Y, 1]), "one-to-many": [1, T_Y], "one-to-one": [1, 1]}
        call["lengths"] = short.get(net.architecture, [T - 2, T])
    return sizes, call
