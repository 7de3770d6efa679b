"""The demonstration's requests, where each must end, and the command that sends them."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]


def _interpreter() -> str:
    """Name the running interpreter as a person in the checkout would type it."""
    running = Path(sys.executable)
    return str(running.relative_to(_ROOT)) if running.is_relative_to(_ROOT) else sys.executable


COMMAND = f"{_interpreter()} -m infra.local.demo"
GPCM = ".venv/bin/gpcm"
"""The operator's command line, as `make setup` leaves it."""


OUTCOMES: dict[str, Any] = json.loads((_ROOT / "events" / "outcomes.json").read_text())
"""What the drop of each sample alone produces: rows of the ledger by status, messages, and notifications by kind."""


@dataclass(frozen=True)
class Scenario:
    """A sample request, and where it must end."""

    name: str
    why: str

    @property
    def status(self) -> str:
        """Where its one message ends, as it declares."""
        (status,) = OUTCOMES[self.name]["rows"]
        return str(status)


SCENARIOS: tuple[Scenario, ...] = (
    # First, because it takes longest: the waits of the local environment must pass.
    Scenario("nobody-answers", "the practice collects it and never answers"),
    Scenario("consultation-report-2.0", "a report in the current version of the specification"),
    Scenario("consultation-report-1.5", "a report in the version before"),
    Scenario("patient-not-known", "the practice answers that it does not know the patient (30002)"),
    Scenario("unknown-nhs-number", "MESH cannot find the patient's practice and reports so"),
    Scenario("invalid", "the request breaks rules: it is refused, field by field"),
)
