"""An oracle that shares nothing with the project but the model file.

    net = load("lstm", architecture="many-to-one", g="relu")
    r = net.run(sizes, params, x, y, initial=…, lengths=…, dyhat=…, dstates=…)

    net.sizes, .parameters, .states, .x, .yhat, .loss   names, their sizes by name, and the kind of loss
    r.loss, r.yhat, r.states                            float, (T_y, B, *n), {state: (T, B, n)}
    r.gradients, r.vjp       of the loss, and of <dyhat, yhat> + <dstates, states>: parameters, "x", "a0"
    r.kink                   the smallest distance to a kink of anything compared, relative to its terms
    r.defined                every result is finite, and no function met a point outside its domain
    net.condition(…)         how much larger a result's relative change is than that of the numbers behind it

Arrays always have a batch axis: x (T_x, B, n_x), y and dyhat (T_y, B, *n), initial (B, n), dstates (T,
B, n). They are exact numbers here. `tomllib` and `ast` read the file, `forward` runs its equations in
balls (Arb, 320 bits and more) example by example, each at its own length, `tape` pulls back. No code of
derive or codegen is imported or was read for it (`test_imports`); there is no symbolic derivation and
no mask, and a loss is its formula on yhat, where 1 - yhat is sigmoid(-u) for a sigmoid of u, and the other
exponentials over their sum for a softmax. It does not judge files: much that is no model is refused, not all.

What a ball cannot decide is tried again with more bits, 20,480 at most. A result is the float64 nearest
to the midpoint of a ball whose radius is below 2^-110 of it, or all of which rounds to 0; else
OracleError is raised.

How it is checked itself: gradients against central differences of its own forward pass, for every
architecture, feed, loss and operation; the forward pass against loops in NumPy; both against PyTorch's
autograd; conventions by numbers known on paper; and every pull-back rule is planted wrong once, to see
that the differences notice.

Decided here, where the design leaves it open:

- A number in a file is the decimal that is written: 0.1 is a tenth.
- (U - 2 * W) @ v is read as U v - 2 (W v); a matrix takes scalar factors and divisors on either side.
- Where a file's kinds of loss do not list "auto", the first that it lists is the default.
- enc_ has all parameters but those that only the output reads; one that nothing reads is in both.
- With a feed, one-to-many keeps the names n_x and n_y, and takes sizes in which either may be missing. A
  decoder that is fed needs n_x = n_y if a state has n_x components.
- An input that is not there is no number: it and its products are left out, whatever the matrix holds.
- A cotangent that is not given is not 0 but absent: no rule multiplies it. One that is given as 0 is 0.
- An infinite number that goes in, or log 0 of weight 0, leaves `defined` True if all results are finite;
  an infinite state is a result. 1/0, log 0 and the like leave it False, even where nothing reads the
  value.
- A zero that consists of zeros only has no distance to a kink, `kink` is inf; one that cancels has 0. A
  comparison that no precision decides counts as 0, with kink 0.
- `condition` nudges the result of every operation but signs and copies, and reads slopes from nudged
  outputs, as 1 - a^2 from a. Targets of 0 and 1 are not nudged. A loss of sigmoid or softmax reads the
  argument, and of yhat what yhat - y does. A change of what is exactly 0, or to what is not finite, has
  condition inf.
"""

from tests.oracle.errors import OracleError
from tests.oracle.network import Network, Result, load

__all__ = ["Network", "OracleError", "Result", "load"]
