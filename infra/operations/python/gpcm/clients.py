"""Protocol of objects that make boto3 clients: an operator's environment, or a boto3 session."""

from collections.abc import Callable
from typing import Any, Protocol


class Clients(Protocol):
    """Makes clients by service name."""

    @property
    def client(self) -> Callable[..., Any]:
        """Return the client of a service, by name."""
