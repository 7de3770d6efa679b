"""Credentials for NHS England's API platform: an application, and the private key that signs the JWTs.

Source: "Application-restricted RESTful APIs - signed JWT authentication" (RS512; `kid` names the registered public
key; `iss` and `sub` are the API key; `aud` is the exact token URL; `jti` is used once; `exp` at most 5 minutes away).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Self
from uuid import uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gpconnect_messaging.pds.errors import CredentialsError

ALGORITHM = "RS512"
LIFETIME = timedelta(minutes=4)
"""A minute less than the platform's limit, so that a clock slightly ahead does no harm."""
SMALLEST_KEY_BITS = 2048


@dataclass(frozen=True, kw_only=True)
class ApplicationCredentials:
    """An application's credentials; the repr shows the key's id only.

    `application_key` is the API key, `key_id` the `kid` under which the public key was registered, `private_key` PEM.
    """

    application_key: str = field(repr=False)
    key_id: str
    private_key: str = field(repr=False)

    @classmethod
    def from_secret(cls, secret: Mapping[str, object]) -> Self:
        """Read the secret's fields. Raises CredentialsError, which names the field and never the value."""

        def text(name: str) -> str:
            value = secret.get(name)
            if not isinstance(value, str) or not value.strip():
                raise CredentialsError(f"the PDS secret's {name} is missing or not text")
            return value.strip()

        pem = text("private_key")
        _rsa_key(pem)  # an unusable key fails here, and not in a lookup
        return cls(application_key=text("application_key"), key_id=text("key_id"), private_key=pem)

    def assertion(self, token_url: str, at: datetime) -> str:
        """Sign a JWT for one request to the token endpoint."""
        claims = {
            "iss": self.application_key,
            "sub": self.application_key,
            "aud": token_url,
            "jti": str(uuid4()),
            "exp": int((at + LIFETIME).timestamp()),
        }
        return jwt.encode(claims, _rsa_key(self.private_key), algorithm=ALGORITHM, headers={"kid": self.key_id})


@lru_cache(maxsize=2)
def _rsa_key(pem: str) -> RSAPrivateKey:
    """Read a key, once: checking it costs far more than signing with it. Raises CredentialsError, without the PEM."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise CredentialsError("the PDS secret's private_key is not an RSA private key in PEM without a passphrase")
    if key.key_size < SMALLEST_KEY_BITS:
        raise CredentialsError(f"the PDS secret's private_key is shorter than {SMALLEST_KEY_BITS} bits")
    return key
