"""What makes a build quick where a test asks what is computed, not how fast it is."""

from __future__ import annotations

from chalkgrad.codegen.building import toolchain

PLAIN_FUNCTIONS = "-DINLINE=static __attribute__((unused))"
"""A flag: the small functions of the generated C are called, not copied to where they are used."""


def flags_at(level: str) -> tuple[str, ...]:
    """The flags of every build, but optimised as `level`, -O0 to -O3, says; what is called stays a call."""
    return (*(flag if flag != "-O3" else level for flag in toolchain.FLAGS), PLAIN_FUNCTIONS)
