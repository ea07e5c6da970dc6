"""The model language: how operators bind, what shapes result, which loss is meant, which names there are."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle import OracleError, load

HEAD = """
[sizes]
n = "inputs"
m = "units"
[inputs]
x = ["n"]
[states]
a = ["n"]
[parameters]
W = ["m", "n"]
U = ["n", "m"]
v = ["m"]
r = ["n"]
s = []
[functions]
g = ["tanh", "relu", "sigmoid"]
[equations]
a = "x + r * a[t-1]"
[output]
"""
SIZES = {"n": 3, "m": 2}


def values() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "W": rng.normal(size=(2, 3)),
        "U": rng.normal(size=(3, 2)),
        "v": rng.normal(size=2),
        "r": rng.normal(size=3),
        "s": rng.normal(size=()),
    }


P = values()
X = np.array([0.3, -0.5, 0.7])
SIGMOID = 1 / (1 + np.exp(-X))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-W @ a", -(P["W"] @ X)),
        ("0.5 * W @ a", 0.5 * (P["W"] @ X)),
        ("-0.5 * W @ a * v", -0.5 * (P["W"] @ X) * P["v"]),
        ("s * W @ a + v", P["s"] * (P["W"] @ X) + P["v"]),
        ("W / s @ a", P["W"] @ X / P["s"]),
        ("U @ W @ a", P["U"] @ P["W"] @ X),
        ("U @ (v * (W @ a))", P["U"] @ (P["v"] * (P["W"] @ X))),
        ("W.T @ v", P["W"].T @ P["v"]),
        ("-(U @ W).T @ r", -(P["U"] @ P["W"]).T @ P["r"]),
        ("(U.T - 2 * W) @ a", (P["U"].T - 2 * P["W"]) @ X),
        ("W @ -a", -(P["W"] @ X)),
        ("-a ** 2", -(X**2)),
        ("a ** -2 + 2 ** 3", X**-2.0 + 8),
        ("(a + 1) ** (1 / 2)", np.sqrt(X + 1)),
        ("(a + 1) ** 1.5 / 3", (X + 1) ** 1.5 / 3),
        ("1 - a", 1 - X),
        ("s / (2 + a[t])", P["s"] / (2 + X)),
        ("sum(a * a) - mean(x[t])", np.array((X**2).sum() - X.mean())),
        ("softmax(a)", np.exp(X) / np.exp(X).sum()),
        ("sigmoid(a)", SIGMOID),
        ("softplus(square(a))", np.log1p(np.exp(X**2))),
        ("sin(a) * cos(a) + exp(+a)", np.sin(X) * np.cos(X) + np.exp(X)),
        ("log(sqrt(a + 1))", np.log(X + 1) / 2),
        ("relu(a) - leaky_relu(a)", np.where(X > 0, 0, -0.01 * X)),
        ("identity(g(a))", np.tanh(X)),
        ("1_0 * a * 1e-1", X),
    ],
)
def test_meaning(text: str, expected: np.ndarray) -> None:
    net = load(f'{HEAD}yhat = "{text}"\n')
    result = net.run(SIZES, P, X.reshape(1, 1, 3))
    assert result.yhat is not None
    assert result.yhat.shape == (1, 1, *expected.shape)
    assert result.yhat[0, 0] == pytest.approx(expected, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(
    "text", ["W.T @ v", "U @ W @ a", "(U.T - s * W) @ a", "mean(r / a) ** 2 / s", "a ** -2"]
)
def test_pull_backs(text: str) -> None:
    """Along one random direction; the forward pass is exact, so the difference is as good as its order."""
    net = load(f'{HEAD}yhat = "{text}"\n')
    rng = np.random.default_rng(1)
    shape = tuple(SIZES[n] for n in net.yhat or ())
    dyhat = rng.normal(size=(1, 1, *shape))
    x = X.reshape(1, 1, 3)
    vjp = net.run(SIZES, P, x, dyhat=dyhat).vjp
    direction = {name: rng.normal(size=g.shape) for name, g in vjp.items()}

    def along(h: float) -> float:
        params = {name: value + h * direction[name] for name, value in P.items()}
        result = net.run(SIZES, params, x + h * direction["x"], initial={"a": h * direction["a0"]})
        assert result.yhat is not None
        return float((dyhat * result.yhat).sum())

    h = 2.0**-14
    slope = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    assert slope == pytest.approx(sum(float((vjp[n] * direction[n]).sum()) for n in vjp), rel=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        *("r * W @ a", "(W ** 2) @ a", "W @ v", "a @ W", "W", "W + 1", "a + v", "sum(s)"),
        *("b", "yhat", "a[t-2]", "x[t-1]", "f(a)", "g(a, a)", "a ** s", "a // 2"),
        *("True", "'a'", "a.b", "a if a else a", "a +", "__import__('os')"),
    ],
)
def test_not_in_the_language(text: str) -> None:
    with pytest.raises(OracleError):
        load(f'{HEAD}yhat = "{text}"\n')


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        ('yhat = "sigmoid(a)"', "binary_cross_entropy"),
        ('yhat = "softmax(a)"', "cross_entropy"),
        ('yhat = "tanh(a)"', "squared_error"),
        ('yhat = "g(a)"', "binary_cross_entropy"),
        ('p = "sigmoid(a)"\nq = "identity(p)"\nyhat = "+q"', "binary_cross_entropy"),
        ('yhat = "identity(softmax(a))"', "cross_entropy"),
        ('yhat = "1 - sigmoid(a)"', "binary_cross_entropy"),
        ('p = "g(a)"\nyhat = "1.0 - (1 - p)"', "binary_cross_entropy"),
        ('yhat = "1 - softmax(a)"', "squared_error"),
        ('yhat = "2 - sigmoid(a)"', "squared_error"),
        ('yhat = "1 * sigmoid(a)"', "squared_error"),
        ('yhat = "sigmoid(s)"', "binary_cross_entropy"),
        ('yhat = "sigmoid(0.5)"', "binary_cross_entropy"),
    ],
)
def test_auto_judges_what_is_written(output: str, kind: str) -> None:
    assert load(HEAD + output + "\n", g="sigmoid").loss == kind


def test_losses_of_a_file() -> None:
    text = HEAD + 'yhat = "sigmoid(a)"\n[loss]\nkind = ["squared_error", "cross_entropy"]\n'
    assert load(text).loss == "squared_error"
    assert load(text, loss="cross_entropy").loss == "cross_entropy"
    with pytest.raises(OracleError, match="loss"):
        load(text, loss="binary_cross_entropy")


def test_choices_are_checked() -> None:
    for wrong in (
        {"g": "softplus"},
        {"k": "tanh"},
        {"architecture": "many"},
        {"feed": "output"},
        {"feed": "x"},
    ):
        with pytest.raises(OracleError):
            load("vanilla", **wrong)
    with pytest.raises(OracleError, match="no model file"):
        load("no_such_model")


def test_names_and_shapes() -> None:
    net = load("vanilla")
    assert net.parameters["W_ax"] == ("n_a", "n_x")
    assert (net.states, net.x, net.yhat) == ({"a": "n_a"}, "n_x", ("n_y",))
    plain = load("vanilla", "encoder-decoder").parameters
    assert set(plain) == {f"enc_{p}" for p in ("W_aa", "W_ax", "b_a")} | {f"dec_{p}" for p in net.parameters}
    assert plain["dec_W_ax"] == ("n_a", "n_x")
    fed = load("vanilla", "encoder-decoder", "output").parameters
    assert (fed["enc_W_ax"], fed["dec_W_ax"]) == (("n_a", "n_x"), ("n_a", "n_y"))
    assert load(HEAD.replace("[output]\n", "")).yhat is None
