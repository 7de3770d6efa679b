"""Every log line about a message, from all three functions: files of a local run, CloudWatch Logs on AWS.

Our log lines name ids and hold no personal data, and so may be shown as they are.
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
    """A line of a function's log. `at` is None where the line does not say."""

    at: datetime | None
    function: str
    text: str

    @property
    def fields(self) -> Mapping[str, Any]:
        """The line's fields where it is one of ours, which are JSON; otherwise none."""
        with suppress(ValueError):
            read = json.loads(self.text)
            if isinstance(read, dict):
                return read
        return {}


class Logs(Protocol):
    """Where the functions' logs are."""

    def lines(self, words: Sequence[str], since: datetime, until: datetime) -> list[LogLine]:
        """Find the lines of a time that hold one of the words, in order of time."""


@dataclass(frozen=True)
class LogFiles:
    """The logs of a local run: a file for each function."""

    folder: Path
    functions: tuple[str, ...] = ("builder", "sender", "poller")

    def lines(self, words: Sequence[str], since: datetime, until: datetime) -> list[LogLine]:
        """Find the lines that hold one of the words; one without a time of its own has that of the line before it."""
        found = [each for function in self.functions for each in self._of(function, words)]
        return _sorted(each for each in found if each.at is None or since <= each.at <= until)

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
    """The logs on AWS: a group for each function. `client` is boto3's for CloudWatch Logs."""

    client: Any
    groups: Callable[[], Mapping[str, str]]
    """Gives the log group of each function by the function's name."""

    def lines(self, words: Sequence[str], since: datetime, until: datetime) -> list[LogLine]:
        """Find the lines that hold one of the words."""
        pattern = " ".join(f'?"{word}"' for word in words)
        found = []
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
                    found.append(LogLine(at, function, event["message"].rstrip("\n")))
        return _sorted(found)


def _sorted(lines: Any) -> list[LogLine]:
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(lines, key=lambda line: line.at or never)


def _time(fields: Mapping[str, Any]) -> datetime | None:
    for name in ("timestamp", "time"):
        if isinstance(written := fields.get(name), str):
            with suppress(ValueError):
                read = datetime.fromisoformat(written.replace(",", "."))
                return read if read.tzinfo else read.replace(tzinfo=UTC)
    return None
