"""A user's program for mypy alone, in `make check`: a misspelt choice is found, or its comment is unused."""

from typing import assert_type

import numpy as np

import chalkgrad as cg

SIZES = {"n_x": 3, "n_a": 4, "n_y": 2}


def right() -> None:
    model = cg.load("gru", architecture="many-to-one", feed="none", loss="auto", h="softmax")
    assert_type(model, cg.Model)
    assert_type(cg.document(model, T=2, format="html", notation="d2l", layout="jacobian", level="exam"), str)
    assert_type(cg.document(model, format="pdf"), bytes)
    for dtype in (np.float32, np.dtype(np.float64)):
        net = cg.build(model, SIZES, dtype, target="portable", math="libm", passes=cg.PASSES[:3])
    assert_type(net, cg.Network)
    loss, _ = net.loss_and_grad({}, [], [], reduction="mean")
    assert_type(loss, float)
    assert_type(cg.check(model, "a = b").correct, bool)
    for architecture in cg.ARCHITECTURES:
        cg.load("gru", architecture=architecture)


def misspelt() -> None:
    model = cg.load("gru", architecture="many-to-on")  # type: ignore[arg-type]
    cg.load("gru", feed="input")  # type: ignore[arg-type]
    cg.load("gru", loss="hinge")  # type: ignore[arg-type]
    cg.document(model, format="htm")  # type: ignore[call-overload]
    cg.document(model, notation="d2")  # type: ignore[call-overload]
    cg.document(model, layout="hessian")  # type: ignore[call-overload]
    cg.document(model, level="short")  # type: ignore[call-overload]
    net = cg.build(model, SIZES, dtype="float16")  # type: ignore[arg-type]
    cg.build(model, SIZES, target="nativ")  # type: ignore[arg-type]
    cg.emit(model, SIZES, math="fast")  # type: ignore[arg-type]
    net.loss_and_grad({}, [], [], reduction="max")  # type: ignore[arg-type]
