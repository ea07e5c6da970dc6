"""What a network accepts, refuses, hands to its backend and hands back."""

from __future__ import annotations

from collections import UserList
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.errors import ArgumentError, ArgumentTypeError
from chalkgrad.codegen.program.interface import Arrays, Counts, Interface

T, B = 5, 2
SIZES = {"n_x": 3, "n_a": 4, "n_y": 6}
VANILLA = Interface(
    name="vanilla",
    architecture="many-to-many",
    feed="none",
    parameters={"W_aa": ("n_a", "n_a"), "W_ax": ("n_a", "n_x"), "b_a": ("n_a",), "s": ()},
    states={"a": "n_a"},
    x="n_x",
    yhat=("n_y",),
    sizes=SIZES,
    dtype="float64",
)
TWIN = replace(VANILLA, sizes=None, dtype=None, parameters={**VANILLA.parameters, "W_ya": ("n_y", "n_a")})


class Recorder:
    """A backend that keeps what it gets and fills result number k, in order of the names, with k + 1."""

    def __init__(self) -> None:
        self.function = ""
        self.counts = Counts(0, 0, 0)
        self.arrays: Arrays = {}

    def run(self, function: str, counts: Counts, arrays: Arrays) -> None:
        self.function, self.counts, self.arrays = function, counts, arrays
        results = [name for name in sorted(arrays) if name in ("loss", "yhat") or name[:2] in ("d.", "st")]
        for number, name in enumerate(results):
            array = arrays[name]
            if array is not None:
                array[...] = number + 1

    def prepare(self, function: str, counts: Counts, arrays: Arrays) -> Callable[[], None]:
        return lambda: self.run(function, counts, arrays)

    def array(self, name: str) -> Any:
        array = self.arrays[name]
        assert array is not None
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative
        return array


def network(interface: Interface = VANILLA, **changes: Any) -> tuple[Network, Recorder]:
    backend = Recorder()
    return Network(replace(interface, **changes), backend), backend


def numbers(*shape: int, dtype: Any = np.float64) -> Any:
    return np.arange(1, 1 + int(np.prod(shape)), dtype=dtype).reshape(shape)


def params(interface: Interface = VANILLA, dtype: Any = np.float64) -> dict[str, Any]:
    return {
        name: numbers(*(SIZES[size] for size in sizes), dtype=dtype)
        for name, sizes in interface.parameters.items()
    }


def x(*, steps: int = T, batch: int | None = B, dtype: Any = np.float64) -> Any:
    return numbers(*((steps, 3) if batch is None else (steps, batch, 3)), dtype=dtype)


def y(*, steps: int = T, batch: int | None = B, dtype: Any = np.float64) -> Any:
    return numbers(*((steps, 6) if batch is None else (steps, batch, 6)), dtype=dtype)


# What the backend gets, and what the caller gets back.


def test_loss_and_grad() -> None:
    net, backend = network()
    p = params()
    loss, grads = net.loss_and_grad(p, x(), y())
    assert backend.function == "loss_and_grad"
    assert backend.counts == Counts(T, T, B)
    assert backend.array("W_aa") is p["W_aa"]
    assert backend.array("a0").shape == (B, 4) and not backend.array("a0").any()
    assert backend.arrays["last_x"] is None and backend.arrays["last_y"] is None
    assert backend.arrays["d.x"] is None and backend.arrays["d.a0"] is None
    assert type(loss) is float and loss == 7.0
    assert list(grads) == ["W_aa", "W_ax", "b_a", "s"]
    assert [grads[name].shape for name in grads] == [(4, 4), (4, 3), (4,), ()]
    assert all(grads[name].dtype == np.float64 and grads[name].max() == grads[name].min() for name in grads)


def test_float32() -> None:
    net, backend = network(dtype="float32")
    _, grads = net.loss_and_grad(params(dtype=np.float32), x(dtype=np.float32), y(dtype=np.float32))
    assert {array.dtype for array in grads.values()} == {np.dtype(np.float32)}
    assert backend.array("a0").dtype == np.float32
    assert backend.array("loss").dtype == np.float64


def test_mean_divides_loss_and_gradients() -> None:
    net, _ = network()
    total, sums = net.loss_and_grad(params(), x(), y(), wrt=["W_aa", "s"])
    mean, means = net.loss_and_grad(params(), x(), y(), wrt=["W_aa", "s"], reduction="mean")
    assert mean == total / B
    assert all(np.array_equal(means[name], sums[name] / B) for name in sums)


def test_without_batch() -> None:
    net, backend = network()
    _, grads = net.loss_and_grad(
        params(), x(batch=None), y(batch=None), initial={"a": numbers(4)}, lengths=3, wrt=["x", "a0", "b_a"]
    )
    assert backend.counts == Counts(T, T, 1)
    assert backend.array("x").shape == (T, 1, 3) and backend.array("y").shape == (T, 1, 6)
    assert backend.array("a0").shape == (1, 4)
    assert backend.array("last_x").tolist() == [3]
    assert {name: array.shape for name, array in grads.items()} == {"x": (T, 3), "a0": (4,), "b_a": (4,)}
    yhat, states = net.forward(params(), x(batch=None), lengths=np.array([2]))
    assert yhat is not None and yhat.shape == (T, 6) and states["a"].shape == (T, 4)
    net.vjp(params(), x(batch=None), dyhat=y(batch=None), dstates={"a": numbers(T, 4)})
    assert backend.array("dyhat").shape == (T, 1, 6) and backend.array("dstates.a").shape == (T, 1, 4)


def test_forward_returns_states_from_step_1() -> None:
    net, backend = network()
    yhat, states = net.forward(params(), x(), initial={"a": numbers(B, 4)})
    assert backend.function == "forward" and "y" not in backend.arrays
    assert yhat is not None and yhat.shape == (T, B, 6)
    assert backend.array("states.a").shape == (T + 1, B, 4)
    assert states["a"].shape == (T, B, 4) and states["a"].base is backend.array("states.a")


def test_vjp_without_cotangents_gets_zeros() -> None:
    net, backend = network()
    grads = net.vjp(params(), x())
    assert backend.function == "vjp"
    for name in ("dyhat", "dstates.a"):
        given = backend.arrays[name]
        assert given is not None and given.size and not given.any()
    assert list(grads) == list(VANILLA.parameters)


def test_wrt_keeps_order_and_drops_repetitions() -> None:
    net, backend = network()
    _, grads = net.loss_and_grad(params(), x(), y(), wrt=("x", "b_a", "x", "a0"))
    assert list(grads) == ["x", "b_a", "a0"]
    assert backend.arrays["d.W_aa"] is None
    assert list(net.vjp(params(), x(), wrt="W_ax")) == ["W_ax"]
    assert net.vjp(params(), x(), wrt=[]) == {}


@pytest.mark.parametrize(
    ("architecture", "x_rows", "y_rows", "counts", "steps"),
    [
        ("one-to-one", 1, 1, Counts(1, 1, B), 1),
        ("one-to-many", 1, 4, Counts(1, 4, B), 4),
        ("many-to-one", 5, 1, Counts(5, 1, B), 5),
        ("many-to-many", 5, 5, Counts(5, 5, B), 5),
        ("encoder-decoder", 5, 4, Counts(5, 4, B), 9),
    ],
)
def test_architectures(architecture: str, x_rows: int, y_rows: int, counts: Counts, steps: int) -> None:
    net, backend = network(architecture=architecture)
    inputs, targets = x(steps=x_rows), y(steps=y_rows)
    net.loss_and_grad(params(), inputs, targets, wrt="x")
    assert backend.counts == counts and backend.array("d.x").shape == (x_rows, B, 3)
    steps_argument = y_rows if architecture in ("one-to-many", "encoder-decoder") else None
    yhat, states = net.forward(params(), inputs, steps=steps_argument)
    assert backend.counts == counts and states["a"].shape == (steps, B, 4)
    assert yhat is not None and yhat.shape == (y_rows, B, 6)
    net.vjp(params(), inputs, dstates={"a": numbers(steps, B, 4)})
    assert backend.counts == counts


@pytest.mark.parametrize(
    ("architecture", "x_rows", "y_rows", "argument"),
    [
        ("one-to-one", 2, 1, "x"),
        ("one-to-one", 1, 2, "y"),
        ("one-to-many", 2, 4, "x"),
        ("many-to-one", 5, 2, "y"),
        ("many-to-many", 5, 4, "y"),
    ],
)
def test_wrong_numbers_of_steps(architecture: str, x_rows: int, y_rows: int, argument: str) -> None:
    net, _ = network(architecture=architecture)
    with pytest.raises(ArgumentError, match=f"^{argument}: expected shape"):
        net.loss_and_grad(params(), x(steps=x_rows), y(steps=y_rows))


@pytest.mark.parametrize("shape", [(1, B, 6), (B, 6)])
def test_many_to_one_target(shape: tuple[int, ...]) -> None:
    net, backend = network(architecture="many-to-one")
    net.loss_and_grad(params(), x(), numbers(*shape))
    assert backend.array("y").shape == (1, B, 6)
    net.vjp(params(), x(), dyhat=numbers(*shape))
    assert backend.array("dyhat").shape == (1, B, 6)
    net.plan(params(), x(), numbers(*shape))()
    assert backend.array("y").shape == (1, B, 6)


@pytest.mark.parametrize("shape", [(1, 6), (6,)])
def test_many_to_one_target_without_batch(shape: tuple[int, ...]) -> None:
    net, backend = network(architecture="many-to-one")
    net.loss_and_grad(params(), x(batch=None), numbers(*shape))
    assert backend.array("y").shape == (1, 1, 6)
    yhat, _ = net.forward(params(), x(batch=None))
    assert yhat is not None and yhat.shape == (1, 6)


def test_scalar_output() -> None:
    net, backend = network(yhat=())
    net.loss_and_grad(params(), x(), numbers(T, B))
    assert backend.array("y").shape == (T, B)
    yhat, _ = net.forward(params(), x(batch=None))
    assert yhat is not None and yhat.shape == (T,)
    with pytest.raises(ArgumentError, match=r"^y: expected shape"):
        net.loss_and_grad(params(), x(), numbers(T, B, 1))
    many_to_one, backend = network(yhat=(), architecture="many-to-one")
    for target in (numbers(1), np.float64(2.0)):
        many_to_one.loss_and_grad(params(), x(batch=None), target)
        assert backend.array("y").shape == (1, 1)


def test_model_without_output() -> None:
    net, backend = network(yhat=None)
    yhat, states = net.forward(params(), x())
    assert yhat is None and states["a"].shape == (T, B, 4) and backend.counts == Counts(T, 0, B)
    assert backend.arrays["yhat"] is None
    net.vjp(params(), x(), dstates={"a": numbers(T, B, 4)})
    for call in (net.loss_and_grad, net.plan, lambda p, x, y: net.vjp(p, x, dyhat=y)):
        with pytest.raises(ArgumentError, match=r"^(y|dyhat): "):
            call(params(), x(), y())


def test_no_examples() -> None:
    net, backend = network()
    loss, grads = net.loss_and_grad(params(), x(batch=0), y(batch=0), lengths=[], wrt=["W_aa", "x", "a0"])
    assert backend.function == "" and loss == 0.0
    assert not grads["W_aa"].any() and grads["x"].shape == (T, 0, 3) and grads["a0"].shape == (0, 4)
    yhat, states = net.forward(params(), x(batch=0))
    assert yhat is not None and yhat.shape == (T, 0, 6) and states["a"].shape == (T, 0, 4)
    assert net.plan(params(), x(batch=0), y(batch=0))()[0] == 0.0
    with pytest.raises(ArgumentError, match=r"^reduction: "):
        net.loss_and_grad(params(), x(batch=0), y(batch=0), reduction="mean")


def test_nan_and_infinity_pass() -> None:
    net, backend = network()
    inputs = x()
    inputs[3:] = np.nan
    inputs[0, 0, 0] = np.inf
    net.loss_and_grad(params(), inputs, y(), lengths=[3, 3])
    assert np.isnan(backend.array("x")[3:]).all()


# Conversions.


@pytest.mark.parametrize(
    "convert",
    [
        lambda array: array.tolist(),
        lambda array: tuple(array.tolist()),
        lambda array: UserList(array.tolist()),
        lambda array: array.astype(int),
        lambda array: array.astype(">f8"),
        lambda array: array.astype(np.float16),
        lambda array: array.astype(np.float32),
        lambda array: np.asfortranarray(array),
        lambda array: np.repeat(array, 2, axis=0)[::2],
        lambda array: array[::-1][::-1],
        lambda array: np.ma.masked_array(array),
        lambda array: array.view(type("Subclass", (np.ndarray,), {})),
        lambda array: memoryview(array),
        lambda array: _unaligned(array),
        lambda array: _read_only(array),
        lambda array: np.broadcast_to(array[None], (1, *array.shape))[0],
    ],
)
def test_fits_after_a_copy(convert: Callable[[Any], Any]) -> None:
    net, backend = network()
    net.loss_and_grad({**params(), "W_aa": convert(params()["W_aa"])}, convert(x()), convert(y()))
    for name, expected in (("W_aa", params()["W_aa"]), ("x", x()), ("y", y())):
        assert np.array_equal(backend.array(name), expected) and backend.array(name).dtype == np.float64


def _unaligned(array: Any) -> Any:
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


def test_booleans_and_scalars() -> None:
    net, backend = network(dtype="float32")
    net.loss_and_grad({**params(dtype=np.float32), "s": 0.1}, x(dtype=np.float32) > 4, y(dtype=int).tolist())
    assert backend.array("s").shape == () and backend.array("s") == np.float32(0.1)
    assert backend.array("x").max() == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        b"bytes",
        object(),
        [[1.0], [1.0, 2.0]],
        [["1.0"]],
        [[None]],
        [[1j]],
        {"a": 1},
        np.zeros((T, B, 3), complex),
        np.zeros((T, B, 3), object),
        np.zeros((T, B, 3), "U3"),
        np.zeros((T, B, 3), "M8[s]"),
        np.ma.masked_array(np.zeros((T, B, 3)), mask=True),
        [[[2**70]]],
        (number for number in range(3)),
    ],
)
def test_wrong_types(value: Any) -> None:
    net, _ = network()
    for call in (net.loss_and_grad, net.plan):
        with pytest.raises(ArgumentTypeError, match=r"^x: expected .*received"):
            call(params(), value, y())
    with pytest.raises(ArgumentTypeError, match=r"^params\['W_aa'\]: expected .*received"):
        net.forward({**params(), "W_aa": value if not isinstance(value, np.ndarray) else value[0]}, x())


def test_float64_does_not_become_float32() -> None:
    net, _ = network(dtype="float32")
    with pytest.raises(ArgumentTypeError, match=r"^x: expected .*float32, received an array of float64"):
        net.loss_and_grad(params(dtype=np.float32), x(), y(dtype=np.float32))
    with pytest.raises(ArgumentTypeError, match=r"^params\['s'\]"):
        net.forward({**params(dtype=np.float32), "s": np.float64(1.0)}, x(dtype=np.float32))
    with pytest.raises(ArgumentError, match=r"^params\['s'\]: expected numbers that fit into float32"):
        net.forward({**params(dtype=np.float32), "s": 1e300}, x(dtype=np.float32))


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is double here")
def test_long_double_is_refused() -> None:
    for interface in (VANILLA, TWIN):
        net, _ = network(interface)
        for inputs in (x(dtype=np.longdouble), list(x(dtype=np.longdouble))):
            with pytest.raises(ArgumentTypeError, match=r"^x: expected .*float64, received .*"):
                net.forward(params(interface), inputs)


def test_dtype_follows_the_arrays() -> None:
    net, backend = network(TWIN)
    single = params(TWIN, np.float32)
    for given, inputs, expected in (
        (single, x(dtype=np.float32), np.float32),
        (single, x(dtype=int), np.float32),
        (single, x().tolist(), np.float32),
        (single, x(), np.float64),
        (params(TWIN, int), x(dtype=int), np.float64),
        ({name: array.tolist() for name, array in single.items()}, x().tolist(), np.float64),
    ):
        yhat, _ = net.forward(given, inputs)
        assert yhat is not None and yhat.dtype == expected
        assert backend.array("W_aa").dtype == expected and backend.array("a0").dtype == expected


# Shapes and names.


def test_errors_name_expected_and_received() -> None:
    net, _ = network()
    with pytest.raises(ArgumentError) as caught:
        net.loss_and_grad({**params(), "W_ax": numbers(4, 4)}, x(), y())
    assert str(caught.value) == (
        "params['W_ax']: expected shape (n_a, n_x) with n_a = 4, n_x = 3, received shape (4, 4)"
    )
    assert isinstance(caught.value, ValueError) and caught.value.argument == "params['W_ax']"
    with pytest.raises(ArgumentError) as caught:
        net.loss_and_grad(params(), x(), y(batch=1))
    assert str(caught.value) == (
        "y: expected shape (T, B, n_y) with T = 5, B = 2, n_y = 6, received shape (5, 1, 6)"
    )


@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("params", {"params": [1, 2]}),
        ("params['W_aa']", {"params": {"W_ax": numbers(4, 3)}}),
        ("params['W_zz']", {"params": {**params(), "W_zz": 1.0}}),
        ("params[0]", {"params": dict([*params().items(), (0, 1.0)])}),
        ("params['b_a']", {"params": {**params(), "b_a": numbers(4, 1)}}),
        ("params['b_a']", {"params": {**params(), "b_a": numbers(1)}}),
        ("params['s']", {"params": {**params(), "s": numbers(1)}}),
        ("x", {"x": numbers(3)}),
        ("x", {"x": numbers(T, B, 3, 1)}),
        ("x", {"x": numbers(T, B, 4)}),
        ("x", {"x": numbers(0, B, 3)}),
        ("x", {"x": 1.0}),
        ("y", {"y": numbers(T, 6)}),
        ("y", {"y": numbers(T, B, 1)}),
        ("y", {"y": numbers(1, B, 6)}),
        ("y", {"y": None}),
        ("initial", {"initial": numbers(B, 4)}),
        ("initial['b']", {"initial": {"b": numbers(B, 4)}}),
        ("initial['a']", {"initial": {"a": numbers(4)}}),
        ("initial['a']", {"initial": {"a": numbers(1, 4)}}),
        ("initial['a']", {"initial": {"a": None}}),
        ("lengths", {"lengths": 3}),
        ("lengths", {"lengths": [3]}),
        ("lengths", {"lengths": [3, 3, 3]}),
        ("lengths", {"lengths": [0, 3]}),
        ("lengths", {"lengths": [-1, 3]}),
        ("lengths", {"lengths": [3, 6]}),
        ("lengths", {"lengths": np.array([2**64 - 1, 1], np.uint64)}),
        ("lengths", {"lengths": [3.0, 3.0]}),
        ("lengths", {"lengths": [True, True]}),
        ("lengths", {"lengths": [[3, 3]]}),
        ("lengths", {"lengths": "33"}),
        ("wrt", {"wrt": "W_zz"}),
        ("wrt", {"wrt": ["a"]}),
        ("wrt", {"wrt": [1]}),
        ("wrt", {"wrt": 1}),
        ("wrt", {"wrt": b"x"}),
        ("reduction", {"reduction": "none"}),
        ("reduction", {"reduction": None}),
    ],
)
def test_refused(argument: str, changes: dict[str, Any]) -> None:
    net, backend = network()
    call = {"params": params(), "x": x(), "y": y(), **changes}
    for method in (net.loss_and_grad, net.plan):
        with pytest.raises((ArgumentError, ArgumentTypeError)) as caught:
            method(**call)
        assert str(caught.value).startswith(f"{argument}: expected ")
    assert backend.function == ""


@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("dyhat", {"dyhat": numbers(T, B, 3)}),
        ("dyhat", {"dyhat": "no"}),
        ("dstates", {"dstates": numbers(T, B, 4)}),
        ("dstates['c']", {"dstates": {"c": numbers(T, B, 4)}}),
        ("dstates['a']", {"dstates": {"a": numbers(T + 1, B, 4)}}),
        ("steps", {"steps": T + 1}),
        ("steps", {"steps": 5.0}),
        ("steps", {"steps": True}),
        ("y", {"y": y()}),
    ],
)
def test_vjp_refuses(argument: str, changes: dict[str, Any]) -> None:
    net, _ = network()
    with pytest.raises((ArgumentError, ArgumentTypeError)) as caught:
        net.vjp(params(), x(), **changes)
    assert str(caught.value).startswith(f"{argument}: expected ")


# Numbers of steps, lengths, fixed T, sizes read off the arrays.


def test_steps_of_one_to_many() -> None:
    net, backend = network(architecture="one-to-many")
    one = x(steps=1)
    with pytest.raises(ArgumentError, match=r"^steps: expected the number of steps T"):
        net.forward(params(), one)
    with pytest.raises(ArgumentError, match=r"^steps: expected at least one step"):
        net.forward(params(), one, steps=0)
    with pytest.raises(ArgumentError, match=r"^steps: expected T = 4"):
        net.vjp(params(), one, dyhat=y(steps=4), steps=5)
    net.vjp(params(), one, dyhat=y(steps=4), steps=np.int32(4), lengths=[4, 1])
    assert backend.array("last_y").tolist() == [4, 1] and backend.arrays["last_x"] is None
    with pytest.raises(ArgumentError, match=r"^x: expected shape"):
        net.forward(params(), x(steps=2), steps=4)


@pytest.mark.parametrize("steps", [2**40, 2**58, 2**62, 2**63 - 1, 2**63, 2**70])
def test_steps_beyond_memory(steps: int) -> None:
    for architecture in ("one-to-many", "encoder-decoder"):
        net, _ = network(architecture=architecture)
        with pytest.raises((ArgumentError, MemoryError)):
            net.forward(params(), x(steps=1), steps=steps)


def test_encoder_decoder_steps() -> None:
    net, backend = network(architecture="encoder-decoder")
    net.vjp(params(), x(), dstates={"a": numbers(9, B, 4)})
    assert backend.counts == Counts(5, 4, B)
    with pytest.raises(ArgumentError, match=r"^dstates\['a'\]: expected more than T_x = 5 steps"):
        net.vjp(params(), x(), dstates={"a": numbers(5, B, 4)})
    with pytest.raises(ArgumentError, match=r"^dstates\['a'\]: .*T_x \+ T_y = 9"):
        net.vjp(params(), x(), dyhat=y(steps=4), dstates={"a": numbers(8, B, 4)})
    with pytest.raises(ArgumentError, match=r"^steps: expected the number of steps T_y"):
        net.vjp(params(), x())
    with pytest.raises(ArgumentError, match=r"^y: expected at least one step"):
        net.loss_and_grad(params(), x(), y(steps=0))


def test_encoder_decoder_lengths() -> None:
    net, backend = network(architecture="encoder-decoder")
    net.loss_and_grad(params(), x(), y(steps=4), lengths=([5, 2], np.array([1, 4], np.int8)))
    assert backend.array("last_x").tolist() == [5, 2] and backend.array("last_y").tolist() == [1, 4]
    assert backend.array("last_x").dtype == np.intp == backend.array("last_y").dtype
    net.loss_and_grad(params(), x(), y(steps=4), lengths=(None, [1, 4]))
    assert backend.arrays["last_x"] is None
    for wrong in ([1, 2, 3], 3, np.array([[1, 2], [1, 2]])):
        with pytest.raises(ArgumentTypeError, match=r"^lengths: expected a pair"):
            net.loss_and_grad(params(), x(), y(steps=4), lengths=wrong)
    with pytest.raises(ArgumentError, match=r"^lengths\[1\]: expected lengths in 1\.\.4"):
        net.loss_and_grad(params(), x(), y(steps=4), lengths=([5, 5], [5, 4]))


def test_lengths_are_copied() -> None:
    net, backend = network()
    lengths = np.array([5, 2], np.intp)
    plan = net.plan(params(), x(), y(), lengths=lengths)
    lengths[:] = 99
    plan()
    assert backend.array("last_x").tolist() == [5, 2]


def test_targets_fed_back() -> None:
    net, backend = network(architecture="one-to-many", feed="target")
    net.forward(params(), x(steps=1), y=y(steps=4))
    assert backend.counts.T_y == 4 and backend.array("y").shape == (4, B, 6)
    net.vjp(params(), x(steps=1), y=y(steps=4))
    for call in (net.forward, net.vjp):
        with pytest.raises(ArgumentError, match=r"^y: expected the targets"):
            call(params(), x(steps=1), steps=4)


def test_fixed_number_of_steps() -> None:
    net, _ = network(T=5)
    net.loss_and_grad(params(), x(), y())
    with pytest.raises(ArgumentError, match=r"^x: expected shape .*T = 5"):
        net.loss_and_grad(params(), x(steps=4), y(steps=4))
    one_to_many, backend = network(T=4, architecture="one-to-many")
    one_to_many.forward(params(), x(steps=1))
    assert backend.counts == Counts(1, 4, B)
    pair, backend = network(T=(5, 4), architecture="encoder-decoder")
    pair.forward(params(), x())
    assert backend.counts == Counts(5, 4, B)
    with pytest.raises(ArgumentError, match=r"^steps: expected T_y = 4"):
        pair.forward(params(), x(), steps=5)


def test_sizes_are_read_off_the_arrays() -> None:
    net, backend = network(TWIN)
    net.loss_and_grad(params(TWIN), x(), y())
    assert backend.array("a0").shape == (B, 4)
    with pytest.raises(ArgumentError, match=r"^x: .*n_x = 3"):
        net.loss_and_grad(params(TWIN), numbers(T, B, 4), y())
    with pytest.raises(ArgumentError, match=r"^y: .*n_y = 6"):
        net.loss_and_grad(params(TWIN), x(), numbers(T, B, 3))
    with pytest.raises(ArgumentError, match=r"^params\['W_aa'\]: expected shape \(n_a, n_a\)"):
        net.loss_and_grad({**params(TWIN), "W_aa": numbers(4, 5)}, x(), y())
    with pytest.raises(ArgumentError, match=r"^params\['W_aa'\]: expected n_a of at least 1"):
        net.loss_and_grad({**params(TWIN), "W_aa": numbers(0, 0)}, x(), y())


def test_tied_sizes() -> None:
    net, _ = network(TWIN, tied=(("n_x", "n_y"),))
    with pytest.raises(ArgumentError, match=r"^params\['W_ya'\]: expected n_y = n_x = 3"):
        net.loss_and_grad(params(TWIN), x(), y())


def test_a_size_that_nothing_tells() -> None:
    bare = replace(TWIN, parameters={}, states={"a": "n_a"}, yhat=("n_a",))
    net, backend = network(bare)
    with pytest.raises(ArgumentError, match=r"^initial\['a'\]: .*nothing else tells n_a"):
        net.forward({}, x())
    net.forward({}, x(), initial={"a": numbers(B, 4)})
    assert backend.array("yhat").shape == (T, B, 4)


# Plans.


def test_plan_reruns_in_place() -> None:
    net, backend = network()
    p, inputs, targets, start = params(), x(), y(), numbers(B, 4)
    plan = net.plan(p, inputs, targets, initial={"a": start}, wrt=["W_aa", "x"], reduction="mean")
    loss, grads = plan()
    arrays = dict(grads)
    assert np.shares_memory(backend.array("x"), inputs) and np.shares_memory(backend.array("a0"), start)
    expected = net.loss_and_grad(p, inputs, targets, wrt=["W_aa", "x"], reduction="mean")
    for _ in range(3):
        again, same = plan()
        assert again == loss == expected[0] and same is grads
        for name, array in arrays.items():
            assert same[name] is array and np.array_equal(array, expected[1][name])


@pytest.mark.parametrize(
    ("error", "convert"),
    [
        (ArgumentTypeError, lambda array: array.tolist()),
        (ArgumentTypeError, lambda array: array.astype(np.float32)),
        (ArgumentTypeError, lambda array: array.astype(">f8")),
        (ArgumentTypeError, lambda array: array.astype(int)),
        (ArgumentTypeError, lambda array: memoryview(array)),
        (ArgumentError, lambda array: np.asfortranarray(array)),
        (ArgumentError, lambda array: np.repeat(array, 2, axis=0)[::2]),
        (ArgumentError, lambda array: _unaligned(array)),
    ],
)
def test_plan_never_copies(error: type[Exception], convert: Callable[[Any], Any]) -> None:
    net, _ = network()
    with pytest.raises(error, match=r"^x: expected .*a plan never copies"):
        net.plan(params(), convert(x()), y())
    with pytest.raises(error, match=r"^params\['W_ax'\]: "):
        net.plan({**params(), "W_ax": convert(params()["W_ax"])}, x(), y())
    with pytest.raises(error, match=r"^initial\['a'\]: "):
        net.plan(params(), x(), y(), initial={"a": convert(numbers(B, 4))})


def test_plan_takes_read_only_arrays() -> None:
    net, _ = network()
    net.plan(params(), _read_only(x()), y())()


def test_repr() -> None:
    net, _ = network()
    assert repr(net) == "<Network vanilla, many-to-many, n_x=3, n_a=4, n_y=6, float64>"
