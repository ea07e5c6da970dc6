"""generated/: what the manifest says, byte for byte, whatever the hash seed; and it works."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalkgrad import derive
from chalkgrad.codegen import showcase
from chalkgrad.codegen.errors import ArgumentError

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "generated" / "manifest.toml"
SUFFIXES = (".c", ".h", ".py", "_numpy.py")
FEW = ("65537",)
MANY = ("0", "1", "2", "3", "42", "1000", "123456789", "2147483647", "4294967295")


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def regenerated(folder: Path, seed: str) -> dict[str, bytes]:
    """What `chalkgrad showcase` writes under one hash seed, by file name."""
    folder.mkdir()
    (folder / "manifest.toml").write_bytes(MANIFEST.read_bytes())
    command = [sys.executable, "-m", "chalkgrad", "showcase", "--no-compile", "--folder", str(folder)]
    subprocess.run(
        command, check=True, capture_output=True, timeout=120, env=environment(PYTHONHASHSEED=seed)
    )
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("seeds", [FEW, pytest.param(MANY, marks=pytest.mark.full)], ids=["few", "many"])
def test_regeneration_changes_no_byte(seeds: tuple[str, ...], tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(lambda seed: regenerated(tmp_path / seed, seed), seeds))
    names = [f"{entry.name}{suffix}" for entry in showcase.read_manifest(MANIFEST) for suffix in SUFFIXES]
    assert sorted(written[0]) == sorted([*names, "manifest.toml"])
    for again in written[1:]:
        assert again == written[0]
    committed = {
        path.name: path for path in (ROOT / "generated").iterdir() if path.suffix in (".c", ".h", ".py")
    }
    if not set(names) & set(committed):
        pytest.skip("generated/ has not been written yet")
    for name in names:
        assert committed[name].read_bytes() == written[0][name], f"{name}: run make build"


def test_the_manifest_covers_what_is_promised() -> None:
    entries = {e.name: e for e in showcase.read_manifest(MANIFEST)}
    note = entries["rnn_t2"]
    assert (note.model, note.functions, note.T) == ("vanilla", {"g": "tanh", "h": "sigmoid"}, 2)
    assert {"vanilla", "gru", "lstm"} <= {e.model for e in entries.values()}
    assert {"many-to-one", "encoder-decoder"} <= {e.architecture for e in entries.values()}
    assert {"float32", "float64"} == {e.dtype for e in entries.values()}
    for entry in entries.values():
        derive.load(entry.model, **entry.choices)


_USE = """
import numpy as np
from generated import {name} as net
face = net.network.interface
T = face.T or 3
T_x, T_y = T if isinstance(T, tuple) else (T, T)
rng = np.random.default_rng(0)
many_to_one = face.architecture == "many-to-one"
def array(*shape):
    return rng.uniform(0.1, 0.9, shape).astype(face.dtype)
params = {{n: array(*(face.sizes[s] for s in shape)) for n, shape in face.parameters.items()}}
x = array(T_x, 2, face.sizes[face.x])
y = array(1 if many_to_one else T_y, 2, *(face.sizes[s] for s in face.yhat))
loss, grads = net.loss_and_grad(params, x, y)
more = {{"steps": T_y}} if face.architecture == "encoder-decoder" else {{}}
yhat, states = net.forward(params, x, **more)
vjp = net.vjp(params, x, dyhat=y, **more)
again, _ = net.plan(params, x, y)()
assert loss == again and yhat.shape == y.shape and list(grads) == list(vjp) == list(params)
print(net.network.source.count("{name}_loss_and_grad") > 0, np.isfinite(loss))
"""


@pytest.mark.parametrize("count", [1, pytest.param(None, marks=pytest.mark.full)])
def test_a_generated_folder_is_a_package_that_works(count: int | None, tmp_path: Path) -> None:
    """The first entries, or all, compiled beside their source and imported, with no compiler at hand."""
    folder = tmp_path / "generated"
    folder.mkdir()
    (folder / "__init__.py").write_bytes((ROOT / "generated" / "__init__.py").read_bytes())
    head, *tables = MANIFEST.read_text(encoding="utf-8").split("\n[")
    (folder / "manifest.toml").write_text("\n[".join([head, *tables[:count]]), encoding="utf-8")
    command = [sys.executable, "-m", "chalkgrad", "showcase", "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, env=environment())
    entries = showcase.read_manifest(folder / "manifest.toml")
    assert len(entries) == (count or len(tables))
    assert len(done.stdout.splitlines()) == len(entries) == len(list(folder.glob("*.so")))
    without = environment(
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
        CC="no-such-compiler",
        CHALKGRAD_CACHE=str(tmp_path / "none"),
    )
    code = "".join(_USE.format(name=entry.name) for entry in entries)
    used = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=without
    )
    assert used.returncode == 0, used.stderr[-2000:]
    assert used.stdout.split() == ["True", "True"] * len(entries)


@pytest.mark.parametrize(
    "text, what",
    [
        ("[net]\nmodel = 'vanilla'\nsizes = {n_x = 1}\ncolour = 3", "colour"),
        ("[net]\nmodel = 'vanilla'", "sizes"),
        ("[net", "TOML"),
    ],
)
def test_mistakes_in_a_manifest(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(text)
    with pytest.raises(ArgumentError, match=what):
        showcase.read_manifest(path)
