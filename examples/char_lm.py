"""A character-level language model, trained through the compiled gradient on Python's own help texts.

python examples/char_lm.py [--seconds 25] [--cell gru] [--hidden 128] [--seed 0]

The network reads one character at a time and says how likely each character is to come next. It is
trained on nine tenths of the text; what it has learned is measured on the last tenth, in bits per
character, and held against the unigram entropy there: what the best guess costs that knows how often
each character occurs in that tenth, but not what stands before it.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping
from pydoc_data.topics import topics
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

import chalkgrad as cg

try:
    from tqdm import tqdm
except ImportError:
    sys.exit("char_lm.py shows its progress with tqdm: pip install tqdm")

Floats = NDArray[np.float32]
Codes = NDArray[np.intp]
Params = Mapping[str, Floats]

SYMBOLS = 96  # the 95 most frequent characters, and one symbol, code 0, for all others
STEPS, BATCH = 32, 16  # T and B of one training step
STREAMS = 32  # pieces of the last tenth that are read side by side
RATE, CLIP = 0.01, 1.0  # of Adam at the start; of the gradient's norm
ONE_HOT = np.eye(SYMBOLS, dtype=np.float32)


def read_text() -> tuple[list[str], Codes, Codes]:
    """The character of each code, and the codes of the training text and of the last tenth."""
    text = "\n".join(topics[name] for name in sorted(topics))
    size = len(text) // 10 // STREAMS * STREAMS
    characters, counts = np.unique(list(text[:-size]), return_counts=True)
    alphabet = ["\ufffd", *characters[np.argsort(-counts, kind="stable")][: SYMBOLS - 1]]
    code_of = {character: code for code, character in enumerate(alphabet)}
    codes = np.array([code_of.get(character, 0) for character in text])
    return alphabet, codes[:-size], codes[-size:]


def unigram_entropy(codes: Codes) -> float:
    """Bits per character of a text under its own frequencies."""
    frequencies = np.bincount(codes)[np.unique(codes)] / len(codes)
    return float(-frequencies @ np.log2(frequencies))


class Adam:
    """Kingma and Ba, Adam: a method for stochastic optimization (2015), algorithm 1."""

    def __init__(self, params: Params, beta1: float = 0.9, beta2: float = 0.99) -> None:
        self.params, self.beta1, self.beta2, self.steps = params, beta1, beta2, 0
        self.m = {name: np.zeros_like(value) for name, value in params.items()}
        self.v = {name: np.zeros_like(value) for name, value in params.items()}

    def step(self, grads: Params, scale: float, rate: float) -> None:
        """Change the parameters in place, by gradients times scale."""
        self.steps += 1
        rate *= math.sqrt(1 - self.beta2**self.steps) / (1 - self.beta1**self.steps)
        for name, param in self.params.items():
            g, m, v = scale * grads[name], self.m[name], self.v[name]
            m += (1 - self.beta1) * (g - m)
            v += (1 - self.beta2) * (g * g - v)
            param -= rate * m / (np.sqrt(v) + 1e-8)


def initial_params(rnn: cg.Network, random: Generator) -> dict[str, Floats]:
    """Matrices from N(0, 1 / columns), vectors of zeros."""
    sizes, params = rnn.interface.sizes or {}, {}
    for name, axes in rnn.interface.parameters.items():
        shape = [sizes[axis] for axis in axes]
        deviation = shape[1] ** -0.5 if len(shape) == 2 else 0.0
        params[name] = random.normal(0.0, deviation, shape).astype(np.float32)
    return params


def train(rnn: cg.Network, params: Params, codes: Codes, seconds: float, random: Generator) -> None:
    """Adam on windows from anywhere in the text, each read from a zero state; the rate falls to zero."""
    x, y = np.zeros((2, STEPS, BATCH, SYMBOLS), np.float32)
    count, plan = STEPS * BATCH, rnn.plan(params, x, y)
    adam, recent, start = Adam(params), math.log2(SYMBOLS), time.perf_counter()
    with tqdm(total=seconds, bar_format="{percentage:3.0f}% |{bar}| {n:.0f}/{total:.0f} s{postfix}") as bar:
        while (elapsed := time.perf_counter() - start) < seconds:
            starts = random.integers(0, len(codes) - STEPS, BATCH)
            window = codes[starts + np.arange(STEPS + 1)[:, None]]  # (T + 1, B)
            x[:], y[:] = ONE_HOT[window[:-1]], ONE_HOT[window[1:]]
            loss, grads = plan()
            norm = math.sqrt(sum(float(np.vdot(g, g)) for g in grads.values())) / count
            rate = RATE * (1 + math.cos(math.pi * elapsed / seconds)) / 2
            adam.step(grads, CLIP / max(norm, CLIP) / count, rate)
            recent += 0.02 * (loss / count / math.log(2) - recent)
            bar.set_postfix_str(f"{adam.steps} steps, {recent:.2f} bits per character", refresh=False)
            bar.update(elapsed - bar.n)


def bits_per_character(rnn: cg.Network, params: Params, codes: Codes, before: int) -> float:
    """What the model pays for each character of a text that follows the character `before`."""
    targets = codes.reshape(STREAMS, -1).T  # (T, B)
    inputs = np.append(before, codes[:-1]).reshape(STREAMS, -1).T
    yhat, _ = rnn.forward(params, ONE_HOT[inputs])
    assert yhat is not None
    chosen = np.take_along_axis(yhat, targets[..., None], axis=2)
    return float(-np.log2(chosen, dtype=np.float64).mean())


def sample(rnn: cg.Network, params: Params, first: int, length: int, random: Generator) -> list[int]:
    """Codes that the model draws one by one, each read before the next is drawn."""
    codes, state = [first], dict[str, NDArray[Any]]()
    for _ in range(length):
        yhat, states = rnn.forward(params, ONE_HOT[codes[-1:]], initial=state)
        assert yhat is not None
        state = {name: values[-1] for name, values in states.items()}
        heights = np.cumsum(yhat[0])
        codes.append(int(np.searchsorted(heights, random.random() * heights[-1])))
    return codes[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a character-level language model on Python's help.")
    parser.add_argument("--seconds", type=float, default=25.0, help="time to train (default: 25)")
    parser.add_argument("--cell", default="gru", help="a built-in cell or a model file (default: gru)")
    parser.add_argument("--hidden", type=int, default=128, help="hidden units (default: 128)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    random = np.random.default_rng(options.seed)
    alphabet, training, held_out = read_text()
    print(f"{len(training):,} characters to learn from, {len(held_out):,} held out")
    try:
        model = cg.load(options.cell, h="softmax")
        sizes = dict.fromkeys(model.sizes, options.hidden) | {"n_x": SYMBOLS, "n_y": SYMBOLS}
        rnn = cg.build(model, sizes=sizes, dtype="float32")
    except (cg.DeriveError, cg.CodegenError) as error:
        sys.exit(f"error: {error}")
    params = initial_params(rnn, random)
    train(rnn, params, training, options.seconds, random)

    unigram = unigram_entropy(held_out)
    bits = bits_per_character(rnn, params, held_out, training[-1])
    print(f"unigram entropy of the held-out text: {unigram:.3f} bits per character")
    print(f"{model.name} on the held-out text: {bits:.3f} bits per character, {1 - bits / unigram:.0%} less")
    drawn = sample(rnn, params, training[-1], 600, random)
    print("a sample:", "".join(alphabet[code] for code in drawn), sep="\n")


if __name__ == "__main__":
    main()
