import numpy as np

import chalkgrad as cg

model = cg.load("vanilla", g="tanh", h="softmax")
print(cg.gradients_latex(cg.bptt(model)))  # the gradients as equations
rnn = cg.build(model, sizes={"n_x": 3, "n_a": 4, "n_y": 2})  # and as compiled C
random = np.random.default_rng(0)
shapes = {"W_aa": (4, 4), "W_ax": (4, 3), "b_a": (4,), "W_ya": (2, 4), "b_y": (2,)}
params = {name: random.normal(size=shape) for name, shape in shapes.items()}
x, y = random.normal(size=(5, 6, 3)), np.tile([0.0, 1.0], (5, 6, 1))  # (T, B, n_x), (T, B, n_y)
loss, grads = rnn.loss_and_grad(params, x, y)
print(f"L = {loss:.6f}", "∂L/∂W_aa =", grads["W_aa"], sep="\n")
