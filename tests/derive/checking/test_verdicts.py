"""One meaning for every symbol: where a claim is true, false or undefined, and when it is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalkgrad import derive
from chalkgrad.derive.checking.check import check
from chalkgrad.derive.checking.reading.errors import FormulaError
from chalkgrad.derive.errors import ChoiceError

LABELLED = Path(__file__).parents[3] / ".." / "shared" / "claims.jsonl"
FED = {"architecture": "one-to-many", "feed": "output"}
ONE, TWO = {"architecture": "many-to-one"}, {"architecture": "encoder-decoder"}

RIGHT: tuple[tuple[str, dict[str, str], str, tuple[str, ...]], ...] = (
    ("vanilla", {}, "dL[t]/da[t+1] = 0", ()),
    ("vanilla", {}, "d+a[3]/da[1] = 0", ()),
    ("vanilla", {}, "d+L[2]/da[1] = 0", ()),
    ("vanilla", {}, "d+a[2]/dz_a[2] = diag(1 - a[2]^2)", ()),
    ("vanilla", {}, "d+z_a[t]/da[t-1] = W_aa", ()),
    ("vanilla", {}, "da[t]/da[t] = da[1]/da[1]", ()),
    ("vanilla", {}, "dL/dW_aa = sum_k (d+a[k]/dW_aa)^T @ delta_a[k]", ()),
    ("vanilla", {}, "dL/dW_aa = sum_{k=1}^{T} dL/da[k] @ d+a[k]/dW_aa", ()),
    ("vanilla", {}, "delta_a[t] = sum_{k=t}^{T} (da[k]/da[t])^T @ W_ya^T @ (yhat[k] - y[k])", ()),
    ("vanilla", {}, "delta_a[T+7] = 0", ()),
    ("vanilla", {}, "delta_a[T-1] = W_ya^T @ delta_z_yhat[T-1] + W_aa^T @ delta_z_a[T]", ()),
    ("vanilla", {}, "da[t]/da[k] = prod_{j=k+1}^{t} da[j]/da[j-1]", ("k <= t",)),
    ("vanilla", {}, "dL/da[t-1] = dL/da[t] @ da[t]/da[t-1] + dL[t-1]/da[t-1]", ("t > 1",)),
    ("vanilla", {}, "a[t+1] = tanh(W_aa @ a[t] + W_ax @ x[t+1] + b_a)", ("t < T",)),
    ("vanilla", {}, "dL/dW_aa = sum_{t=2}^{T} delta_z_a[t] @ a[t-1]^T", ("a[0] = 0",)),
    ("vanilla", {"h": "softmax"}, "delta_z_yhat[t] = yhat[t] - y[t]", ("sum(y) = 1",)),
    ("vanilla", {"h": "identity"}, "sqrt(yhat[t]^2) = yhat[t]", ("0 < yhat < 1",)),
    ("vanilla", ONE, "dL/da[t] = dL/da[t+1] @ da[t+1]/da[t]", ("t < T",)),
    ("vanilla", TWO, "delta_a[T_x] = dec_W_aa^T @ delta_z_a[T_y+1]", ("T_x = T_y",)),
    ("vanilla", FED, "x[t] = yhat[t-1]", ("t > 1",)),
    ("lstm", {}, "dc[t]/dc[t-1] = diag(f[t]) + dc[t]/da[t-1] @ d+a[t-1]/dc[t-1]", ()),
    ("lstm", {}, "d+c[t]/dc[t-1] = diag(f[t])", ()),
    ("gru", {}, "d+a[t]/dW_ra = 0", ()),
    ("gru", {}, "d+k[t]/dr[t] = diag(1 - k[t]^2) @ W_ka @ diag(a[t-1])", ()),
)
WRONG = (
    ("vanilla", {}, "delta_a[t+3] = 0"),
    ("vanilla", {}, "delta_a[t+7] = 0"),
    ("vanilla", {}, "(T - 3) * (T - 5) * delta_a[t] = 0"),
    ("vanilla", {}, "dL/dW_aa = dL/dW_aa^T"),
    ("vanilla", {}, "dL/dW_aa = d+L/dW_aa"),
    ("vanilla", {}, "dL/db_a = (n_a / 6) * sum_t delta_z_a[t]"),
    ("vanilla", {}, "dL/db_y = n_y * sum_t (yhat[t] - y[t])"),
    ("vanilla", {}, "da[1]/da[1] = 1"),
    ("vanilla", {}, "dL/db_a = 1.0000000000001 * sum_t delta_z_a[t]"),
    ("vanilla", {}, "a[t] = tanh(z_a[t]) + 1/10^15 * x[t]^T @ x[t]"),
    ("vanilla", {}, "da[t]/da[k] = da[t]/da[t-1] @ da[t-1]/da[k]"),
    ("vanilla", {}, "delta_a[t] = dL[t]/da[t] + dL/da[t+1] @ da[t+1]/da[t]"),
    ("vanilla", {}, "W_aa^2 = W_aa @ W_aa"),
    ("vanilla", {}, "delta_z_yhat[t] = delta_z_yhat[t] * W_ya"),
    ("lstm", {}, "dc[t]/dc[t-1] = diag(f[t])"),
    ("lstm", {}, "d+a[t]/dc[t] = 0"),
    ("vanilla", FED, "delta_yhat[t] = W_ax^T @ delta_z_a[t+1]"),
    ("vanilla_stacked", {}, "dd[t]/da[t-1] = dd[t]/da[t] @ da[t]/da[t-1]"),
)


@pytest.mark.parametrize("name, chosen, claim, conditions", RIGHT)
def test_right(name: str, chosen: dict[str, str], claim: str, conditions: tuple[str, ...]) -> None:
    report = check(derive.load(name, **chosen), claim)  # type: ignore[call-overload]
    assert (report.verdict, report.conditions, report.mistakes) == ("right", conditions, ())
    assert all(condition in report.explanation for condition in conditions)


@pytest.mark.parametrize("name, chosen, claim", WRONG)
def test_wrong(name: str, chosen: dict[str, str], claim: str) -> None:
    report = check(derive.load(name, **chosen), claim)  # type: ignore[call-overload]
    assert (report.verdict, report.conditions) == ("wrong", ())
    assert report.mistake == report.mistakes[0]


def test_what_holds_for_the_given_length_alone() -> None:
    model = derive.load("vanilla")
    assert check(model, "delta_a[t+3] = 0", T=3).conditions == ("T = 3",)
    assert check(model, "delta_a[t+2] = 0", T=3).conditions == ("t > 1", "T = 3")
    assert not check(model, "delta_a[t+1] = 0", T=3)


def test_the_layout_is_told() -> None:
    model = derive.load("vanilla")
    assert check(model, "dL/dz_a[t] = dL/da[t] @ diag(1 - a[t]^2)").reading == "jacobian"
    assert check(model, "dL/dz_a[t] = (1 - a[t]^2) * dL/da[t]").reading == "gradient"


def test_sizes_may_be_given() -> None:
    model = derive.load("vanilla")
    claim = "dL/db_a = n_a / 3 * sum_t delta_z_a[t]"
    assert not check(model, claim) and check(model, claim, sizes={"n_a": 3})
    with pytest.raises(ChoiceError, match="sizes"):
        check(model, claim, sizes={"n_b": 3})


ANSWERS = (
    ("dL/dW_aa = sum_t delta_z_a[t] @ a[t-1]^T", "right"),
    ("dL/dW_aa = sum_t dL/dz_a[t] @ a[t-1]^T", "right"),
    ("dL/dW_aa = sum_t delta_z_a[t] @ a[t]^T", "wrong"),
    ("dL/dW_aa = dL/dW_aa", "refused"),
    ("dL/dW_aa = (dL/dW_aa^T)^T", "refused"),
    ("dL/dW_aa = sum_t dL[t]/dW_aa", "refused"),
    ("dL/dW_aa = sum_{k=1}^{T} dL/da[k] @ d+a[k]/dW_aa", "refused"),
    ("dL/db_a = sum_t delta_z_a[t]", "refused"),
)


@pytest.mark.parametrize("claim, verdict", ANSWERS)
def test_an_answer_does_not_restate_the_question(claim: str, verdict: str) -> None:
    model = derive.load("vanilla")
    report = check(model, claim, target="dL/dW_aa", allow=("delta", "values"))
    assert report.verdict == verdict and report.correct is (verdict == "right")


def test_delta_is_another_name_of_a_derivative() -> None:
    model = derive.load("vanilla")
    claim = "delta_a[t] = dL/da[t]"
    assert check(model, claim) and check(model, claim, target="dL/da[t]").verdict == "refused"
    assert "may not use" in check(model, claim, target="dL/da[t]").explanation
    with pytest.raises(ChoiceError, match="allow"):
        check(model, claim, allow=("all",))  # type: ignore[arg-type]


@pytest.mark.skipif(not LABELLED.is_file(), reason="the labelled claims are not beside the project")
def test_labelled_claims() -> None:
    """Truth and condition of every claim that is read."""
    rows = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    wanted = {"true": ("right", ()), "false": ("wrong", ())}
    off, read = [], 0
    for row in rows:
        T = row["choices"].pop("T", None)
        model = derive.load(row["model"], **row["choices"])
        try:
            report = check(model, row["formula"], T=T)
        except FormulaError:
            continue
        read += 1
        due = wanted.get(row["truth"], ("right", (row["condition"],)))
        if (report.verdict, report.conditions) != due:
            off.append((row["formula"], report.verdict, report.conditions, due))
    assert read >= 183 and not off
