"""Programs printed as NumPy."""
