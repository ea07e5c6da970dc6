"""A claim explained: the smallest change that makes a wrong one right, and the words for it."""
