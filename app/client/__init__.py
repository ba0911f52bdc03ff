"""A client of the REST API: thin, typed where it pays, and free of the server's code."""

from app.client.http import PATIENCE, AsyncClient, Client, Problem, redeem
from app.client.signing import Signer

__all__ = ["PATIENCE", "AsyncClient", "Client", "Problem", "Signer", "redeem"]
