"""Reads the secret that ids are derived with, once, when a function starts.

The secret is never rotated, so it is read once. No function works with another secret than the ledger began with.
"""

from typing import TYPE_CHECKING

from gpconnect_messaging.cache import read_secret
from gpconnect_messaging.derived_ids import Identifiers, ShortSecretError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

FIELD = "secret"
"""The field of the secret (a JSON object) that ids are derived with."""


class IdentifiersSecretError(Exception):
    """The secret that ids are derived with is missing or not usable: restore it (docs/deploy.md)."""


def read_identifiers(client: "SecretsManagerClient", name: str) -> Identifiers:
    """Read a deployment's secret. Raises IdentifiersSecretError, which names the secret and never the value."""
    try:
        value = read_secret(client, name).get(FIELD)
        return Identifiers(value.encode() if isinstance(value, str) else b"")
    except ShortSecretError as error:
        raise IdentifiersSecretError(f"the secret {name}, field {FIELD}: {error}") from None
    except ValueError as error:
        raise IdentifiersSecretError(str(error)) from None
