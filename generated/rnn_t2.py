"""Vanilla recurrent network: loss, gradients and outputs, computed by rnn_t2.c.

Written by Chalkgrad. `network` has the functions; rnn_t2_numpy.py computes the same in NumPy.

    loss, grads = rnn_t2.loss_and_grad(params, x, y)
"""

from chalkgrad.codegen import Interface, load_folder

network = load_folder(
    __file__,
    Interface(
        name='vanilla',
        architecture='many-to-many',
        feed='none',
        parameters={'W_aa': ('n_a', 'n_a'), 'W_ax': ('n_a', 'n_x'), 'b_a': ('n_a',), 'W_ya': ('n_y', 'n_a'), 'b_y': ('n_y',)},
        states={'a': 'n_a'},
        x='n_x',
        yhat=('n_y',),
        tied=(),
        sizes={'n_x': 3, 'n_a': 4, 'n_y': 2},
        dtype='float64',
        T=2,
    ),
)
forward = network.forward
loss_and_grad = network.loss_and_grad
plan = network.plan
vjp = network.vjp
