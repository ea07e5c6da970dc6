"""Figures: drawings of our own, their printers, and the picture of gradients over time."""
