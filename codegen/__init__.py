"""Longhand, the code: from a derivation to optimized C, compiled, and to a readable NumPy twin."""

from codegen.driver import Emitted, build, emit, numpy_twin
from codegen.errors import ArgumentError, ArgumentTypeError, BuildError, BusyError, CacheWarning, CodegenError
from codegen.folder import load as load_folder
from codegen.interface import Interface
from codegen.network import Network, Plan
from codegen.pipeline import OPTIONAL as PASSES

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
