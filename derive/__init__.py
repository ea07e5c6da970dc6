"""Chalkgrad, the derivation: from a recurrent cell as equations to its gradients as equations.

model = derive.load("vanilla", g="relu", h="softmax", architecture="many-to-one")
d = derive.bptt(model)                 every equation, T and all sizes symbolic
d.latex()
derive.unroll(model, T=2).gradients    plain SymPy, at concrete T and sizes
derive.prove(model, T=2)               the two held to sympy.diff of the expanded loss
derive.chain(model, T=2).latex()       the chain rule, one term for each step
derive.document(model, format="html")  all of it as a document, every displayed equality checked
derive.check(model, "dL/db_a = …")     whether somebody's formula is right, and what is wrong with it
"""

from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.cells.modelfile import builtin_names, load, schema
from chalkgrad.derive.chaining.chain import Chain, chain
from chalkgrad.derive.checking.check import check
from chalkgrad.derive.checking.explaining.report import CheckReport
from chalkgrad.derive.checking.reading.errors import FormulaError
from chalkgrad.derive.choices import ARCHITECTURES, FEEDS, LOSSES
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.documents.verified import WrongStep
from chalkgrad.derive.errors import (
    ChoiceError,
    DerivationError,
    DeriveError,
    MissingProgram,
    ModelFileError,
    ShapeError,
)
from chalkgrad.derive.publishing.document import document
from chalkgrad.derive.publishing.shown import gradients_latex
from chalkgrad.derive.values.evaluate import evaluate
from chalkgrad.derive.values.expand import Unrolled, unroll
from chalkgrad.derive.values.prove import Report, prove
from chalkgrad.short_names import one_copy

__all__ = [
    "ARCHITECTURES",
    "FEEDS",
    "LOSSES",
    "Chain",
    "CheckReport",
    "ChoiceError",
    "Derivation",
    "DerivationError",
    "DeriveError",
    "FormulaError",
    "MissingProgram",
    "Model",
    "ModelFileError",
    "Report",
    "ShapeError",
    "Unrolled",
    "WrongStep",
    "bptt",
    "builtin_names",
    "chain",
    "check",
    "document",
    "evaluate",
    "gradients_latex",
    "load",
    "prove",
    "schema",
    "unroll",
]

if __name__ == "derive":  # from the root of a checkout: the modules of chalkgrad.derive, no second copy
    one_copy(__name__)
