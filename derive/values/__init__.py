"""A derivation at concrete numbers: walks over real, dual, exact numbers and arrays, and what they prove."""
