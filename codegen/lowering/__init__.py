"""The one gate from the derivation to a program."""
