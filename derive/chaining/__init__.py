"""The chain rule through time: an unrolled derivation, looked at from the loss of one step."""
