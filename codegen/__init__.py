"""Chalkgrad, the code: from a derivation to optimized C, compiled, and to a readable NumPy twin."""

from chalkgrad.codegen.calling.network import Network, Plan
from chalkgrad.codegen.driver import Emitted, build, emit, numpy_twin
from chalkgrad.codegen.errors import (
    ArgumentError,
    ArgumentTypeError,
    BuildError,
    BusyError,
    CacheWarning,
    CodegenError,
)
from chalkgrad.codegen.folder import load as load_folder
from chalkgrad.codegen.passes.pipeline import OPTIONAL as PASSES
from chalkgrad.codegen.program.interface import Interface
from chalkgrad.short_names import one_copy

__all__ = [
    "PASSES",
    "ArgumentError",
    "ArgumentTypeError",
    "BuildError",
    "BusyError",
    "CacheWarning",
    "CodegenError",
    "Emitted",
    "Interface",
    "Network",
    "Plan",
    "build",
    "emit",
    "load_folder",
    "numpy_twin",
]

if __name__ == "codegen":  # from the root of a checkout: the modules of chalkgrad.codegen, no second copy
    one_copy(__name__)
