"""The measurement of the local run, `measured.json`, as validated values."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MEASURED = Path(__file__).with_name("measured.json")

Amount = Annotated[float, Field(ge=0)]


class Measured(BaseModel):
    """Base of measured values: frozen, no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Runs(Measured):
    """The number of a function's runs, and their total computing seconds on the measuring machine.

    Computing, unlike waiting, takes as long on a busy machine as on an idle one.
    """

    runs: Amount
    seconds: Amount


class Use(Measured):
    """The average use of AWS by one message, or by one run of a schedule."""

    calls: dict[str, dict[str, Amount]]
    """By function, then service and action: `dynamodb:GetItem`; `s3:PUT`, `s3:GET`, `s3:LIST GET`; `query:Publish`."""
    sent: dict[str, Amount]
    """Bytes sent, by action."""
    write_units: Amount
    read_units: Amount
    runs: dict[str, Runs]
    """By function."""
    log_bytes: Amount


class Rows(Measured):
    """A message's rows in the ledger that are kept for as long."""

    days: float | None
    """None: they have no end."""
    table_bytes: Amount
    index_bytes: Amount
    """Size in the table's indexes."""


class Message(Measured):
    """The use by one message of a kind, from the drop to the last acknowledgement."""

    use: Use
    message_bytes: Amount
    """Size of the message as sent, before compression."""
    dropped_bytes: Amount
    pds_questions: Amount
    rows: tuple[Rows, ...]


class Fixed(Measured):
    """Resources of an environment that cost without messages, from the production template."""

    keys: int = Field(ge=1)
    secrets: int = Field(ge=1)
    secrets_of_a_mailbox: int = Field(ge=1)
    alarms: int = Field(ge=1)
    alarms_of_a_mailbox: int = Field(ge=1)
    metrics: int = Field(ge=0)
    """Metrics that are written in every hour. CloudWatch charges a metric by the hour in which it is written."""
    metrics_of_a_mailbox: int = Field(ge=0)
    metrics_of_messages: int = Field(ge=1)
    """Metrics that messages add in the hours in which there are some."""
    metrics_of_messages_of_a_mailbox: int = Field(ge=0)
    queues_with_a_consumer: int = Field(ge=1)
    memory_megabytes: dict[str, int]
    """By function."""


class Measurement(Measured):
    """One measuring run."""

    measured_on: date
    machine: str
    messages: int = Field(ge=10)
    """Messages per kind. Fewer would not be reliable."""
    kinds: dict[str, Message] = Field(min_length=1)
    schedules: dict[str, Use] = Field(min_length=1)
    """The use by one run of a schedule that finds nothing to do, by schedule."""
    peak_megabytes: dict[str, Amount]
    """The peak memory of a function's process, by function."""
    fixed: Fixed


def load(file: Path = MEASURED) -> Measurement:
    """Read a measurement. Raises OSError; pydantic.ValidationError, which names the field."""
    return Measurement.model_validate_json(file.read_bytes())


def write(measurement: Measurement, file: Path = MEASURED) -> None:
    """Write a measurement with sorted keys, for small diffs."""
    content = json.dumps(measurement.model_dump(mode="json"), indent=2, sort_keys=True)
    file.write_text(content + "\n", encoding="utf-8")
