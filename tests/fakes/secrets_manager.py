"""Secrets Manager as far as the product uses it."""

import json
from dataclasses import dataclass
from typing import Any

from tests.fakes.faults import aws_error


@dataclass
class Secrets:
    """A Secrets Manager client: secrets by id, as data for JSON or as text; `read` counts the calls."""

    values: dict[str, Any]
    read: int = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Read a secret."""
        self.read += 1
        if SecretId not in self.values:
            raise aws_error("GetSecretValue", "ResourceNotFoundException")
        value = self.values[SecretId]
        return {"SecretString": value if isinstance(value, str) else json.dumps(value)}
