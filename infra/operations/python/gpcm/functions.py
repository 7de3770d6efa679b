"""Invoke a deployed function."""

import json
from typing import Any

from gpcm.clients import Clients


class FunctionFailedError(Exception):
    """A function reported an error, which is the message."""


def invoke(session: Clients, function: str, payload: str) -> Any:
    """Invoke a function and return the result.

    Raises:
        FunctionFailedError: the function reported an error, or died.

    """
    response = session.client("lambda").invoke(FunctionName=function, Payload=payload.encode())
    body = response["Payload"].read()
    value = json.loads(body) if body else None
    if response.get("FunctionError"):
        detail = value if isinstance(value, dict) else {}
        raise FunctionFailedError(f"{function}: {detail.get('errorType')}: {detail.get('errorMessage')}")
    return value
