"""From C text to a loaded library: compiler, cache, build."""
