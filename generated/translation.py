"""Gated recurrent unit, reset after the product: loss, gradients and outputs, computed by translation.c.

Written by Chalkgrad. `network` has the functions; translation_numpy.py computes the same in NumPy.

    loss, grads = translation.loss_and_grad(params, x, y)
"""

from chalkgrad.codegen import Interface, load_folder

network = load_folder(
    __file__,
    Interface(
        name='gru_reset_after',
        architecture='encoder-decoder',
        feed='output',
        parameters={'enc_W_za': ('n_a', 'n_a'), 'enc_W_zx': ('n_a', 'n_x'), 'enc_b_z': ('n_a',), 'enc_W_ra': ('n_a', 'n_a'), 'enc_W_rx': ('n_a', 'n_x'), 'enc_b_r': ('n_a',), 'enc_W_ka': ('n_a', 'n_a'), 'enc_W_kx': ('n_a', 'n_x'), 'enc_b_k': ('n_a',), 'enc_c_k': ('n_a',), 'dec_W_za': ('n_a', 'n_a'), 'dec_W_zx': ('n_a', 'n_y'), 'dec_b_z': ('n_a',), 'dec_W_ra': ('n_a', 'n_a'), 'dec_W_rx': ('n_a', 'n_y'), 'dec_b_r': ('n_a',), 'dec_W_ka': ('n_a', 'n_a'), 'dec_W_kx': ('n_a', 'n_y'), 'dec_b_k': ('n_a',), 'dec_c_k': ('n_a',), 'dec_W_ya': ('n_y', 'n_a'), 'dec_b_y': ('n_y',)},
        states={'a': 'n_a'},
        x='n_x',
        yhat=('n_y',),
        tied=(),
        sizes={'n_x': 6, 'n_a': 12, 'n_y': 5},
        dtype='float64',
        T=None,
    ),
)
forward = network.forward
loss_and_grad = network.loss_and_grad
plan = network.plan
vjp = network.vjp
