"""The contenders, one file each. A file imports its package at the top: without it the peer is skipped."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from numpy.typing import NDArray

from benchmarks.case import Case

Array = NDArray[Any]
Run = Callable[[], tuple[float, Mapping[str, Array]]]
"""One call: the loss (0 for forward) and the gradients in the parameters' names, or {"yhat": …}."""

OURS = ("chalkgrad", "chalkgrad_fixed")
FILES = ("chalkgrad", "numpy_expert", "torch_fused", "torch_loop", "jax_scan", "numba_loops", "casadi_c")
FORWARD_FILES = ("chalkgrad_forward", "onnx_forward")


class Peer(Protocol):
    """A contender. `package` is the distribution whose version is reported."""

    @property
    def name(self) -> str: ...
    @property
    def package(self) -> str: ...
    @property
    def title(self) -> str:
        """What the tables call it."""

    def prepare(self, case: Case) -> Run | None:
        """All that is done once, before the clock starts; None where this peer has nothing to offer."""


def find(files: tuple[str, ...], wanted: tuple[str, ...] | None = None) -> tuple[list[Peer], list[str]]:
    """The peers whose packages are there, and one line for each that is skipped."""
    found: list[Peer] = []
    skipped: list[str] = []
    for file in files:
        try:
            module = importlib.import_module(f"benchmarks.peers.{file}")
        except ImportError as error:
            skipped.append(f"{file}: skipped, {error}")
            continue
        found += [peer for peer in module.PEERS if wanted is None or peer.name in wanted]
    return found, skipped


def version_of(peer: Peer) -> str:
    try:
        return version(peer.package)
    except PackageNotFoundError:
        return "not installed as a package"
