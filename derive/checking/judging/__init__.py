"""A claim judged: its two sides worked out wherever both exist."""
