"""Long short-term memory: loss, gradients and outputs, computed by lstm_sequence.c.

Written by Chalkgrad. `network` has the functions; lstm_sequence_numpy.py computes the same in NumPy.

    loss, grads = lstm_sequence.loss_and_grad(params, x, y)
"""

from chalkgrad.codegen import Interface, load_folder

network = load_folder(
    __file__,
    Interface(
        name='lstm',
        architecture='many-to-many',
        feed='none',
        parameters={'W_ia': ('n_a', 'n_a'), 'W_ix': ('n_a', 'n_x'), 'b_i': ('n_a',), 'W_fa': ('n_a', 'n_a'), 'W_fx': ('n_a', 'n_x'), 'b_f': ('n_a',), 'W_oa': ('n_a', 'n_a'), 'W_ox': ('n_a', 'n_x'), 'b_o': ('n_a',), 'W_ka': ('n_a', 'n_a'), 'W_kx': ('n_a', 'n_x'), 'b_k': ('n_a',), 'W_ya': ('n_y', 'n_a'), 'b_y': ('n_y',)},
        states={'c': 'n_a', 'a': 'n_a'},
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
