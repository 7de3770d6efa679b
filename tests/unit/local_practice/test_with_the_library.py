"""The sender's library and the independent practice agree about messages and about responses."""

from datetime import UTC, datetime

import pytest

from gpconnect_messaging.itk3.compose import compose
from gpconnect_messaging.itk3.response_codes import Verdict
from gpconnect_messaging.itk3.responses import read_response
from gpconnect_messaging.specification import Version
from infra.local.practice.answering import Answer
from infra.local.practice.codes import lookup
from infra.local.practice.reading import Reading, read
from infra.local.practice.responding import Practice, Shape, write
from tests.examples import MAILBOXES, a_message
from tests.unit.local_practice.sample_message import PDF

ORIGINAL = "3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f0001"
CODES = [str(code) for level in (range(10001, 10011), range(20001, 20016), range(30001, 30026)) for code in level]


@pytest.mark.parametrize("specification", list(Version))
def test_a_composed_message_is_valid_for_the_practice(specification: Version) -> None:
    message = a_message(specification)
    composed = compose(message, [len(PDF) for _ in message.request.documents])

    reading = read(b"".join(composed.stream(lambda _index: [PDF])), mesh_from=MAILBOXES[specification].mailbox)

    assert reading.findings == []
    assert len(reading.documents) == len(message.request.documents)


def response(code: str, shape: Shape = Shape.STANDARD) -> bytes:
    practice = Practice("A20047", "A20047OT001")
    written = write(Answer(code), Reading(message_id=ORIGINAL), practice, shape=shape, now=datetime.now(UTC))
    return written.content


@pytest.mark.parametrize("shape", list(Shape))
def test_every_shape_of_response_is_read(shape: Shape) -> None:
    found = read_response(response("30002", shape))

    assert found.identifier == ORIGINAL
    assert found.code == "30002"


@pytest.mark.parametrize("code", CODES)
def test_both_sides_agree_which_codes_are_positive(code: str) -> None:
    found = read_response(response(code))

    assert found.code == code
    assert found.verdict is (Verdict.POSITIVE if lookup(code).positive else Verdict.NEGATIVE)
