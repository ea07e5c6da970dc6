"""In a checkout, the folders `derive` and `codegen` at the top can be imported by these short names too.

`chalkgrad.derive` and `chalkgrad.codegen` are links to them. A module that is read under both names would be
there twice, with two classes of every name. So a package that finds itself imported by its short name calls
`one_copy`: that name then means the module of the long one.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType


def one_copy(package: str) -> None:
    """Let `package`, and every module in it that is imported from now on, mean that of `chalkgrad`."""
    sys.modules[package] = importlib.import_module(f"chalkgrad.{package}")
    sys.meta_path.insert(0, _Second(package))


class _Second(MetaPathFinder, Loader):
    """Finds a module by its short name: it is the one with the long name."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.startswith(f"{self.package}.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"chalkgrad.{spec.name}")
        self.specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has been executed; what the import of the second name wrote into it is put right."""
        assert module.__spec__ is not None
        module.__spec__ = self.specs.pop(module.__spec__.name)

    def get_code(self, name: str) -> CodeType | None:
        """For `python -m`, which runs the code of a module as a program."""
        spec = importlib.util.find_spec(f"chalkgrad.{name}")
        assert spec is not None and isinstance(spec.loader, InspectLoader)
        return spec.loader.get_code(spec.name)
