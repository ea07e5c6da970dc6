"""Vanilla recurrent network: loss, gradients and outputs, computed by sentence_rating.c.

Written by Chalkgrad. `network` has the functions; sentence_rating_numpy.py computes the same in NumPy.

    loss, grads = sentence_rating.loss_and_grad(params, x, y)
"""

from chalkgrad.codegen import Interface, load_folder

network = load_folder(
    __file__,
    Interface(
        name='vanilla',
        architecture='many-to-one',
        feed='none',
        parameters={'W_aa': ('n_a', 'n_a'), 'W_ax': ('n_a', 'n_x'), 'b_a': ('n_a',), 'W_ya': ('n_y', 'n_a'), 'b_y': ('n_y',)},
        states={'a': 'n_a'},
        x='n_x',
        yhat=('n_y',),
        tied=(),
        sizes={'n_x': 8, 'n_a': 16, 'n_y': 5},
        dtype='float32',
        T=None,
    ),
)
forward = network.forward
loss_and_grad = network.loss_and_grad
plan = network.plan
vjp = network.vjp
