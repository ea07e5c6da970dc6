"""The passes, one a file, and their order."""
