"""Names of the model as names of C and Python: legal, all different, and without harm to the numbers."""

from __future__ import annotations

import builtins
import keyword
import re
import shutil
import string
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalkgrad import derive
from chalkgrad.codegen import emit, numpy_twin
from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.building.native import CBackend
from chalkgrad.codegen.c.identifiers import C_RESERVED, c_names, python_names, struct_fields
from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.passes import pipeline
from chalkgrad.codegen.program.interface import Interface
from tests.codegen.calling.hostile import C_WORDS, GROUP, NAMES, RESERVED, model_file
from tests.codegen.calls import arguments, compare, everything, interpreted, lowered
from tests.quick import PLAIN_FUNCTIONS

_words = st.text(alphabet=string.ascii_letters + string.digits + "_", min_size=1, max_size=6)
names = st.lists(
    st.one_of(_words.filter(lambda w: not w[0].isdigit()), st.sampled_from(NAMES)), unique=True, max_size=30
)


@given(names)
def test_c_names_are_legal_and_different(given_names: list[str]) -> None:
    spelled = c_names(given_names)
    assert list(spelled) == given_names
    assert len(set(spelled.values())) == len(given_names)
    for name in spelled.values():
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name), "an underscore in front is the compiler's"
        assert name not in C_RESERVED and name not in C_WORDS


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


_MEMBERS = ("d_x", "loss", "T_x", "B_", "work", "last_x", "states_a", "dyhat", "d_a0", "params_loss")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_no_name_is_a_macro_of_a_header_that_a_build_reads() -> None:
    headers = "".join(f"#include <{h}.h>\n" for h in ("Python", "math", "stddef", "stdint", "string"))
    command = ["cc", "-dM", "-E", "-xc", "-", *(f"-I{path}" for path in toolchain.python_headers())]
    done = subprocess.run(command, input=headers, capture_output=True, text=True, check=True)
    macros = re.findall(r"^#define ([A-Za-z]\w*)", done.stdout, re.MULTILINE)
    assert "math_errhandling" in macros and "Py_None" in macros
    assert [name for name in macros if c_names([name])[name] == name] == []


def test_members_of_the_struct_are_different() -> None:
    face = Interface(
        name="net",
        architecture="encoder-decoder",
        feed="none",
        parameters=dict.fromkeys(_MEMBERS, ()),
        states={"a": "n", "a_": "n"},
        x="n",
        yhat=("n",),
    )
    fields = struct_fields(face)
    members = [*fields.values(), "T_x", "T_y", "B", "work"]
    assert len(set(members)) == len(members)
    assert {"last_x", "last_y", "d.d_x", "d.x", "dstates.a_", "params.loss", "loss"} < set(fields)
    assert len(fields) == 2 * (len(_MEMBERS) + 3) + 10


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_are_mistakes_of_the_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    names, inner = [f"p_{i}" for i in range(3 * GROUP)], [f"h_{i}" for i in range(2 * GROUP)]
    path.write_text(model_file([name, *names[1:]], inner))
    with pytest.raises(derive.ModelFileError, match=re.escape(name)):
        derive.load(path)


def _models(folder: Path) -> dict[str, tuple[derive.Model, dict[str, int]]]:
    """Every hostile name as a parameter and as an intermediate, many as a state and as a size."""
    fixed = {"n_x", "n_a", "n_y", "a", "a0", "V_hostile", "U_hostile"}
    hostile = [n for n in NAMES if n not in fixed]
    models = {}
    step = 3 * GROUP
    for number in range(-(-len(hostile) // step)):
        turned = hostile[number * step :] + hostile[: number * step]
        names, inner = turned[:step], turned[step : step + 2 * GROUP]
        rest = [n for n in turned[step + 2 * GROUP :] if n not in ("T_x", "T_y")]
        size = rest[1]
        state = next(n for n in rest[2:] if f"{n}0" not in turned)
        path = folder / f"net{number}.toml"
        path.write_text(model_file(names, inner, state, size))
        models[f"net{number}"] = derive.load(path), {"n_x": 2, size: 4, "n_y": 5}
    return models


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.full)])
def test_hostile_names_give_the_right_numbers(
    every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C and twin against the interpreter, which knows no identifiers."""
    flags = ("-std=c11", "-O0", "-fPIC", "-Wall", "-Wextra", "-Wshadow", "-Werror", PLAIN_FUNCTIONS)
    monkeypatch.setattr("codegen.building.toolchain.FLAGS", flags)
    models = dict(list(_models(tmp_path).items())[::every])
    assert len(models) >= 10 // every
    emitted = {prefix: emit(model, sizes, name=prefix) for prefix, (model, sizes) in models.items()}
    module = compile_sources([e.source for e in emitted.values()])
    for prefix, (model, _) in models.items():
        own = emitted[prefix].interface
        derivation = derive.bptt(model)
        programs = {n: pipeline.run(p, pipeline.vector_passes()) for n, p in lowered(derivation).items()}
        a = arguments(own, 5, lengths=True)
        expected = everything(interpreted(own, programs), a)
        compiled = Network(own, CBackend(module, prefix, struct_fields(own)))
        compare(expected, everything(compiled, a), 1e-9)
        compare(expected, everything(numpy_twin(derivation), a), 1e-9)


@pytest.mark.usefixtures("quick_builds")
def test_hostile_names_in_straight_code(tmp_path: Path) -> None:
    """Also the names that straight code makes up, and those of the functions themselves."""
    names = ["W_1_1", "common", "largest", "others", "z_a_1_1", "a_1_1", "a_0_1", "delta_a", "v", "u_h",
             "net_args", "net_forward", "net_vjp_work", "net_straight", "L"]  # fmt: skip
    inner = ["h_1", "h", "u_h_1_1", "z_h_1_1", "z_h", "L_1", "common2", "d_h", "delta_h", "q"]
    (tmp_path / "net.toml").write_text(model_file(names, inner))
    model = derive.load(tmp_path / "net.toml")
    emitted = emit(model, {"n_x": 1, "n_a": 2, "n_y": 3}, T=2, name="net")
    assert "net_forward_straight" in emitted.c
    module = compile_sources([emitted.source])
    a = arguments(replace(emitted.interface, T=2), 5)
    a = replace(a, x=a.x[:2], y=a.y[:2], dyhat=a.dyhat[:2], dstates={n: d[:2] for n, d in a.dstates.items()})
    compiled = Network(emitted.interface, CBackend(module, "net", struct_fields(emitted.interface)))
    compare(everything(numpy_twin(model), a), everything(compiled, a), 1e-9)
