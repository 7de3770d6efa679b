"""Start the AWS emulator (ministack) and speak to it.

It asks for signed requests and enforces each caller's IAM policies (`AUTH`), over TLS (`USE_SSL`: our bucket policies
refuse plain HTTP), and listens on 127.0.0.1 alone. It is started with an environment made from nothing, because what it
is started with reaches the functions.
"""

import os
import secrets
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from infra.local.environments import ROOT, Environment
from infra.local.processes import SupervisorClient, free_port

NAME = "emulator"
REGION = "eu-west-2"
ACCOUNT = "123456789012"

DENIALS = "denials.jsonl"
"""File of the logs folder that has each refused call; see `gateway`."""

PERMISSIONS = "permissions.jsonl"
"""File of the logs folder that has each permission that was used; see `gateway`."""

CALLS = "calls.jsonl"
"""File of the logs folder that has each call and run of a function, where they are counted; see `metering`."""


@dataclass(frozen=True)
class Access:
    """How to speak to the emulator as its account's owner."""

    endpoint: str
    """https URL without a trailing slash."""
    certificate: str
    """Path of the certificate to trust."""
    key_id: str
    secret_key: str
    region: str = REGION
    account: str = ACCOUNT

    def environment(self) -> dict[str, str]:
        """Return the variables that AWS's own tools read."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": self.certificate,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }

    def as_json(self) -> dict[str, str]:
        """Return what `Access(**…)` takes."""
        return asdict(self)


class LocalSession(boto3.Session):
    """A boto3 session whose clients speak to the emulator, and can speak to nothing else."""

    def __init__(self, access: Access) -> None:
        super().__init__(
            aws_access_key_id=access.key_id,
            aws_secret_access_key=access.secret_key,
            region_name=access.region,
        )
        self._settings: dict[str, Any] = {
            "endpoint_url": access.endpoint,
            "verify": access.certificate,
            # The default of ten connections is fewer than the threads that watch a run.
            "config": Config(retries={"total_max_attempts": 2}, read_timeout=120, max_pool_connections=32),
        }

        self._made: dict[tuple[str, str], Any] = {}
        self._making = threading.RLock()

    if not TYPE_CHECKING:  # the declared types stay boto3's own

        def client(self, name, **settings):
            """Make a client, as boto3 does, or give the one made before: making one takes longer than most calls."""
            return self._kept("client", super().client, name, settings)

        def resource(self, name, **settings):
            """Make a resource, as boto3 does, or give the one made before."""
            return self._kept("resource", super().resource, name, settings)

    def close(self) -> None:
        """Close the connections of every client."""
        with self._making:
            for (kind, _name), made in self._made.items():
                (made if kind == "client" else made.meta.client).close()
            self._made.clear()

    def _kept(self, kind: str, make: Callable[..., Any], name: str, settings: dict[str, Any]) -> Any:
        with self._making:  # clients may be used by many threads, but not made
            if settings:
                return make(name, **{**self._settings, **settings})
            if (kind, name) not in self._made:
                self._made[kind, name] = make(name, **self._settings)
            return self._made[kind, name]


def start(supervisor: SupervisorClient, tool: Environment, *, count_calls: bool = False) -> Access:
    """Start the emulator and return once it answers; `count_calls` has it write down what the functions ask of it.

    Raises:
        ProgramFailedError: it ended, or does not answer within a minute.

    """
    certificate = supervisor.scratch / "certificate.pem"
    key = supervisor.scratch / "certificate-key.pem"
    supervisor.complete(
        "certificate",
        [tool.python, "-I", Path(__file__).with_name("certificate.py"), certificate, key],
        environment=clean_environment(supervisor.scratch),
        directory=supervisor.scratch,
    )
    port = free_port()
    access = Access(
        endpoint=f"https://localhost:{port}",
        certificate=str(certificate),
        key_id="AKIA" + secrets.token_hex(8).upper(),
        secret_key=secrets.token_urlsafe(30),
    )
    supervisor.start(
        NAME,
        # Not its own `ministack` command: that one also takes port 443 where it may.
        [
            *(tool.python, "-m", "hypercorn", "--workers", "0", "--bind", f"127.0.0.1:{port}"),
            *("--certfile", certificate, "--keyfile", key),
            "infra.local.metering:app" if count_calls else "infra.local.gateway:app",
        ],
        environment={
            **clean_environment(supervisor.scratch),
            **access.environment(),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "AUTH": "true",
            "USE_SSL": "1",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_SSL_CERT": str(certificate),
            "MINISTACK_SSL_KEY": str(key),
            "SSL_CERT_FILE": str(certificate),
            "STATE_DIR": str(supervisor.scratch / "state"),
            "S3_DATA_DIR": str(supervisor.scratch / "objects"),
            "DENIALS": str(supervisor.logs / DENIALS),
            "PERMISSIONS": str(supervisor.logs / PERMISSIONS),
            "CALLS": str(supervisor.logs / CALLS),
            "PYTHONPATH": str(ROOT),
        },
        directory=supervisor.scratch,
    )
    trust = ssl.create_default_context(cafile=certificate)
    supervisor.wait_until(NAME, lambda: _answers(f"{access.endpoint}/_ministack/health", trust), seconds=60)
    return access


def clean_environment(scratch: Path) -> dict[str, str]:
    """Return the least environment that a program needs: nothing of the person's own, but where programs are."""
    temporary = scratch / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(scratch),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
    }


def _answers(url: str, trust: ssl.SSLContext) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with direct.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
