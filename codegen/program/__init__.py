"""The language of programs: its grammar, its check and its meaning."""
