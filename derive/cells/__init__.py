"""From a model file to a Model: read, parsed, every choice checked. The built-in cells are in models/."""
