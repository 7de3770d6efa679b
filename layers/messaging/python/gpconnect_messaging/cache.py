"""Caches settings and secrets for a while, so that a change takes effect without a deployment."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

KEPT_SECONDS = 300
"""How long settings and secrets are cached."""

_Value = TypeVar("_Value")


class TtlCache(Generic[_Value]):
    """Values by name that expire some seconds after they were read."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[str, tuple[float, _Value]] = {}

    def get(self, name: str, read: Callable[[], _Value]) -> _Value:
        """Return the cached value, or read it where there is none or it is too old."""
        until, value = self._values.get(name, (0.0, None))
        if value is None or self._clock() >= until:
            value = read()
            self._values[name] = (self._clock() + self._seconds, value)
        return value

    def forget(self, name: str) -> None:
        """Drop the value, so that the next `get` reads it."""
        self._values.pop(name, None)


def read_parameter(client: "SSMClient", name: str) -> str | None:
    """Read a parameter's value; None where there is no such parameter."""
    try:
        return client.get_parameter(Name=name)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise


def read_secret(client: "SecretsManagerClient", name: str) -> dict[str, Any]:
    """Read a secret's fields. Raises ValueError, naming the secret and never the value, for an unusable one."""
    try:
        text = client.get_secret_value(SecretId=name)["SecretString"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise ValueError(f"the secret {name} does not exist or has no value") from None
        raise
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"the secret {name} is not a JSON object")
    return value
