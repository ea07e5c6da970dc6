"""The formats of a document: each prints the one tree."""
