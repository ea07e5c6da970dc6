"""A batch in several slices gives what it gives as a whole, whoever computes which slice."""

from __future__ import annotations

import numpy as np
import pytest

from chalkgrad import codegen, derive
from chalkgrad.codegen import Emitted, Network, emit, numpy_twin
from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.building.native import CBackend
from chalkgrad.codegen.c.identifiers import struct_fields
from tests.chosen import some
from tests.codegen.c.c_programs import sizes_of
from tests.codegen.c.test_emit_c import MODELS, PLANS
from tests.codegen.calls import arguments, compare, everything, fixed, in_slices, interface_of

FORMS = [(MODELS[n % len(MODELS)], *plan) for n, plan in enumerate(PLANS)]
"""Every plan and every model; `tests.programs` has slices of many other cells."""
KEPT = [FORMS[n] for n in (1, 4, 7)]


def network(emitted: Emitted, threads: int) -> Network:
    """In slices of two: seven examples make three and a half."""
    module = compile_sources([in_slices(emitted.source, 2)])
    fields = struct_fields(emitted.interface)
    return Network(emitted.interface, CBackend(module, emitted.source.name, fields, threads))


@pytest.mark.parametrize("name, architecture, feed", some(FORMS, KEPT.__contains__))
@pytest.mark.usefixtures("quick_builds")
def test_slices_agree_with_the_twin(name: str, architecture: str, feed: str) -> None:
    """Lengths that differ, every gradient; and the same bits from a team with an idle thread."""
    model = derive.load(name, architecture=architecture, feed=feed)
    sizes = sizes_of(model, (3, 5, 2, 4))
    emitted = emit(model, sizes, name="net")
    twin = numpy_twin(model)
    alone, team = network(emitted, 1), network(emitted, 3)
    for lengths in (False, True):
        given = arguments(fixed(interface_of(model, sizes)), lengths=lengths and architecture != "one-to-one")
        found = everything(alone, given)
        compare(everything(twin, given), found, 1e-12)
        together = everything(team, given)
        assert all(found[key].tobytes() == together[key].tobytes() for key in found)


@pytest.mark.usefixtures("quick_builds")
def test_what_is_not_asked_for_is_not_touched() -> None:
    """Gradients one by one, as each leaves out other arrays of a slice."""
    model = derive.load("gru")
    sizes = sizes_of(model, (3, 5, 2))
    sliced = network(emit(model, sizes, name="net"), 2)
    given = arguments(fixed(interface_of(model, sizes)), lengths=True)
    assert given.y is not None
    wanted = everything(sliced, given)
    for name in (*given.params, "x", "a0"):
        loss, grads = sliced.loss_and_grad(
            given.params, given.x, given.y, given.initial, given.lengths, wrt=name
        )
        assert loss == wanted["loss"]
        assert grads.keys() == {name} and np.array_equal(grads[name], wanted[f"d {name}"])


@pytest.mark.usefixtures("quick_builds")
def test_the_size_of_a_slice() -> None:
    """Whole batches where little is kept, slices of a tile where much is; seen by the room they take."""
    model = derive.load("lstm")

    def room(n: int, T: int, B: int) -> int:
        rnn = codegen.build(model, {"n_x": n, "n_a": n, "n_y": n}, "float32")
        backend = rnn._backend
        assert isinstance(backend, CBackend)
        return int(getattr(backend._lib, f"{backend._prefix}_loss_and_grad_work")(T, T, B))

    assert room(8, 4, 17) < room(8, 4, 18)  # one slice, as large as the batch
    assert room(64, 64, 17) == room(64, 64, 24) < room(64, 64, 25)  # slices of 8
    assert room(64, 4, 57) == room(64, 4, 112) < room(64, 4, 113)  # so few steps that sums want more examples
    assert room(64, 64, 64 * 8) == room(64, 64, 64 * 9) > 0  # room for 64 threads at most
