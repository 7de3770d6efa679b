"""What an encounter is stored as is read for ever, and a delivered report is one small item."""

from base64 import b64decode

import pytest

from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.encounter_format import NO_PARTS, UnknownFormatError, decode, encode, pack, unpack
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.events import held, release_started
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.records import (
    Claim,
    MessageRecord,
    Notification,
    Origin,
    RaisedNotification,
    Received,
    Version,
)
from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from infra.local.capacity import size
from tests.performance.ledger_load import tallied
from tests.unit.ledger.events import BUILT, accepted, at, response, started

KEY, REQUEST, MESSAGE = "8c55-9e07-d3f1a2b4c6d8", "request-1", "5b1c0f6e-93a1-8c55-9e07-d3f1a2b4c6d8"
ENCOUNTER = Encounter(
    key=KEY,
    mailbox="Y90001OT001",
    encounter="4711",
    newest=RequestTimes(
        stated=at(-9), arrived=at(-8), s3_object="object", sequencer="0065", deletion=True, undated=True
    ),
    newest_request_id="request-2",
    held_request_id=REQUEST,
    claims={
        REQUEST: Claim(
            request_id=REQUEST, version=1, created_at=at(1), document_versions=("v1", "v2"),
            registration={"source": "PDS", "ods_code": "A20047", "deceased": True}, message_ids=(MESSAGE,),
        )
    },
    origins={
        REQUEST: Origin(folder="reports/", document_versions=("v1", "v2"), arrived=at(-8), queue_of="sender"),
        "request-2": Origin(),
    },
    versions=(Version(number=1, request_id=REQUEST, message_ids=(MESSAGE,), recipients=("FA565",)),),
    records={
        REQUEST: MessageRecord(
            message_id=REQUEST, request_id=REQUEST, mailbox="Y90001OT001", encounter="4711", encounter_key=KEY,
            version=0, created_at=at(-8), changed_at=at(1), history=MessageHistory(
                (held(at=at(-8), release_at=at(0), by_a_person=False, requirement="GPCM-SD-CS-076", why="open"),
                 release_started(at=at(1), version=1))
            ),
        ),
        MESSAGE: MessageRecord(
            message_id=MESSAGE, request_id=REQUEST, mailbox="Y90001OT001", encounter="4711", encounter_key=KEY,
            version=1, recipient="FA565", created_at=at(1), changed_at=at(3), messages=2, legal_hold=True,
            history=MessageHistory((BUILT, started(), accepted(), response("20013"))), carried={"paused": ["until"]},
        ),
    },
    notifications={
        f"MESSAGE#{MESSAGE}/stuck#2": RaisedNotification(
            notification=Notification(
                subject_key=f"MESSAGE#{MESSAGE}", kind=NotificationType.STUCK, raised_at=at(4),
                details={"message_id": MESSAGE, "attempts": "5"}, occasion="2",
            ),
            due_at=at(5), told_at=at(6), escalated_at=at(7), acknowledged_at=at(8), acknowledged_by="operator-7",
        )
    },
    received=Received(
        mailbox="Y90001OT001", mesh_message_id="U", at=at(2), evidence_key="received/U", outcome="unmatched"
    ),
    parts=("00000003-0123456789abcdef-0",),
    carried={"paused_by": {"whom": [1, None]}},
    revision=7,
)  # fmt: skip
STORED_1 = """
ePlqRsburZjJbsIwEIbfJb3GInZWcuulD4DUUxWh4IS2ghJUCFKF+u71lsTxEhyKxAGJwduM//n8X71jSSGYPUmoMDcEJd6gf2j3++LXd2KxKI
Vw4LGOrqEFzLrfkY3QYE4+DoRG4pCF0MQXA6epaOaPyU0htWEvVDx1ZuOvk9PCRlEXeggXROnFdQ8S3Qm9mY14MA+hA+JJi7OSnh3pDCg3ZNZ8
WpaFFAoHXj1orhioQGG8gTjYJjVYhiUEGY5jsKyDFFThFpZoE+GkynRwfHmOSR0UdE4ZFUepNs89ceBqFkfAOJ0bJ5rUZ3ChSTLZf2gy6WmyOd
aH+0hN36+F1KjYOCU07ySLJpPzQOFbMiZfl74KSAyvgVlXaCqj4Th0KCtE5fu93K8/2BuaC46U8CmMFMm7gZEsrwIk7QwZJmaEhFlHkIPO8xvO
dX4WyelnNpfkyAhR/kCEI+Oh+xCO9nJox4QVIwIjF+jlwLhgJWJNIND99lAGktN4mwN81TO69kaRy6VcnM4t3j0x4detJqdr3dtRbCjadDAu+e
X1kGxNGQpG7nRtrcfE4xhhaClBiSLLktelRKYKnUjOrh6c2YO5DUy0lTTe5hukE5aa4xGKoqYGW+yJnoxrzh12X02vyFc2lr4ZpLauz4rS1XpX
/zDl5XMt6N/J+wY3zPVpD1/lGX+QNZD1HImIsDYsgDcEAURhFCdptiw3uKq3ICDN+Q/JXxat
"""
"""The encounter as the first release stored it. Never changed: encounters are read after years."""


def test_an_encounter_of_the_first_format_is_read_for_ever() -> None:
    assert decode(KEY, unpack(b64decode(STORED_1), 1), 7, NO_PARTS) == ENCOUNTER


def test_an_encounter_is_written_as_it_is_read() -> None:
    assert decode(KEY, unpack(pack(encode(ENCOUNTER, NO_PARTS)), encounter_format.VERSION), 7, NO_PARTS) == ENCOUNTER


def test_a_format_that_is_not_known_is_an_error_of_its_own() -> None:
    with pytest.raises(UnknownFormatError, match="format 2, which this release cannot read"):
        unpack(b64decode(STORED_1), 2)


def test_a_held_and_delivered_report_is_one_item_that_a_write_unit_pays_for() -> None:
    table = tallied(20)
    items = [values for (_, sort), values in table._items.items() if sort == "STATE"]
    assert len(items) == 20
    assert [sort for _, sort in table.item_keys() if sort.startswith("PART#")] == []
    sizes = [size(values) for values in items]
    assert max(sizes) < 800, "bytes of names and values; a unit pays for 1,024"
    for values in items:
        version, body = int(values["v"]["N"]), values["body"]["B"]
        encounter = decode(values["pk"]["S"].removeprefix("ENCOUNTER#"), unpack(body, version), 0, NO_PARTS)
        assert sorted(record.status for record in encounter.records.values()) == [Status.DELIVERED, Status.RELEASED]
