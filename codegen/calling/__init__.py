"""What a caller meets: a network, its arguments, prepared calls."""
