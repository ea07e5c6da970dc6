"""Random programs: model files that nobody wrote, and the settings to run them in.

All that the language has stands in the tables below, the simplest forms first, since what is shrunk moves
towards the front. A form is a text with holes:

    <e> an expression of the form's own shape    <v> a vector    <w> a vector of any size    <s> a scalar
    <l> a name of the form's own shape           <m> an elementwise function of <e>
    <p> a matrix times a vector, <P> in brackets <r> the sum or mean of some vector
    <n> a number                                 <k> a constant exponent, <R> one of what is positive

Holes with the same digit, <e1> and <e1>, hold the same text. `Choices` makes every decision, so that
hypothesis can shrink what a seed can repeat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.programs.program import Choices, Program, Setting

ARCHITECTURES = ("many-to-many", "one-to-one", "many-to-one", "one-to-many", "encoder-decoder")
FEEDS = ("none", "output", "target")
FED = ("one-to-many", "encoder-decoder")
WITHOUT_OUTPUT = ("one-to-one", "many-to-many")
LOSSES = ("squared_error", "binary_cross_entropy", "cross_entropy")
SIZES = ("n_x", "n_p", "n_q", "n_y")

MAPS = (
    "tanh(<e>)", "sigmoid(<e>)", "relu(<e>)", "leaky_relu(<e>)", "softplus(<e>)", "sin(<e>)", "cos(<e>)",
    "identity(<e>)", "square(<e>)", "g(<e>)", "exp(tanh(<e>))", "log(1.5 + sin(<e>))",
    "sqrt(2 + square(<e>))",
)  # fmt: skip
CHOSEN = ("tanh", "relu", "softplus", "square", "sigmoid", "sin")
"""What `g` may be chosen to be."""
NUMBERS = ("2", "0.5", "1.5", "3", "1e-1", ".25", "0.", "1", "2 ** -1", "(1 + 2) / 4", "sqrt(2)")
EXPONENTS = ("2", "3", "1", "0", "(4 / 2)", "2 ** 1")
ROOTS = ("0.5", "-1", "-2", "1.5", "(1 / 2)", "-(0.5)", "(1 / 3)")
"""Exponents of what is positive."""

SAFE = (
    "log(1 + square(<e>))", "sqrt(2 + square(<e>))", "exp(-square(<e>))", "exp(tanh(<e>))",
    "1 / (1.5 + sin(<e>))", "(1 + square(<e>)) ** <R>", "(1.25 + cos(<e>)) ** <R>", "tanh(<e>) ** <k>",
    "-<l> ** 2", "-(-<e>)", "<e> / 4", "+<e>", "<n> * <e>", "<e> - <n>", "<l> - <l> - <l>",
    "<l> / (2 + square(<l>)) * <l>", "log(1 + relu(<e>))", "log(1 + exp(tanh(<e>)))",
    "sqrt(relu(1.25 + sin(<e>)))", "softplus(-<e>)", "1 - sigmoid(<e>)", "<e1> * sigmoid(<e1>)",
    "leaky_relu(<e>) + relu(-<e>)", "square(<e1> - 1) - <e1> * <e1>", "sqrt(relu(<e>))", "relu(<e>) ** 0.5",
    "relu(<e>) ** 1.5", "log(sigmoid(<e>))", "exp(-exp(<e>))", "1 / exp(<l>)", "tanh(20 * <e>)",
    "log(exp(<e>) + 1)", "leaky_relu(<e1>) * <e1>", "(<e1> * <e1>) ** 0.5", "square(sqrt(1 + square(<e>)))",
    "softplus(<e1>) - softplus(-<e1>)", "1 - (1 - sigmoid(<e>))", "sin(<e>) ** 3",
)  # fmt: skip
FOLDING = (
    "0 * <e>", "<e1> - <e1>", "sigmoid(<e1> - <e1>)", "<e> + 0 * <e>", "<e> * 2 ** 3 / 8", "<e> ** 0",
    "<e> ** 1", "exp(0 * <e>) * <e>", "relu(<e1> - <e1>)", "<e> + (3 - 1 - 2)", "tanh(0.5) * <e>",
    "log(1) + <e>", "cos(<e1> - <e1>) + <e>", "softplus(0) * <e>", "(<e1> + 1) - (<e1> + 1)",
    "<e> / (2 - 1)", "0 / (1 + square(<e>))", "(2 - 2) * <e>", "-(<e1> - <e1>) + sqrt(4) * <e>",
    "sin(<e1>) ** 2 + cos(<e1>) ** 2", "sigmoid(-<e1>) + sigmoid(<e1>)", "log(1.5) * <e>",
    "exp(log(2 + sin(<e>)))", "<e> ** (2 * 0.5)",
)  # fmt: skip
"""What is constant, or as good as gone, however it is written."""
SCALARS = (
    "<l>", "<r>", "<m>", "<s> * <s>", "<s> - <s>", "<s> + <s>", "sum(<v> * <v>)",
    "mean(square(<v1> - mean(<v1>)))", "0.3 * sum(<w>)", "sum(softmax(<w1>) * <w1>)",
    "log(1 + sum(square(<w>)))", "sqrt(1 + mean(square(<w>)))", "<s> / (1 + sum(exp(-square(<w>))))",
    "mean(exp(tanh(<w>)))", "sum(log(softmax(<w>)))", "log(sum(exp(<w>)))",
)  # fmt: skip
FOLDING_SCALARS = (
    "sum(0 * <w>)", "mean(<w1> - <w1>)", "sum((<w1> - <w1>) + <s>)", "mean(1 + 0 * <w>) * <s>",
    "sum(softmax(<w>))", "mean(softmax(<v> - <v>))",
)  # fmt: skip
VECTORS = (
    "<l>", "<p>", "<m>", "<p> + <v>", "<v> + <v>", "<v> - <s>", "<v> * <v>", "<s> * <v>", "<p> - <p>",
    "<v> / (2 + square(<s>))", "softmax(<v>)", "(1 - sigmoid(<v1>)) * <v> + sigmoid(<v1>) * <v>",
    "(<v1> - mean(<v1>)) / sqrt(1 + mean(square(<v1> - mean(<v1>))))", "<p> * <s> + <v>", "<l> + <s>",
    "<P1> * <P1>", "softmax(<p>) * <v>", "log(softmax(<v>))", "softmax(20 * <v>)", "softmax(<v> + <s>)",
    "softmax(softmax(<v>))", "sigmoid(-<p>)",
)  # fmt: skip
FOLDING_VECTORS = (
    "softmax(<v1> - <v1>)", "softmax(0 * <v>) * <v>", "0 * <p>", "<p1> - <p1>", "<v> + sum(<v1> - <v1>)",
    "softmax(<s> + 0 * <v>)",
)  # fmt: skip
MATRICES = (
    "<A>", "<T>.T", "<C>", "-<A>", "0.5 * <A>", "<q> * <A>", "<A> / 2", "(-<T>).T", "<T>.T.T.T", "(<D>).T",
    "+<A>", "0 * <A>", "(2 ** -1) * <A>",
)  # fmt: skip
"""<A> a matrix, <T> one to be transposed, <C> a chain of two, <D> one that fits transposed, <q> a scalar."""
BOUNDED = (
    "tanh(<v>)", "sigmoid(<v>)", "sin(<v>)", "softmax(<v>)", "cos(<v>)", "relu(tanh(<v>))",
    "tanh(<p> + <v>)",
)  # fmt: skip
TRANSITIONS = (
    *BOUNDED, "sigmoid(<v1>) * <a> + (1 - sigmoid(<v1>)) * tanh(<v>)", "0.75 * <a> + 0.25 * tanh(<v>)",
    "<v1> / sqrt(1 + mean(square(<v1>)))", "<a>", "tanh(<p> + <l> * <a>)", "softmax(<p> + <a>)",
)  # fmt: skip
"""How a state, <a> at the step before, goes on."""
VANISHING = (
    "0 * <a>", "relu(<a> - <a>)", "tanh(<X>)", "<a> - <a>", "sin(<X> * <X>)", "relu(<X>)", "0 * tanh(<v>)",
    "identity(<X>) * <a>", "softmax(0 * <v>)", "tanh(<b>)",
)  # fmt: skip
"""<X> a matrix times x, <b> a vector: a state that is zero, at steps without an input, or never recurs."""
PROBABILITIES = (
    "sigmoid(<e>)", "1 - sigmoid(<e>)", "0.5 + 0.25 * sin(<e>)", "1 / (1.5 + square(<e>))",
    "exp(-softplus(sin(<e>)))", "sigmoid(<e>) ** 2", "sigmoid(<e1> - <e1>)", "h(<e>)",
    "0.25 + 0.5 * sigmoid(<e>)", "sigmoid(-<e>)", "1 - exp(-1 - square(tanh(<e>)))", "sigmoid(20 * <e>)",
    "1 - (1 - sigmoid(<e>))", "sigmoid(<e>) * sigmoid(<s>)",
)  # fmt: skip
SHARES = (
    "softmax(<e>)", "softmax(<p>)", "softmax(20 * <e>)", "1 - softmax(<e>)", "softmax(<e>) * 0.5",
    "softmax(<e1> - <e1>)",
)  # fmt: skip
OUTPUTS = (
    "<e>", "tanh(<e>)", "g(<e>)", "identity(<e>)", "<s>", "<n> * <e>", "0 * <e>", "<r>",
    "sqrt(1 + square(<e>))",
)  # fmt: skip
"""Of ŷ: what every loss takes, and what only the squared error does."""

LENGTHS = ("none", "drawn", "full", "ones")
"""How many steps examples have: not said, any, all, one; or numbers, in a setting that somebody writes."""
DTYPES = ("float64", "float64", "float32")
NUMBERS_OF = {"small": (2, 3, 1, 5, 4), "wide": (7, 2, 13, 3, 1, 11, 17)}


def program(choices: Choices) -> Program:
    """A model file with random states, intermediates, output and loss, and a setting for it."""
    return _Author(choices).program()


# ----------------------------------------------------------------------------- writing


_HOLE = re.compile(r"<([A-Za-z])(\d?)>")
_ATOM = re.compile(r"[\w.]+(\[t(-1)?\])?|\w+\([^()]*\)")


@dataclass
class _Author:
    """Writes one program. A shape is a size name, or "" for a scalar; `known`: what may be read, by name."""

    choices: Choices
    known: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    state: str = ""

    def program(self) -> Program:
        pick = self.choices.pick
        architecture = pick(ARCHITECTURES)
        feed = pick(FEEDS) if architecture in FED else "none"
        states = {
            f"a_{i}": pick(("n_p", "n_q", "n_p", "n_q", "n_x")) for i in range(pick((1, 1, 1, 1, 2, 2, 3)))
        }
        equations = self._equations(states)
        silent = architecture in WITHOUT_OUTPUT and pick((False,) * 7 + (True,))
        loss = pick(LOSSES)
        output = {} if silent else self._output(loss, feed)
        if pick((False,) * 9 + (True,)):
            self.parameter((pick(SIZES), pick(SIZES)), fresh=True)  # which nothing reads
        kinds = () if silent else pick(((), (loss,), (loss, "auto"), ("auto", *LOSSES)))
        text = " ".join([*equations.values(), *output.values()])
        h = ["sigmoid", "softmax"] if self.known.get("yhat") else ["sigmoid"]
        functions = {"g": list(CHOSEN), "h": h} if "g(" in text or "h(" in text or pick((True, False)) else {}
        chosen = {"g": pick(CHOSEN)} if functions and pick((False, True)) else {}
        title = pick(("", "A random program"))
        asked = "auto" if silent else pick(("auto", loss))
        if functions and len(h) > 1 and pick((False, True)):
            chosen["h"] = "softmax"
        tied = feed != "none" and (architecture == "one-to-many" or "n_x" in states.values())
        setting = self._setting(architecture, ("n_x", self.known["yhat"]) if tied else None)
        file = file_text(states, self.parameters, functions, equations, output, kinds, title)
        return Program(file, setting, architecture, feed, asked, chosen)

    def _setting(self, architecture: str, tied: tuple[str, str] | None) -> Setting:
        pick = self.choices.pick
        left = list(NUMBERS_OF[pick(("small",) * 7 + ("wide",))])
        sizes = {}
        for name in SIZES:
            sizes[name] = pick(left)
            if pick((True,) * 7 + (False,)):
                left.remove(sizes[name])
        if tied:
            sizes[tied[0]] = sizes[tied[1]]
        count = (2, 3, 1, 4, 5)
        T: Any = (pick(count), pick(count)) if architecture == "encoder-decoder" else pick(count)
        B = pick((2, 3, 1, 1, 5, 9))
        lengths = pick(LENGTHS), pick(LENGTHS)
        return Setting(
            sizes=sizes,
            T=1 if architecture == "one-to-one" else T,
            B=B,
            batched=B > 1 or pick((True, False)),
            lengths=lengths if pick((True, False)) else ("none", "none"),
            dtype=pick(DTYPES),
            fixed=pick((False, True)),
            sliced=pick((False, True)),
            initial=pick(("all", "some", "none")),
            wrt=pick(("all", "some")),
            cotangents=pick(("all", "some")),
            seed=pick(range(1000)),
        )

    def _equations(self, states: Mapping[str, str]) -> dict[str, str]:
        pick = self.choices.pick
        self.known |= {"x": "n_x"} | {f"{name}[t-1]": size for name, size in states.items()}
        equations: dict[str, str] = {}
        for number, (state, size) in enumerate(states.items()):
            for place in range(pick((0, 0, 1, 1, 2))):
                name, own = f"v_{number}{place}", pick(("n_p", "n_q", "n_y", ""))
                equations[name] = self.expression(own, 2)
                self.known[name] = own
            self.state = state
            table = pick((TRANSITIONS,) * 4 + (VANISHING,))
            equations[state] = self.fill(pick(table), size, 2)
            self.state = ""
            self.known[state] = size
        return equations

    def _output(self, loss: str, feed: str) -> dict[str, str]:
        pick = self.choices.pick
        output: dict[str, str] = {}
        size = (
            pick(("n_y", "n_y", "n_q", "n_x")) if feed != "none" else pick(("n_y", "n_y", "n_q", "n_x", ""))
        )
        if pick((False, True)):
            output["w_0"] = self.expression("n_y", 2)
            self.known["w_0"] = "n_y"
        forms = PROBABILITIES + (SHARES if size else ())
        if loss == "squared_error":
            forms = (*(form for form in OUTPUTS if not size or form not in ("<s>", "<r>")), *forms)
        form = pick(forms)
        if pick((False,) * 5 + (True,)):  # another name for it
            output["w_1"], form = self.fill(form, size, 2), "w_1"
        output["yhat"] = self.fill(form, size, 2)
        self.known["yhat"] = size
        return output

    # -- names

    def parameter(self, shape: tuple[str, ...], fresh: bool = False) -> str:
        """A parameter of that shape: one in use already, or a new one."""
        used = [name for name, own in self.parameters.items() if own == shape]
        if used and not fresh and self.choices.pick((False, False, True)):
            return self.choices.pick(used)
        name = f"{'sbW'[len(shape)]}_{len(self.parameters)}"
        self.parameters[name] = shape
        return name

    def leaf(self, shape: str) -> str:
        """A name that has the shape, some of them with an index."""
        known = [name for name, own in self.known.items() if own == shape]
        if known and self.choices.pick((True, True, True, False)):
            name = self.choices.pick(known)
            return name if "[" in name or self.choices.pick((True,) * 5 + (False,)) else f"{name}[t]"
        if not known and self.choices.pick((True, True, False)):  # something that changes with the step
            inner = self.choices.pick(sorted({s for s in self.known.values() if s}))
            return (
                f"({self.parameter((shape, inner))} @ {self.leaf(inner)})"
                if shape
                else f"mean({self.leaf(inner)})"
            )
        return self.parameter((shape,) if shape else ())

    # -- forms

    def expression(self, shape: str, depth: int) -> str:
        if depth <= 0:
            return self.leaf(shape)
        forms = VECTORS if shape else SCALARS
        folding = FOLDING + (FOLDING_VECTORS if shape else FOLDING_SCALARS)
        kind = self.choices.pick(("own",) * 6 + ("safe",) * 2 + ("folding",))
        return self.fill(
            self.choices.pick({"own": forms, "safe": SAFE, "folding": folding}[kind]), shape, depth
        )

    def fill(self, form: str, shape: str, depth: int) -> str:
        """The form with its holes filled: brackets wherever they could matter."""
        same: dict[str, str] = {}
        size = shape or self.choices.pick(SIZES)  # of the vectors in it

        def hole(match: re.Match[str]) -> str:
            kind, digit = match.groups()
            if digit and match[0] in same:
                return same[match[0]]
            text = same[match[0]] = self._hole(kind, shape, size, depth - 1)
            return text

        return _HOLE.sub(hole, form)

    def _hole(self, kind: str, shape: str, size: str, depth: int) -> str:
        pick = self.choices.pick
        match kind:
            case "e":
                return _bracketed(self.expression(shape, depth))
            case "v":
                return _bracketed(self.expression(size, depth))
            case "w":
                return _bracketed(self.expression(pick(SIZES), depth))
            case "s":
                return _bracketed(self.expression("", depth))
            case "r":
                return f"{pick(('mean', 'sum'))}({self.expression(pick(SIZES), depth)})"
            case "l":
                return self.leaf(shape)
            case "a":
                return f"{self.state}[t-1]"
            case "b":
                return self.parameter((shape,))
            case "X":
                return f"({self.parameter((shape, 'n_x'))} @ x)"
            case "p":
                return self._product(size, depth)
            case "P":
                return f"({self._product(size, depth)})"
            case "m":
                return self.fill(pick(MAPS), shape, depth + 1)
            case "n":
                return _bracketed(pick(NUMBERS))
            case "k":
                return pick(EXPONENTS)
            case "R":
                return pick(ROOTS)
            case _:
                raise ValueError(f"<{kind}>: no such hole")

    def _product(self, size: str, depth: int) -> str:
        pick = self.choices.pick
        inner, middle = pick(sorted({s for s in self.known.values() if s})), pick(SIZES)
        vector = self.expression(inner, depth)
        parts = {
            "<A>": lambda: self.parameter((size, inner)),
            "<T>": lambda: self.parameter((inner, size)),
            "<C>": lambda: f"{self.parameter((size, middle))} @ {self.parameter((inner, middle))}.T",
            "<D>": lambda: f"{self.parameter((inner, middle))} @ {self.parameter((middle, size))}",
            "<q>": lambda: _bracketed(self.leaf("")),
        }
        matrix = re.sub(r"<[ATCDq]>", lambda m: parts[m[0]](), pick(MATRICES))
        return f"{matrix} @ {_bracketed(vector)}"


def _bracketed(text: str) -> str:
    return text if _ATOM.fullmatch(text) else f"({text})"


# ----------------------------------------------------------------------------- the file


def file_text(
    states: Mapping[str, str],
    parameters: Mapping[str, tuple[str, ...]],
    functions: Mapping[str, list[str]],
    equations: Mapping[str, str],
    output: Mapping[str, str],
    kinds: Sequence[str] = (),
    title: str = "",
) -> str:
    """The model file; tables that would be empty are left out."""
    tables = [
        'name = "program"',
        f'title = "{title}"' if title else "",
        _table("sizes", {name: f'"{name}"' for name in SIZES}),
        _table("inputs", {"x": '["n_x"]'}),
        _table("states", {name: _list([size]) for name, size in states.items()}),
        _table("parameters", {name: _list(shape) for name, shape in parameters.items()})
        if parameters
        else "",
        _table("functions", {name: _list(choices) for name, choices in functions.items()})
        if functions
        else "",
        _table("equations", {name: f'"{text}"' for name, text in equations.items()}),
        _table("output", {name: f'"{text}"' for name, text in output.items()}) if output else "",
        f"[loss]\nkind = {_list(kinds) if len(kinds) > 1 else repr(kinds[0])}" if kinds else "",
    ]
    return "\n".join(filter(None, tables)) + "\n"


def _table(name: str, entries: Mapping[str, str]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in entries.items())])


def _list(items: Sequence[str]) -> str:
    return f"[{', '.join(map(repr, items))}]"
