"""Networks travel: pickled, copied, sent to processes that share nothing with this one."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chalkgrad as cg
from chalkgrad.codegen import folder
from chalkgrad.codegen.building import cache, toolchain
from tests.quick import flags_at

SIZES = {"n_x": 2, "n_a": 3, "n_y": 2}
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "FLAGS", flags_at("-O0"))


def data(net: cg.Network) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    params = {
        name: random.normal(size=[SIZES[size] for size in shape])
        for name, shape in net.interface.parameters.items()
    }
    return params, random.normal(size=(4, 5, 2)), random.uniform(size=(4, 5, 2))


def exported(place: Path) -> cg.Network:
    model = cg.load("vanilla")
    texts = folder.files(cg.emit(model, SIZES, name="net"), model.title, "")
    folder.write(texts, place)
    return folder.load(str(place / "net.py"), cg.emit(model, SIZES, name="net").interface)


NETWORKS: dict[str, Callable[[Path], cg.Network]] = {
    "built": lambda _: cg.build(cg.load("vanilla"), SIZES, threads=1),
    "of a derivation, float32, T fixed": lambda _: cg.build(cg.bptt(cg.load("vanilla")), SIZES, "float32", 4),
    "twin": lambda _: cg.numpy_twin(cg.load("vanilla")),
    "twin of a model file": lambda _: cg.numpy_twin(cg.load(Path("derive/cells/models/vanilla.toml")), SIZES),
    "folder": exported,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_travels(name: str, tmp_path: Path) -> None:
    net = NETWORKS[name](tmp_path)
    arguments = data(net)
    if net.interface.dtype == "float32":
        arguments = tuple(
            {k: v.astype("f4") for k, v in a.items()} if isinstance(a, dict) else a.astype("f4")
            for a in arguments
        )
    loss, grads = net.loss_and_grad(*arguments)
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), copy.copy(net)):
        assert other is not net and other.interface == net.interface and repr(other) == repr(net)
        found, gradients = other.loss_and_grad(*arguments)
        assert found == loss
        assert all(np.array_equal(gradients[name], grads[name]) for name in grads)


def test_a_process_that_shares_nothing_gets_the_same() -> None:
    net = cg.numpy_twin(cg.load("vanilla"))
    with ProcessPoolExecutor(1, SPAWN) as pool:
        loss, grads = pool.submit(net.loss_and_grad, *data(net)).result()
    here, gradients = net.loss_and_grad(*data(net))
    assert loss == here and all(np.array_equal(grads[name], gradients[name]) for name in grads)


def test_where_nothing_can_be_built_the_twin_is_offered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    net = cg.build(cg.load("vanilla"), SIZES)
    text = pickle.dumps(net)
    monkeypatch.setenv("CC", "no-such-compiler")
    assert pickle.loads(text).interface == net.interface  # from the cache
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path))
    for name in [name for name in sys.modules if name.startswith(cache.MODULE)]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(cg.BuildError, match="numpy_twin"):
        pickle.loads(text)


def test_what_cannot_travel_says_so() -> None:
    net = cg.numpy_twin(cg.load("vanilla"))
    plan = net.plan(*data(net))
    for thing in (plan, cg.Network(net.interface, net._backend)):
        with pytest.raises(TypeError, match=r"make one there|build it where"):
            pickle.dumps(thing)


def test_a_cached_network_needs_no_compiler(tmp_path: Path) -> None:
    """In a new process: built ones, and those of a folder."""
    program = (
        "import sys, pathlib, chalkgrad as cg\n"
        "from chalkgrad.codegen.building import toolchain\n"
        f"toolchain.FLAGS = {toolchain.FLAGS!r}\n"
        f"net = cg.build(cg.load('vanilla'), {SIZES!r})\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import net as exported\n"
        "print(repr(net), repr(exported.network))\n"
    )
    exported(tmp_path)
    (tmp_path / "empty").mkdir()
    environment = {"CHALKGRAD_CACHE": str(tmp_path / "cache"), "PYTHONPATH": ":".join(sys.path)}
    for path in ("/usr/bin:/bin", str(tmp_path / "empty")):
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, env={**environment, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("<Network") == 2
