"""The one exception of the oracle."""


class OracleError(Exception):
    """A file or a call that the oracle does not understand, or a number that it could not make sharp."""
