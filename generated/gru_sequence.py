"""Gated recurrent unit: loss, gradients and outputs, computed by gru_sequence.c.

Written by Chalkgrad. `network` has the functions; gru_sequence_numpy.py computes the same in NumPy.

    loss, grads = gru_sequence.loss_and_grad(params, x, y)
"""

from chalkgrad.codegen import Interface, load_folder

network = load_folder(
    __file__,
    Interface(
        name='gru',
        architecture='many-to-many',
        feed='none',
        parameters={'W_za': ('n_a', 'n_a'), 'W_zx': ('n_a', 'n_x'), 'b_z': ('n_a',), 'W_ra': ('n_a', 'n_a'), 'W_rx': ('n_a', 'n_x'), 'b_r': ('n_a',), 'W_ka': ('n_a', 'n_a'), 'W_kx': ('n_a', 'n_x'), 'b_k': ('n_a',), 'W_ya': ('n_y', 'n_a'), 'b_y': ('n_y',)},
        states={'a': 'n_a'},
        x='n_x',
        yhat=('n_y',),
        tied=(),
        sizes={'n_x': 8, 'n_a': 16, 'n_y': 4},
        dtype='float64',
        T=None,
    ),
)
forward = network.forward
loss_and_grad = network.loss_and_grad
plan = network.plan
vjp = network.vjp
