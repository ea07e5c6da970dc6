"""Longhand, the code: from a derivation to optimized C, compiled, and to a readable NumPy twin."""

from codegen.calling.network import Network, Plan
from codegen.driver import Emitted, build, emit, numpy_twin
from codegen.errors import ArgumentError, ArgumentTypeError, BuildError, BusyError, CacheWarning, CodegenError
from codegen.folder import load as load_folder
from codegen.passes.pipeline import OPTIONAL as PASSES
from codegen.program.interface import Interface

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
