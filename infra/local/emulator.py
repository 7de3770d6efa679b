"""Start the AWS emulator (ministack) and connect to it.

It requires signed requests and enforces the callers' IAM policies (`AUTH`), uses TLS (`USE_SSL`: the bucket policies
refuse plain HTTP), and listens on 127.0.0.1 only. It starts with an environment built from nothing, because it passes
the environment on to the functions.
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
"""File of denied calls in the logs folder; see `gateway`."""

PERMISSIONS = "permissions.jsonl"
"""File of used permissions in the logs folder; see `gateway`."""

CALLS = "calls.jsonl"
"""File of calls and runs of functions in the logs folder, if they are counted; see `metering`."""


@dataclass(frozen=True)
class Access:
    """Address and credentials of the emulator's account owner."""

    endpoint: str
    """https URL without a trailing slash."""
    certificate: str
    """Path of the certificate to trust."""
    key_id: str
    secret_key: str
    region: str = REGION
    account: str = ACCOUNT

    def environment(self) -> dict[str, str]:
        """Return the environment variables for AWS's own tools."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CA_BUNDLE": self.certificate,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }

    def as_json(self) -> dict[str, str]:
        """Return the arguments of `Access(**…)`."""
        return asdict(self)


class LocalSession(boto3.Session):
    """A boto3 session whose clients connect to the emulator only."""

    def __init__(self, access: Access) -> None:
        super().__init__(
            aws_access_key_id=access.key_id,
            aws_secret_access_key=access.secret_key,
            region_name=access.region,
        )
        self._settings: dict[str, Any] = {
            "endpoint_url": access.endpoint,
            "verify": access.certificate,
            # boto3's default of ten connections is too small for the threads that watch a run.
            "config": Config(retries={"total_max_attempts": 2}, read_timeout=120, max_pool_connections=32),
        }

        self._cache: dict[tuple[str, str], Any] = {}
        self._cache_lock = threading.RLock()

    if not TYPE_CHECKING:  # keep boto3's declared types

        def client(self, name, **settings):
            """Return a client, as boto3 does, but cached: making one takes longer than most calls."""
            return self._cached("client", super().client, name, settings)

        def resource(self, name, **settings):
            """Return a resource, as boto3 does, but cached."""
            return self._cached("resource", super().resource, name, settings)

    def close(self) -> None:
        """Close the connections of every client."""
        with self._cache_lock:
            for (kind, _name), cached in self._cache.items():
                (cached if kind == "client" else cached.meta.client).close()
            self._cache.clear()

    def _cached(self, kind: str, make: Callable[..., Any], name: str, settings: dict[str, Any]) -> Any:
        with self._cache_lock:  # threads may share clients, but not make them at the same time
            if settings:
                return make(name, **{**self._settings, **settings})
            if (kind, name) not in self._cache:
                self._cache[kind, name] = make(name, **self._settings)
            return self._cache[kind, name]


def start(supervisor: SupervisorClient, tool: Environment, *, count_calls: bool = False) -> Access:
    """Start the emulator and return once it responds; `count_calls` records the functions' calls.

    Raises:
        ProgramFailedError: the emulator ended, or did not respond within a minute.

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
        # Not the emulator's `ministack` command, which also listens on port 443 if it may.
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
    supervisor.wait_until(NAME, lambda: _responds(f"{access.endpoint}/_ministack/health", trust), seconds=60)
    return access


def clean_environment(scratch: Path) -> dict[str, str]:
    """Return a minimal environment for a program: nothing of the user's, except PATH."""
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


def _responds(url: str, trust: ssl.SSLContext) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with direct.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
