"""What was measured on the local run: the file `measured.json`, as values that refuse to be wrong."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MEASURED = Path(__file__).with_name("measured.json")

Amount = Annotated[float, Field(ge=0)]


class Measured(BaseModel):
    """A group of measured values: frozen, no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Runs(Measured):
    """How often a function ran, and for how many seconds in all it computed on the measuring machine.

    Computing, unlike waiting, takes as long on a busy machine as on an idle one.
    """

    runs: Amount
    seconds: Amount


class Use(Measured):
    """What one message, or one run of a schedule, asks of AWS, on average."""

    calls: dict[str, dict[str, Amount]]
    """By function, then service and action: `dynamodb:GetItem`; `s3:PUT`, `s3:GET`, `s3:LIST GET`; `query:Publish`."""
    sent: dict[str, Amount]
    """Bytes that the calls of an action sent."""
    write_units: Amount
    read_units: Amount
    runs: dict[str, Runs]
    """By function."""
    log_bytes: Amount


class Message(Measured):
    """What one message of a kind takes, from its drop to its last acknowledgement."""

    use: Use
    message_bytes: Amount
    """Of the message as it is sent, before compression."""
    dropped_bytes: Amount
    ledger_bytes: Amount
    """What the ledger's table keeps of it."""
    index_bytes: Amount
    """What the table's indexes keep of it besides."""


class Fixed(Measured):
    """What an environment has, by the template of production, whether messages come or not."""

    keys: int = Field(ge=1)
    secrets: int = Field(ge=1)
    secrets_of_a_mailbox: int = Field(ge=1)
    alarms: int = Field(ge=1)
    alarms_of_a_mailbox: int = Field(ge=1)
    dashboards: int = Field(ge=1)
    metrics: int = Field(ge=1)
    metrics_of_a_mailbox: int = Field(ge=1)
    queues_with_a_consumer: int = Field(ge=1)
    memory_megabytes: dict[str, int]
    """What each function is given."""


class Measurement(Measured):
    """One measuring run."""

    measured_on: date
    machine: str
    messages: int = Field(ge=10)
    """Of each kind: fewer say little."""
    kinds: dict[str, Message] = Field(min_length=1)
    schedules: dict[str, Use] = Field(min_length=1)
    """What one run of each schedule takes that finds nothing to do."""
    peak_megabytes: dict[str, Amount]
    """The most memory that a function's process ever had."""
    fixed: Fixed


def load(file: Path = MEASURED) -> Measurement:
    """Read a measurement. Raises OSError; pydantic.ValidationError, which names the field."""
    return Measurement.model_validate_json(file.read_bytes())


def write(measurement: Measurement, file: Path = MEASURED) -> None:
    """Write a measurement, in an order that keeps differences small."""
    content = json.dumps(measurement.model_dump(mode="json"), indent=2, sort_keys=True)
    file.write_text(content + "\n", encoding="utf-8")
