"""A claim read: from its text to a tree whose names are known."""
