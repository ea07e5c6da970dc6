"""Names of the model as names of C and Python: legal, all different, and without harm to the numbers."""

from __future__ import annotations

import builtins
import keyword
import re
import string
from dataclasses import replace
from pathlib import Path

import pytest
from calls import arguments, compare, everything, interface_of, interpreted, lowered
from hostile import C_WORDS, NAMES, RESERVED, model_file
from hypothesis import given, settings
from hypothesis import strategies as st

import derive
from codegen import emit, numpy_twin, pipeline
from codegen.build import compile_sources
from codegen.identifiers import C_RESERVED, c_names, python_names, struct_fields
from codegen.interface import Interface
from codegen.native import CBackend
from codegen.network import Network

SIZES = {"n_x": 2, "n_a": 4, "n_y": 5}
_words = st.text(alphabet=string.ascii_letters + string.digits + "_", min_size=1, max_size=6)
names = st.lists(
    st.one_of(_words.filter(lambda w: not w[0].isdigit()), st.sampled_from(NAMES)), unique=True, max_size=30
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(names)
def test_c_names_are_legal_and_different(given_names: list[str]) -> None:
    spelled = c_names(given_names)
    assert list(spelled) == given_names
    assert len(set(spelled.values())) == len(given_names)
    for name in spelled.values():
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name), "an underscore in front is the compiler's"
        assert name not in C_RESERVED and name not in C_WORDS


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(names)
def test_python_names_are_legal_and_different(given_names: list[str]) -> None:
    taken = ["np", "np_", "dtype"]
    spelled = python_names(given_names, taken)
    assert len(set(spelled.values())) == len(given_names)
    for name in spelled.values():
        assert name.isidentifier() and not keyword.iskeyword(name)
        assert name not in taken and not hasattr(builtins, name)


def test_the_names_of_the_note_stay() -> None:
    note = ("W_aa", "W_ax", "b_a", "W_ya", "b_y", "a", "yhat", "z_a", "delta_z_a", "loss", "d_W_aa", "a0")
    assert c_names(note) == {n: n for n in note}
    assert python_names(note, ["np"]) == {n: n for n in note}


def test_members_of_the_struct_are_different() -> None:
    face = Interface(
        name="net",
        architecture="encoder-decoder",
        feed="none",
        parameters=dict.fromkeys(("d_x", "loss", "T_x", "B", "work", "last_x", "states_a", "dyhat", "d_a0"), ()),
        states={"a": "n", "a_": "n"},
        x="n",
        yhat=("n",),
    )
    fields = struct_fields(face)
    members = [*fields.values(), "T_x", "T_y", "B", "work"]
    assert len(set(members)) == len(members)
    assert {"last_x", "last_y", "d.d_x", "d.x", "dstates.a_"} < set(fields)


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_are_mistakes_of_the_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(model_file((name, "b_1", "s_1")))
    with pytest.raises(derive.ModelFileError, match=re.escape(name)):
        derive.load(path)


def _models(folder: Path) -> dict[str, tuple[derive.Model, dict[str, int]]]:
    """Every hostile name as a matrix, a vector and a scalar; then as a state, a size and an intermediate."""
    used = {"n_x", "n_a", "n_y", "a", "h_1", "V_hostile", "U_hostile"}
    hostile = [n for n in NAMES if n not in used]
    hostile += hostile[: -len(hostile) % 3]
    texts = [model_file((a, b, c)) for a, b, c in zip(hostile[::3], hostile[1::3], hostile[2::3], strict=True)]
    sizes = [dict(SIZES) for _ in texts]
    for state, size, inner in zip(hostile, hostile[7:], hostile[19:], strict=False):
        if len({state, size, inner}) == 3 and size not in ("T_x", "T_y") and inner not in (f"{state}0", "y0"):
            texts.append(model_file(("W_1", "b_1", "s_1"), state, size, inner))
            sizes.append({"n_x": 2, size: 4, "n_y": 5})
    models = {}
    for number, (text, numbers) in enumerate(zip(texts, sizes, strict=True)):
        path = folder / f"net{number}.toml"
        path.write_text(text)
        models[f"net{number}"] = derive.load(path), numbers
    return models


def test_hostile_names_give_the_right_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C and twin against the interpreter, which knows no identifiers."""
    monkeypatch.setattr(
        "codegen.toolchain.FLAGS", ("-std=c11", "-O0", "-fPIC", "-Wall", "-Wextra", "-Wshadow", "-Werror")
    )
    models = _models(tmp_path)
    emitted = {
        prefix: emit(model, sizes, T=2 if int(prefix[3:]) % 2 else None, name=prefix)
        for prefix, (model, sizes) in models.items()
    }
    module = compile_sources([e.source for e in emitted.values()])
    for prefix, (model, sizes) in models.items():
        derivation = derive.bptt(model)
        face = interface_of(derivation, sizes)
        programs = {
            name: pipeline.run(p, pipeline.vector_passes()) for name, p in lowered(derivation).items()
        }
        a = arguments(face, 5, lengths=True)
        expected = everything(interpreted(face, programs), a)
        own = emitted[prefix].interface
        compiled = Network(replace(own, T=None), CBackend(module, prefix, struct_fields(own)))
        compare(expected, everything(compiled, a), 1e-9)
        compare(expected, everything(numpy_twin(derivation), a), 1e-9)
