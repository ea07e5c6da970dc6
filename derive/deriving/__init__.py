"""From a Model to its Derivation: laid out in time, named step by step, pulled back."""
