"""Who gives boto3's clients: a session of a local run, or an operator's place."""

from collections.abc import Callable
from typing import Any, Protocol


class Clients(Protocol):
    """Gives the client of a service by its name."""

    @property
    def client(self) -> Callable[..., Any]:
        """Give the client of the service of that name."""
