"""Log lines about a message, from files and from CloudWatch."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gpcm.logs import CloudWatchLogs, LogFiles
from gpcm.times import MomentError, day_of, moment_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def line(seconds: int, message: str, **fields: str) -> str:
    """A line as our functions write it."""
    at = NOON + timedelta(seconds=seconds)
    written = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03}+0000"
    return json.dumps({"level": "INFO", "message": message, "timestamp": written, **fields})


def test_lines_of_all_functions_are_found_in_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "sender.log").write_text(f"{line(5, 'sent', message_id='one')}\n{line(6, 'sent', message_id='two')}\n")
    (tmp_path / "builder.log").write_text(f"{line(1, 'built', message_id='one')}\nTraceback: one\n")
    found = LogFiles(tmp_path).lines(["one", "three"], NOON, NOON + timedelta(minutes=1))
    assert [(line.function, line.fields.get("message")) for line in found] == [
        ("builder", "built"),
        ("builder", None),
        ("sender", "sent"),
    ]
    assert found[1].at == found[0].at, "a line without a time has that of the line before it"
    assert LogFiles(tmp_path).lines(["one"], NOON + timedelta(seconds=3), NOON + timedelta(seconds=5))[0].at


def test_cloudwatch_is_asked_for_every_function_in_the_time(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    class Client:
        def get_paginator(self, operation: str) -> "Client":
            assert operation == "filter_log_events"
            return self

        def paginate(self, **query: Any) -> list[dict[str, Any]]:
            asked.append(query)
            at = int(NOON.timestamp() * 1000) + len(asked)
            return [{"events": [{"timestamp": at, "message": line(1, query["logGroupName"]) + "\n"}]}]

    groups = {"builder": "/builder", "sender": "/sender"}
    found = CloudWatchLogs(Client(), lambda: groups).lines(["one", "two"], NOON, NOON + timedelta(hours=1))
    assert [(line.function, line.fields["message"]) for line in found] == [
        ("builder", "/builder"),
        ("sender", "/sender"),
    ]
    assert {call["filterPattern"] for call in asked} == {'?"one" ?"two"'}
    assert {call["endTime"] - call["startTime"] for call in asked} == {3_600_000}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("2h", NOON - timedelta(hours=2)),
        ("30m", NOON - timedelta(minutes=30)),
        ("3d", NOON - timedelta(days=3)),
        ("today", NOON.replace(hour=0)),
        ("Yesterday", NOON.replace(day=21, hour=0)),
        ("2026-11-20", NOON.replace(day=20, hour=0)),
        ("2026-11-20T14:30", NOON.replace(day=20, hour=14, minute=30)),
        ("2026-07-20T14:30+01:00", NOON.replace(month=7, day=20, hour=13, minute=30)),
    ],
)
def test_a_time_is_read_as_a_person_types_it(typed: str, read: datetime) -> None:
    assert moment_of(typed, NOON) == read


@pytest.mark.parametrize("typed", ["", "soon", "2 weeks", "22/11/2026"])
def test_what_is_no_time_is_answered_with_what_is_one(typed: str) -> None:
    with pytest.raises(MomentError, match="2026-11-22"):
        moment_of(typed, NOON)
    with pytest.raises(MomentError, match="2026-11-22"):
        day_of(typed, NOON)
