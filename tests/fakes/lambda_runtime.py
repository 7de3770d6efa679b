"""The functions' handlers as Lambda loads and invokes them."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gpconnect_messaging import wiring

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
ENVIRONMENT = {
    name: name.lower()
    for name in (
        "LEDGER_TABLE", "NOTICES_TOPIC_ARN", "MAILBOX_PARAMETERS", "DROP_BUCKET", "OUTBOX_BUCKET", "EVIDENCE_BUCKET",
        "SEND_QUEUE_URL", "INTAKE_QUEUE_URL", "INBOX_QUEUE_URL", "MAILBOX_SECRETS", "MESH_SECRET", "MESH_URL",
        "IDENTIFIERS_SECRET",        "EVENT_RULE", "EVENT_SOURCE_MAPPINGS", "KEYS",
    )
} | {"NHS_NUMBERS": "test", "POWERTOOLS_METRICS_NAMESPACE": "GPConnectMessaging"}  # fmt: skip
"""The functions' environment variables."""
SHARED = "gpconnect-messaging-prod-IntakeWorkQueue1A2B3C4D-intake"
"""The name of the intake queue that all senders share."""


REQUEST_ID = "8f5e3a52-3a55-4d0b-8c0f-4a1d6f0a2b11"


@dataclass(frozen=True)
class Context:
    """What Lambda says of an invocation that has a minute left."""

    function_name: str = "gpconnect-messaging-prod-function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-2:123456789012:function:gpconnect-messaging-prod-function:live"
    aws_request_id: str = REQUEST_ID

    def get_remaining_time_in_millis(self) -> int:
        """The time that is left."""
        return 60_000


def queued(*bodies: str, queue: str = SHARED) -> dict[str, Any]:
    """The event with which SQS's messages come."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "body": body,
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:eu-west-2:123456789012:{queue}",
                "attributes": {"SentTimestamp": "0"},
                "messageAttributes": {},
            }
            for number, body in enumerate(bodies)
        ]
    }


class Runtime:
    """Starts functions; every load is a new one, as in a new process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._loaded: set[str] = set()
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)

    def load(self, function: str) -> ModuleType:
        """Load a function's handler as Lambda does, under the function's name."""
        _forget_clients()
        self._monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", function)
        name = f"handler_of_the_{function}"
        spec = importlib.util.spec_from_file_location(name, FUNCTIONS / function / "handler.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        self._loaded.add(name)
        spec.loader.exec_module(module)
        return module

    def stop(self) -> None:
        """Forget the loaded functions."""
        _forget_clients()
        for name in self._loaded:
            del sys.modules[name]


def _forget_clients() -> None:
    for cached in (wiring._client, wiring._of_builder, wiring._of_sender, wiring._of_poller):
        cached.cache_clear()


@contextmanager
def lambda_runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """Have a runtime with the environment's variables."""
    runtime = Runtime(monkeypatch)
    yield runtime
    runtime.stop()
