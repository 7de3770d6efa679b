"""The demonstration's requests with their expected statuses, and the command that sends them."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]


def _interpreter() -> str:
    """Return the running interpreter, as a person in the checkout types it."""
    running = Path(sys.executable)
    return str(running.relative_to(_ROOT)) if running.is_relative_to(_ROOT) else sys.executable


COMMAND = f"{_interpreter()} -m infra.local.demo"
GPCM = ".venv/bin/gpcm"
"""The operator's command line, installed by `make setup`."""


REQUESTS = _ROOT / "events" / "requests"
"""Folder of the sample requests."""

OUTCOMES: dict[str, Any] = json.loads((_ROOT / "events" / "outcomes.json").read_text())
"""Results of a sample's drop: rows of the ledger by status, messages, and notifications by kind."""


@dataclass(frozen=True)
class Scenario:
    """A sample request, and why it is in the demonstration."""

    name: str
    why: str

    @property
    def status(self) -> str:
        """Expected status of the only message."""
        (status,) = OUTCOMES[self.name]["rows"]
        return str(status)


SCENARIOS: tuple[Scenario, ...] = (
    # First, because it takes longest: the acknowledgements must become overdue.
    Scenario("no-answer", "the practice collects the message and never responds"),
    Scenario("consultation-report-2.0", "a report in the current version of the specification"),
    Scenario("consultation-report-1.5", "a report in the version before"),
    Scenario("patient-not-known", "the practice responds that it does not know the patient (30002)"),
    Scenario("unknown-nhs-number", "MESH finds no practice of the patient and sends a report"),
    Scenario("invalid", "the request breaks rules and is refused, with a reason for every field"),
)
