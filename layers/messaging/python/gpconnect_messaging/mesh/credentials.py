"""Credentials for MESH: mailbox, password, the environment's shared key, the client certificate for mutual TLS."""

import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

import httpx

from gpconnect_messaging.identifiers import MESH_MAILBOX_ID
from gpconnect_messaging.mesh import certificate


@dataclass(frozen=True, kw_only=True)
class MailboxCredentials:
    """One mailbox's credentials; the repr shows the mailbox only.

    Certificates and key are PEM text. Raises ValueError, naming the field, for values that MESH could never accept.
    """

    mailbox: str
    password: str = field(repr=False)
    shared_key: str = field(repr=False)
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    ca_certificate: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(MESH_MAILBOX_ID, self.mailbox):
            raise ValueError("a mailbox id is capital letters and digits")
        for name in ("password", "shared_key"):
            if not getattr(self, name):
                raise ValueError(f"the {name} of mailbox {self.mailbox} is empty")
        if bool(self.client_certificate) != bool(self.client_key):
            raise ValueError(f"mailbox {self.mailbox} needs both client_certificate and client_key, or neither")

    @classmethod
    def from_secrets(
        cls, mailbox: str, mailbox_secret: Mapping[str, object], mesh_secret: Mapping[str, object]
    ) -> Self:
        """Join the mailbox's secret (password, client_certificate, client_key) with the environment's (shared_key, …).

        Absent, null and empty certificates mean none. Raises ValueError, naming the field, for one missing or not text.
        """

        def text(secret: Mapping[str, object], name: str) -> str | None:
            value = secret.get(name)
            if value is not None and not isinstance(value, str):
                raise ValueError(f"the {name} of mailbox {mailbox} is not text")
            return value or None

        return cls(
            mailbox=mailbox,
            password=text(mailbox_secret, "password") or "",
            shared_key=text(mesh_secret, "shared_key") or "",
            client_certificate=text(mailbox_secret, "client_certificate"),
            client_key=text(mailbox_secret, "client_key"),
            ca_certificate=text(mesh_secret, "ca_certificate"),
        )

    @property
    def certificate_expires(self) -> datetime | None:
        """When the client certificate ends, in UTC; None without one, and for one that cannot be read."""
        if not self.client_certificate:
            return None
        try:
            return certificate.expiry(self.client_certificate)
        except ValueError:
            return None  # `tls_context` raises for it

    def tls_context(self) -> ssl.SSLContext:
        """Build the context of a connection: TLS 1.2 or better, MESH's certificate and host name always verified.

        With a `ca_certificate` only that authority is trusted. Raises ValueError, without the PEM, for one that is not
        usable.
        """
        if self.ca_certificate:
            try:
                context = ssl.create_default_context(cadata=self.ca_certificate)
            except (ssl.SSLError, ValueError):
                raise ValueError(f"the ca_certificate for mailbox {self.mailbox} is not usable PEM") from None
        else:
            context = httpx.create_ssl_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.client_certificate and self.client_key:
            self._load_client_certificate(context, self.client_certificate, self.client_key)
        return context

    def _load_client_certificate(self, context: ssl.SSLContext, certificate: str, key: str) -> None:
        # Python's loader reads files only: the key is on disk while it loads, readable for this user alone.
        descriptor, path = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii", errors="replace") as file:
                file.write(f"{certificate.strip()}\n{key.strip()}\n")
            # A key with a passphrase must fail, not prompt at a terminal.
            context.load_cert_chain(path, password=lambda: b"")
        except (ssl.SSLError, ValueError):
            raise ValueError(f"the client certificate and key of mailbox {self.mailbox} are not usable PEM") from None
        finally:
            Path(path).unlink(missing_ok=True)
