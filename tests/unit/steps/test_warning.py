"""The warning of a deleted consultation has all that the practice must be told, or says what is not known."""

from dataclasses import replace

import pytest

from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.requests.models import Request, Withdrawal, parse
from gpconnect_messaging.steps.warning import warning
from tests.examples import REQUESTS, a_request
from tests.unit.ledger.events import BUILT, START, accepted, response, started

pytestmark = pytest.mark.requirement("GPCM-SD-CS-077")
NOT_KEPT = "not kept any longer: look the encounter up in your own records"


def withdrawal() -> Withdrawal:
    asked = parse((REQUESTS / "withdrawal" / "request.json").read_bytes())
    assert isinstance(asked, Withdrawal)
    return asked


def message(*events: LedgerEvent, version: int = 1, message_id: str = "m1") -> MessageRecord:
    return MessageRecord(
        message_id=message_id, request_id="r1", mailbox="Y90001OT001", encounter="e", encounter_key="key",
        version=version, created_at=START, history=MessageHistory((BUILT, started(), accepted(), *events)),
    )  # fmt: skip


def registered(**known: str) -> MessageRecord:
    built = replace(BUILT, details={**BUILT.details, "registration": known})
    return replace(message(), history=MessageHistory((built, started(), accepted())))


def practice(request: Request | None, *sent: MessageRecord) -> str:
    (line,) = [line for line in warning(withdrawal(), request, sent).splitlines() if line.startswith("Registered")]
    return line.removeprefix("Registered practice: ")


def test_a_warning_says_who_the_patient_is_and_what_the_practice_has() -> None:
    second = message(version=2, message_id="m2")
    assert warning(withdrawal(), a_request(), [second, message()]) == (
        "This consultation was deleted after the report was sent. Tell the practice that it must not rely on it.\n"
        "\n"
        "Patient: Mr Garth WRIGHT\n"
        "NHS number: 9658218865\n"
        "Date of the consultation: 20 November 2026, 19:40 UTC\n"
        "Registered practice: Millbrook Surgery, ODS code A20047; no answer yet\n"
        f"Encounter: {withdrawal().encounter}\n"
        "Messages: m2 (version 2, SENT), m1 (version 1, SENT)\n"
    )


def test_without_the_request_the_warning_says_where_to_look() -> None:
    lines = warning(withdrawal(), None, [message()]).splitlines()
    assert lines[2:6] == [
        f"Patient: {NOT_KEPT}",
        f"NHS number: {NOT_KEPT}",
        f"Date of the consultation: {NOT_KEPT}",
        "Registered practice: not given by the request; no answer yet",
    ]


def test_the_practice_is_the_one_that_was_known_when_the_newest_message_was_made() -> None:
    known = registered(ods_code="B86071", name="Otley Road")
    assert practice(a_request(), known, message()) == "Otley Road, ODS code B86071; no answer yet"
    assert practice(a_request(), message(), known).startswith("Millbrook Surgery, ODS code A20047")
    assert practice(None, registered(ods_code="B86071")) == "name not given, ODS code B86071; no answer yet"
    assert practice(a_request(), registered(source="PDS")).startswith("Millbrook Surgery, ODS code A20047")


def test_whoever_answered_is_named_by_organisation_or_else_by_mailbox() -> None:
    by_mailbox = response("20013", mesh_message_id="S")
    by_mailbox = replace(by_mailbox, details={**by_mailbox.details, "from_organisation": None})
    answered = message(response("20013"), response("30001"), by_mailbox)
    assert practice(None, answered) == "not given by the request; answered by A20047, A20047OT001"
    assert status_of(MessageHistory(answered.history.events)) is answered.status
