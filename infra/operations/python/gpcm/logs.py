"""Finds the log lines about a message, in the files of a local run or in CloudWatch Logs.

The functions' log lines have ids and no personal data, so operators may see them unchanged.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a function's log. `at` is None if the line has no time."""

    at: datetime | None
    function: str
    text: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of a JSON line; empty for other lines."""
        with suppress(ValueError):
            fields = json.loads(self.text)
            if isinstance(fields, dict):
                return fields
        return {}


class Logs(Protocol):
    """The functions' logs."""

    def lines(self, words: Sequence[str], since: datetime, until: datetime) -> list[LogLine]:
        """Find the lines within a period that contain one of the words, in order of time."""


@dataclass(frozen=True)
class LogFiles:
    """The logs of a local run, one file per function."""

    folder: Path
    functions: tuple[str, ...] = ("builder", "sender", "poller")

    def lines(self, words: Sequence[str], since: datetime, until: datetime) -> list[LogLine]:
        """Find the lines that contain one of the words. A line without a time has the time of the line before."""
        matching = [line for function in self.functions for line in self._of(function, words)]
        return _sorted(line for line in matching if line.at is None or since <= line.at <= until)

    def _of(self, function: str, words: Sequence[str]) -> Iterator[LogLine]:
        at: datetime | None = None
        with suppress(FileNotFoundError), (self.folder / f"{function}.log").open(errors="replace") as file:
            for text in file:
                line = LogLine(at, function, text.rstrip("\n"))
                at = _time(line.fields) or at
                if any(word in text for word in words):
                    yield LogLine(at, function, line.text)


@dataclass(frozen=True)
class CloudWatchLogs:
    """The logs on AWS, one group per function. `client` is boto3's client for CloudWatch Logs."""

    client: Any
    groups: Callable[[], Mapping[str, str]]
    """Returns the log groups by function name."""

    def lines(self, words: Sequence[str], since: datetime, until: datetime) -> list[LogLine]:
        """Find the lines that contain one of the words."""
        pattern = " ".join(f'?"{word}"' for word in words)
        matching = []
        for function, group in self.groups().items():
            pages = self.client.get_paginator("filter_log_events").paginate(
                logGroupName=group,
                filterPattern=pattern,
                startTime=int(since.timestamp() * 1000),
                endTime=int(until.timestamp() * 1000),
            )
            for page in pages:
                for event in page["events"]:
                    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                    matching.append(LogLine(at, function, event["message"].rstrip("\n")))
        return _sorted(matching)


def _sorted(lines: Any) -> list[LogLine]:
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(lines, key=lambda line: line.at or never)


def _time(fields: Mapping[str, Any]) -> datetime | None:
    for name in ("timestamp", "time"):
        if isinstance(written := fields.get(name), str):
            with suppress(ValueError):
                at = datetime.fromisoformat(written.replace(",", "."))
                return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None
