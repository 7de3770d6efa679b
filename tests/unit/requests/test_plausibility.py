"""Dates and times of a request beside each other, the patient's birth, and now."""

from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.requests.models import Withdrawal
from gpconnect_messaging.requests.plausibility import implausible, implausible_withdrawal
from tests.examples import CREATED_AT, a_request, request_data

REPORT, ONLINE, DISCHARGE = "consultation-report-2.0", "online-consultation-1.5", "send-document-2.0-discharge"
LATE = (CREATED_AT + timedelta(minutes=6)).isoformat()
IN_TIME = (CREATED_AT + timedelta(minutes=4)).isoformat()


def fields(name: str = REPORT, **changes: Any) -> list[str]:
    return [reason.field for reason in implausible(a_request(name, **changes), CREATED_AT)]


def observed(issued: str) -> dict[str, Any]:
    return {"observations": [request_data(ONLINE)["observations"][0] | {"issued": issued}]}


def answered(authored: str) -> dict[str, Any]:
    return {"questionnaire": request_data(ONLINE)["questionnaire"] | {"authored": authored}}


def too_large(created: str) -> dict[str, Any]:
    return {"consultation__unsent_attachments": [{"name": "scan", "created": created, "size": 1}]}


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        (REPORT, lambda time: {"consultation__start": time, "consultation__updated": None}, "consultation.start"),
        (REPORT, lambda time: {"consultation__end": time}, "consultation.end"),
        (REPORT, lambda time: {"consultation__updated": time}, "consultation.updated"),
        (REPORT, too_large, "consultation.unsent_attachments[0].created"),
        (ONLINE, observed, "observations[0].issued"),
        (ONLINE, answered, "questionnaire.authored"),
    ],
)  # fmt: skip
def test_nothing_has_happened_in_the_future_but_for_a_clock_that_is_five_minutes_ahead(
    name: str, changes: Any, field: str
) -> None:
    assert fields(name, **changes(LATE)) == [field]
    assert fields(name, **changes(IN_TIME)) == []


@pytest.mark.parametrize("field", ["patient", "related_person"])
def test_nobody_is_born_in_the_future(field: str) -> None:
    name = "online-consultation-1.5-pharmacy" if field == "patient" else ONLINE
    assert fields(name, **{f"{field}__birth_date": "2026-11-21"}) == [f"{field}.birth_date"]
    assert f"{field}.birth_date" not in fields(name, **{f"{field}__birth_date": "2026-11-20"})


def test_nothing_happens_to_a_patient_before_the_birth() -> None:
    before = "2019-06-01T10:00:00+01:00"
    born = {"patient__birth_date": "2020-01-01"}
    assert fields(**born, consultation__start=before) == ["consultation.start"]
    assert fields(DISCHARGE, **born, event__start=before) == ["event.start"]
    assert fields(DISCHARGE, **born, event__start=None, event__end=before) == ["event.end"]
    assert fields(ONLINE, **born, **observed(before)) == ["observations[0].issued"]
    assert fields(ONLINE, **born, **answered(before)) == ["questionnaire.authored"]


def test_a_child_can_be_seen_on_the_day_of_birth_by_uk_clocks() -> None:
    """At 23:30 UTC in summer it is the next day in the UK, where the child was born."""
    times = {"consultation__start": "2026-06-01T23:30:00Z", "consultation__updated": "2026-06-01T23:45:00Z"}
    assert fields(patient__birth_date="2026-06-02", **times) == []
    assert fields(patient__birth_date="2026-06-03", **times) == ["consultation.start", "consultation.updated"]


def test_what_ends_or_is_updated_has_begun() -> None:
    assert fields(ONLINE, consultation__end="2026-11-20T19:01:59+00:00") == ["consultation.end"]
    assert fields(DISCHARGE, event__end="2026-11-20T15:59:59+00:00") == ["event.end"]
    assert fields(consultation__updated="2016-11-20T19:40:00+00:00") == ["consultation.updated"]


def test_a_consultation_of_a_time_in_the_wrong_unit_is_not_of_1970() -> None:
    """JavaScript's Date counts milliseconds: of the seconds of November 2026 it makes the 21st of January 1970."""
    born = {"patient__birth_date": "1933-11-14"}
    assert fields(**born, consultation__start="1970-01-21T18:42:21.600Z") == ["consultation.start"]
    wrong = {"consultation__start": "1970-01-21T18:42:21Z", "consultation__end": "1970-01-21T18:43:00Z"}
    assert fields(**born, **wrong) == ["consultation.start", "consultation.end"]
    assert fields(**born, consultation__start="1990-01-01T00:00:00Z") == []


def test_a_consultation_is_not_deleted_in_the_future() -> None:
    def broken(deleted: timedelta) -> list[str]:
        withdrawal = Withdrawal.model_validate(
            {"kind": "withdraw", "mailbox": "Y90001OT001", "encounter": "7"}
            | {"deleted": (CREATED_AT + deleted).isoformat()}
        )
        return [reason.field for reason in implausible_withdrawal(withdrawal, CREATED_AT)]

    assert broken(timedelta(minutes=6)) == ["deleted"]
    assert broken(timedelta(minutes=4)) == []
