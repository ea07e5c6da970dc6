"""The derivation as a document: one tree, and the formats that print it."""
