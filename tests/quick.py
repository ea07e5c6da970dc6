"""What makes a build quick where a test asks what is computed, not how fast it is."""

PLAIN_FUNCTIONS = "-DINLINE=static __attribute__((unused))"
"""A flag: the small functions of the generated C are called, not copied to where they are used."""
