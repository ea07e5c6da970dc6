"""Recurrent networks written down as equations: derived as by hand, checked by machine, compiled to C.

import chalkgrad as cg

model = cg.load("gru", architecture="many-to-one")     a built-in cell, or a model file of your own
print(cg.bptt(model))                                  its gradients as equations, checked
cg.check(model, "dL/db_z = sum_t delta_z_z[t]")        whether a formula is right, and what is wrong with it
net = cg.build(model, {"n_x": 3, "n_a": 4, "n_y": 2})  the same as C: net.loss_and_grad(params, x, y)

`chalkgrad.derive` and `chalkgrad.codegen` are the two halves, with all that they offer.
"""

from chalkgrad import codegen, derive
from chalkgrad.codegen import (
    PASSES,
    ArgumentError,
    ArgumentTypeError,
    BuildError,
    BusyError,
    CacheWarning,
    CodegenError,
    Emitted,
    Interface,
    Network,
    Plan,
    build,
    emit,
    load_folder,
    numpy_twin,
)
from chalkgrad.derive import (
    ARCHITECTURES,
    FEEDS,
    LOSSES,
    Chain,
    CheckReport,
    ChoiceError,
    Derivation,
    DerivationError,
    DeriveError,
    FormulaError,
    MissingProgram,
    Model,
    ModelFileError,
    Report,
    ShapeError,
    Unrolled,
    WrongStep,
    bptt,
    builtin_names,
    chain,
    check,
    document,
    evaluate,
    gradients_latex,
    load,
    prove,
    schema,
    unroll,
)
from chalkgrad.errors import ChalkgradError
from chalkgrad.magic import load_ipython_extension

__version__ = "0.2.0"

__all__ = [
    "ARCHITECTURES",
    "FEEDS",
    "LOSSES",
    "PASSES",
    "ArgumentError",
    "ArgumentTypeError",
    "BuildError",
    "BusyError",
    "CacheWarning",
    "Chain",
    "ChalkgradError",
    "CheckReport",
    "ChoiceError",
    "CodegenError",
    "Derivation",
    "DerivationError",
    "DeriveError",
    "Emitted",
    "FormulaError",
    "Interface",
    "MissingProgram",
    "Model",
    "ModelFileError",
    "Network",
    "Plan",
    "Report",
    "ShapeError",
    "Unrolled",
    "WrongStep",
    "bptt",
    "build",
    "builtin_names",
    "chain",
    "check",
    "codegen",
    "derive",
    "document",
    "emit",
    "evaluate",
    "gradients_latex",
    "load",
    "load_folder",
    "load_ipython_extension",
    "numpy_twin",
    "prove",
    "schema",
    "unroll",
]
