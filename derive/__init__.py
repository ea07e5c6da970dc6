"""Longhand, the derivation: from a recurrent cell as equations to its gradients as equations.

model = derive.load("vanilla", g="relu", h="softmax", architecture="many-to-one")
d = derive.bptt(model)                 every equation, T and all sizes symbolic
d.latex()
derive.unroll(model, T=2).gradients    plain SymPy, at concrete T and sizes
derive.prove(model, T=2)               the two held to sympy.diff of the expanded loss
derive.chain(model, T=2).latex()       the chain rule, one term for each step
"""

from derive.chain import Chain, chain
from derive.derivation import Derivation, bptt
from derive.errors import ChoiceError, DerivationError, DeriveError, ModelFileError, ShapeError
from derive.evaluate import evaluate
from derive.expand import Unrolled, unroll
from derive.latex import gradients_latex
from derive.model import ARCHITECTURES, FEEDS, LOSSES, Model
from derive.modelfile import builtin_names, load
from derive.prove import Report, prove

__all__ = [
    "ARCHITECTURES",
    "FEEDS",
    "LOSSES",
    "Chain",
    "ChoiceError",
    "Derivation",
    "DerivationError",
    "DeriveError",
    "Model",
    "ModelFileError",
    "Report",
    "ShapeError",
    "Unrolled",
    "bptt",
    "builtin_names",
    "chain",
    "evaluate",
    "gradients_latex",
    "load",
    "prove",
    "unroll",
]
