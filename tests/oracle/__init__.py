"""An oracle that shares nothing with the project but the model file."""

from tests.oracle.errors import OracleError
from tests.oracle.network import Network, Result, load

__all__ = ["Network", "OracleError", "Result", "load"]
