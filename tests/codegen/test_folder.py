"""An exported folder: its files, its wrapper from anywhere, and its C without Python."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_showcase import environment

from chalkgrad import derive
from chalkgrad.codegen import emit, folder, numpy_twin
from chalkgrad.codegen.driver import twin_source
from tests.codegen.calls import arguments, compare, everything

SIZES = {"n_x": 3, "n_a": 4, "n_y": 2}


def exported(target: Path, dtype: str = "float64", title: str = "A title") -> None:
    model = derive.load("vanilla", h="softmax")
    emitted = emit(model, SIZES, dtype, name="net")
    folder.write(folder.files(emitted, title, twin_source(model)), target)


def test_the_files(tmp_path: Path) -> None:
    exported(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.c", "net.h", "net.py", "net_numpy.py"]
    assert (
        folder.read_source(tmp_path / "net.py")
        == emit(derive.load("vanilla", h="softmax"), SIZES, name="net").source
    )


def test_files_that_are_as_they_should_be_stay(tmp_path: Path) -> None:
    exported(tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    exported(tmp_path)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before
    exported(tmp_path, title="Another title")
    changed = {p.name for p in tmp_path.iterdir() if p.stat().st_mtime_ns != before[p.name]}
    assert changed == {"net.py"}


def test_the_wrapper_from_another_folder(tmp_path: Path) -> None:
    exported(tmp_path / "net")
    code = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
import net
face = net.network.interface
p = {n: np.full([face.sizes[s] for s in shape], 0.5) for n, shape in face.parameters.items()}
print(net.loss_and_grad(p, np.ones((3, 2, 3)), np.full((3, 2, 2), 0.5))[0])
"""
    other = tmp_path / "other"
    other.mkdir()
    command = [sys.executable, "-c", code, str(tmp_path / "net")]
    done = subprocess.run(command, cwd=other, capture_output=True, text=True, timeout=120, env=environment())
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) == pytest.approx(
        6 * np.log(2)
    )  # equal outputs: log 2 for each step and example
    assert not list(other.iterdir())


def test_a_title_cannot_leave_the_docstring(tmp_path: Path) -> None:
    exported(tmp_path, title='say """ and \\ and end with "')
    compile((tmp_path / "net.py").read_text(encoding="utf-8"), "net.py", "exec")


@pytest.mark.usefixtures("quick_builds")
def test_a_loaded_folder_computes_what_the_twin_computes(tmp_path: Path) -> None:
    exported(tmp_path)
    interface = emit(derive.load("vanilla", h="softmax"), SIZES, name="net").interface
    network = folder.load(str(tmp_path / "net.py"), interface)
    a = arguments(interface, 3, lengths=True)
    twin = numpy_twin(derive.load("vanilla", h="softmax"))
    compare(everything(twin, a), everything(network, a), 1e-12)


@pytest.mark.usefixtures("quick_builds")
def test_an_extension_beside_the_source_is_found_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(tmp_path)
    first = folder.place_extension(tmp_path / "net.py")
    assert folder.place_extension(tmp_path / "net.py") == first
    exported(tmp_path, dtype="float32")
    second = folder.place_extension(tmp_path / "net.py")
    assert second != first and not first.exists()
    monkeypatch.setenv("CC", "no-such-compiler")
    interface = emit(derive.load("vanilla", h="softmax"), SIZES, "float32", name="net").interface
    network = folder.load(str(tmp_path / "net.py"), interface)
    _, grads = network.loss_and_grad(*_some(interface.sizes or {}))
    assert grads["W_aa"].dtype == np.float32


def _some(sizes: dict[str, int] | object) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    assert isinstance(sizes, dict)
    shapes = derive.bptt(derive.load("vanilla")).schedule.parameters
    params = {p.name: np.full([sizes[s] for s in p.shape], 0.25, np.float32) for p in shapes}
    return params, np.ones((3, 2, 3), np.float32), np.ones((3, 2, 2), np.float32)


def test_the_build_line_of_the_header_builds(tmp_path: Path) -> None:
    """The `cc` line, executed to the letter; the library then has every function."""
    exported(tmp_path)
    header = (tmp_path / "net.h").read_text(encoding="utf-8")
    found = re.search(r"Build:\s+(cc .*\\\n.*)\n", header)
    assert found is not None
    line = found[1].replace("\n *", "\n")
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    library = ctypes.CDLL(str(tmp_path / "libnet.so"))
    for name in ("loss_and_grad", "forward", "vjp"):
        assert getattr(library, f"net_{name}") and getattr(library, f"net_{name}_work")
    library.net_forward_work.restype = ctypes.c_size_t
    library.net_forward_work.argtypes = [ctypes.c_size_t] * 3
    assert library.net_forward_work(2, 2, 8) % 64 == 0
