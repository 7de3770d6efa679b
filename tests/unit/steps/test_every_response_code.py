"""Every response code there is, in every shape that a practice writes it in, leads to the right status."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level, Verdict
from gpconnect_messaging.itk3.responses import read_response
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.mesh.models import ReceivedMessage
from gpconnect_messaging.steps.poll import Poller
from infra.local.practice.answering import Answer
from infra.local.practice.reading import Reading
from infra.local.practice.responding import Practice, Shape, write
from tests.unit.ledger.events import OVERDUE, accepted, at, built_for, started

MAILBOX = "A20047OT001"
SENT = (built_for(MAILBOX, "A20047"), started(), accepted())
NOBODY: Any = None
POLLER = Poller(
    evidence=NOBODY, ledger=NOBODY, mesh=NOBODY, notifier=NOBODY, identifiers=NOBODY, queue=NOBODY, now=lambda: at(3)
)  # fmt: skip


def answered(code: str, shape: Shape) -> tuple[LedgerEvent, ...]:
    """What the poller records of an answer with this code, written in this shape."""
    reading = Reading(message_id="3f2504e0-4f89-41d3-9a0c-0305e82c3301")
    now = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
    written = write(Answer(code), reading, Practice("A20047", MAILBOX), shape=shape, now=now)
    received = ReceivedMessage(message_id=f"R{code}", sender=MAILBOX)
    return tuple(POLLER._responses(received, read_response(written.content), (), ""))


def status(*events: LedgerEvent) -> Status:
    return status_of(MessageHistory((*SENT, *events)))


@pytest.mark.requirement("1.5:GPCM-SD-043", "1.5:GPCM-SD-044", "GPCM-SD-094")
@pytest.mark.parametrize("shape", [shape for shape in Shape if shape is not Shape.GZIP])
@pytest.mark.parametrize("code", sorted(RESPONSE_CODES))
def test_it_alone_and_with_the_other_acknowledgement_before_or_after_it(code: str, shape: Shape) -> None:
    known, events = RESPONSE_CODES[code], answered(code, shape)
    received, accepted_too = answered("20013", shape), answered("30001", shape)
    if known.verdict is Verdict.NEGATIVE:
        assert {status(*events), status(*received, *events), status(*events, *accepted_too)} == {Status.REJECTED}
    elif known.level is Level.INFRASTRUCTURE:
        assert code == "20013"
        assert [status(*events), status(*events, OVERDUE)] == [Status.ACKNOWLEDGED, Status.OVERDUE], "half an answer"
        assert {status(*events, *accepted_too), status(*accepted_too, *events)} == {Status.DELIVERED}
    else:
        assert [status(*events), status(*events, OVERDUE)] == [Status.SENT, Status.OVERDUE], "half an answer"
        assert {status(*events, *received), status(*received, *events)} == {Status.DELIVERED}


def test_the_two_that_look_like_warnings_are_negative_and_a_patients_death_is_no_failure() -> None:
    assert {RESPONSE_CODES[code].verdict for code in ("30014", "30015")} == {Verdict.NEGATIVE}
    assert RESPONSE_CODES["30004"].verdict is Verdict.POSITIVE
