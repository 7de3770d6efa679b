"""What others state as a time is believed only where it can be true, and never raises."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gpconnect_messaging.json_reading import JsonNumber
from gpconnect_messaging.ledger.table import text, time
from gpconnect_messaging.queues import first_queued
from gpconnect_messaging.stated_times import read_stated

EVENING = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "stated",
    [
        "2026-11-20T22:00:00Z",
        "2026-11-20T22:00:00+00:00",
        "2026-11-21T08:00:00+10:00",
        1795212000,
        JsonNumber("1795212000"),
    ],
)
def test_a_time_is_read_in_utc(stated: Any) -> None:
    found = read_stated(stated)
    assert found == EVENING
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "stated",
    [None, "", "yesterday", True, -1, 2**63, 10**400, 1.5, JsonNumber("1795212000.0"), [], {}, "2026-11-20T22:00:00",
     "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "0999-12-31T23:59:59Z", "1989-12-31T23:59:59Z",
     "9999-12-31T23:59:59-23:59"],
)  # fmt: skip
def test_what_cannot_be_true_is_no_time(stated: Any) -> None:
    assert read_stated(stated) is None


@pytest.mark.parametrize(
    ("stated", "first"),
    [
        (None, EVENING),
        ("2026-11-20T21:30:00Z", datetime(2026, 11, 20, 21, 30, tzinfo=UTC)),
        ("2026-11-20T22:30:00Z", EVENING),
        ("0001-01-01T00:00:00+23:59", EVENING),
        ("not a time", EVENING),
    ],
)
def test_a_message_was_first_queued_when_sqs_took_it_or_earlier_where_it_was_put_there_again(
    stated: str | None, first: datetime
) -> None:
    assert first_queued("1795212000000", stated) == first


YEARS = [
    datetime(1, 1, 1, tzinfo=UTC), datetime(33, 4, 3, 15, tzinfo=UTC), datetime(999, 12, 31, 23, 59, tzinfo=UTC),
    datetime(1000, 1, 1, tzinfo=UTC), EVENING, datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]  # fmt: skip


def test_the_ledger_writes_every_time_in_the_same_width_so_that_text_order_is_time_order() -> None:
    written = [text(year) for year in YEARS]
    assert written == sorted(written)
    assert {len(text) for text in written} == {len("2026-11-20T22:00:00.000000Z")}
    assert [time(text) for text in written] == YEARS
