"""The architectures: which steps an example has, what each reads, and where its outputs go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.oracle.errors import OracleError

ARCHITECTURES = ("one-to-one", "one-to-many", "many-to-one", "many-to-many", "encoder-decoder")
FEEDS = ("none", "output", "target")


@dataclass(frozen=True)
class Step:
    """A live step of one example.

    t         its index in the trajectory
    network   the prefix of its parameters
    reads     ("x", index), ("yhat", index), ("y", index) or ("zero", 0)
    output    index of its output, or None
    """

    t: int
    network: Literal["", "enc_", "dec_"]
    reads: tuple[Literal["x", "yhat", "y", "zero"], int]
    output: int | None


def check_choice(architecture: str, feed: str) -> None:
    if architecture not in ARCHITECTURES:
        raise OracleError(f"architecture: one of {ARCHITECTURES}, not {architecture!r}")
    if feed not in FEEDS:
        raise OracleError(f"feed: one of {FEEDS}, not {feed!r}")
    if feed != "none" and architecture not in ("one-to-many", "encoder-decoder"):
        raise OracleError(f"{architecture} feeds nothing, feed is {feed!r}")


def steps(architecture: str, feed: str, n_in: int, n_out: int, T_x: int) -> list[Step]:
    """All live steps of an example with n_in of T_x inputs and n_out outputs; a decoder begins behind T_x."""

    def fed(index: int) -> tuple[Literal["x", "yhat", "y", "zero"], int]:
        match feed:
            case "output" if index > 0:
                return "yhat", index - 1
            case "target" if index > 0:
                return "y", index - 1
        return "zero", 0

    match architecture:
        case "one-to-one" | "many-to-many":
            return [Step(t, "", ("x", t), t) for t in range(n_in)]
        case "many-to-one":
            return [Step(t, "", ("x", t), 0 if t == n_in - 1 else None) for t in range(n_in)]
        case "one-to-many":
            return [Step(t, "", ("x", 0) if t == 0 else fed(t), t) for t in range(n_out)]
    encoder = [Step(t, "enc_", ("x", t), None) for t in range(n_in)]
    return encoder + [Step(T_x + t, "dec_", fed(t), t) for t in range(n_out)]
