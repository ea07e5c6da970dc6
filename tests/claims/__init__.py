"""Claims judged without the project: a plain simulation of the model file, derivatives by complex steps.

    judge(setting).verdict(claim)     right, wrong or nothing claimed, and the conditions

`reading` gives trees of what tests write by hand, `edit` changes them at random, `trees` prints them for the
checker, so that no reader is shared: of derive nothing is imported but by `compare`, which calls the checker.
`tests.oracle.language` reads the model file. Where the page on meanings is silent:

- Free letters range over 1 … the last step. A claim is tried at T = 1 … 5, an encoder-decoder at all pairs up
  to 3. What is right under a condition is true at two lengths.
- At most two conditions on steps stand together, and no two that leave equal steps alone.
- Two numbers are equal below 1e-8 of the largest that was met on the way, different above 1e-6; a claim in
  between, or one whose shape no rule tells (softmax of a matrix, ∂u/∂v of a number u), is left out as
  doubtful.
"""
