"""What becomes of a request: sent, held, or not required."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpconnect_messaging.decision import Course, Decision, decide, known_practice
from gpconnect_messaging.mailboxes.settings import MailboxSettings, Release
from tests.examples import a_request

ARRIVED = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
MAILBOX = MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001", further_ods_codes=("Y90009",))
WINDOW = timedelta(hours=2, minutes=45)


def decided(
    *,
    mailbox: MailboxSettings = MAILBOX,
    practice: str | None = "A20047",
    after: timedelta = timedelta(0),
    **changes: Any,
) -> Decision:
    return decide(a_request(**changes), mailbox, practice=practice, arrived=ARRIVED, now=ARRIVED + after)


@pytest.mark.requirement("GPCM-SD-CS-071", "GPCM-SD-083")
@pytest.mark.parametrize("practice", ["Y90001", "Y90009"])
def test_a_patient_of_any_of_the_senders_own_practices_needs_no_message(practice: str) -> None:
    decision = decided(practice=practice)
    assert (decision.course, decision.requirement) == (Course.NOT_REQUIRED, "GPCM-SD-CS-071")


@pytest.mark.requirement("GPCM-SD-CS-071")
def test_another_care_provider_gets_its_message_whoever_the_patient_is_registered_with() -> None:
    request = a_request("online-consultation-1.5-pharmacy")
    mailbox = replace(MAILBOX, hold_window_seconds=0)
    decision = decide(request, mailbox, practice="Y90001", arrived=ARRIVED, now=ARRIVED)
    assert decision.course is Course.SEND


@pytest.mark.requirement("GPCM-SD-CS-073")
def test_what_is_not_clinically_relevant_is_not_sent() -> None:
    decision = decided(clinically_relevant=False)
    assert (decision.course, decision.requirement) == (Course.NOT_REQUIRED, "GPCM-SD-CS-073")
    assert decided(clinically_relevant=True).course is Course.HOLD


@pytest.mark.requirement("GPCM-SD-CS-069")
def test_nobody_knowing_the_practice_stops_nothing() -> None:
    assert decided(practice=None, after=WINDOW).course is Course.SEND


@pytest.mark.requirement("GPCM-SD-CS-075", "GPCM-SD-CS-076", "GPCM-SD-096")
def test_a_request_is_held_until_its_window_is_over() -> None:
    held = decided(after=WINDOW - timedelta(seconds=1))
    assert (held.course, held.release_at, held.by_a_person) == (Course.HOLD, ARRIVED + WINDOW, False)
    assert decided(after=WINDOW).course is Course.SEND


@pytest.mark.requirement("GPCM-SD-CS-075", "GPCM-SD-096")
def test_the_window_counts_from_the_last_update_however_late_the_request_comes() -> None:
    updated = ARRIVED - timedelta(hours=2)
    assert decided(consultation__updated=updated.isoformat()).release_at == updated + WINDOW
    early = ARRIVED - timedelta(hours=3)
    assert decided(consultation__updated=early.isoformat()).course is Course.SEND


@pytest.mark.requirement("GPCM-SD-CS-074")
def test_a_person_releases_what_the_organisation_wants_released_by_a_person() -> None:
    mailbox = replace(MAILBOX, release=Release.BY_A_PERSON, hold_window_seconds=0)
    decision = decided(mailbox=mailbox, after=timedelta(days=1))
    assert (decision.course, decision.by_a_person, decision.requirement) == (Course.HOLD, True, "GPCM-SD-CS-074")
    switched_off = replace(mailbox, release=Release.AUTOMATIC)
    assert decided(mailbox=switched_off).course is Course.SEND


def test_without_pds_the_requests_own_practice_is_what_there_is_to_go_by() -> None:
    assert known_practice(a_request()) == "A20047"
    assert known_practice(a_request(registered_practice=None)) is None
