"""Written mathematics: a tree of what stands where, its notations, and its printers."""
