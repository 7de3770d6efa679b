"""What a sender or a receiver writes, wherever it writes it, is in no notification, no key of ours and no queue."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gpcm.wording import in_words
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mesh.models import MessageHeaders
from tests import stored
from tests.examples import REQUESTS, request_data, some_of
from tests.fakes.product import MAILBOX, WORKFLOW
from tests.model.effects import Watched
from tests.model.world import PRACTICE, World

NUMBER, NAME = "9658218873", "MEAKINPLANTED"
SAMPLES = ("consultation-report-2.0", "send-document-2.0-outpatient-letter", "withdrawal", "rendered-report")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path of every value in a JSON document."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def planted(sample: str, path: tuple[Any, ...], text: str, *, as_name: bool) -> dict[str, Any]:
    """Write a text in place of a value, or as the name of one more field beside it."""
    data: Any = json.loads(json.dumps(request_data(sample) | {"mailbox": MAILBOX}))
    holder = data
    for step in path[:-1]:
        holder = holder[step]
    if as_name and isinstance(holder[path[-1]], dict):
        holder[path[-1]][text] = text
    else:
        holder[path[-1]] = text
    return data  # type: ignore[no-any-return]


CASES = [
    pytest.param(sample, path, text, as_name, id=f"{sample}:{'.'.join(map(str, path))}:{text[:1]}:{as_name}")
    for sample in SAMPLES
    for path in places(request_data(sample))
    if path
    for text in (NUMBER, NAME)
    for as_name in (False, True)
]


def shown(world: World) -> str:
    """Everything that leaves for people, queues and keys."""
    keys = [*world.outgoing.objects, *world.bucket.objects]
    return json.dumps(
        [world.topic.published, world.topic.attributes, keys, world.table.item_keys(), world.queue.waiting], default=str
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_a_sender_writes_is_repeated_to_nobody(sample: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    files = {file.name: file.read_bytes() for file in (REQUESTS / sample).iterdir() if file.name != "request.json"}
    revealed = []
    told = 0
    for case in some_of([case for case in CASES if case.values[0] == sample]):
        _, path, text, as_name = case.values
        world = World(Watched())
        for name, content in files.items():
            world.dropped.put_object(Key=f"sender/{name}", Body=content)
        body = json.dumps(planted(sample, path, text, as_name=as_name)).encode()  # type: ignore[arg-type]
        world.drop_raw("sender/request.json", body)
        world.deliver_intake(world.process("builder"))
        told += len(world.topic.published)
        if text in shown(world) + caplog.text:  # type: ignore[operator]
            revealed.append(case.id)
    assert revealed == []
    assert told >= 10, "refusals were looked at"


HEADERS = (
    "sender",
    "sender_name",
    "subject",
    "local_id",
    "file_name",
    "workflow_id",
    "status_code",
    "status_description",
    "status_event",
    "linked_message_id",
)


@pytest.mark.parametrize("text", [NUMBER, NAME])
@pytest.mark.parametrize("header", [name for name in HEADERS if name in MessageHeaders.__dataclass_fields__])
@pytest.mark.parametrize("report", [True, False])
def test_what_a_receiver_writes_is_repeated_to_nobody(header: str, text: str, report: bool) -> None:
    world = World(Watched())
    world.drop("one")
    world.deliver_intake(world.process("builder"))
    (record,) = world.records()
    world.send(world.process("sender"), record.message_id)
    (upload,) = world.mesh.copies(record.message_id)
    headers: dict[str, Any] = {"sender": PRACTICE, "workflow_id": f"{WORKFLOW}_ACK", "message_type": "DATA"}
    if report:
        headers = {
            "message_type": "REPORT", "workflow_id": WORKFLOW, "linked_message_id": upload.id, "status_code": "14",
            "status_event": "SEND", "status_success": False,
        }  # fmt: skip
    world.mesh.deliver(MAILBOX, text.encode(), **(headers | {header: text}))
    world.poll(world.process("poller"))
    assert world.topic.published or report
    assert text not in shown(world)


@pytest.mark.parametrize("text", [NUMBER, NAME])
@pytest.mark.parametrize("part", ["A20047OT001", "A20047", "20013", "ITK008M"])
def test_what_stands_in_a_response_is_repeated_to_nobody(part: str, text: str) -> None:
    world = World(Watched())
    world.drop("one")
    world.deliver_intake(world.process("builder"))
    (record,) = world.records()
    world.send(world.process("sender"), record.message_id)
    answer = world.answer(record.message_id, "20013", sender="B30099OT001")
    headers, body = world.mesh.inboxes[MAILBOX][answer]
    world.mesh.inboxes[MAILBOX][answer] = headers, body.replace(part.encode(), text.encode())
    world.poll(world.process("poller"))
    assert world.topic.published
    assert text not in shown(world)


@pytest.mark.parametrize("text", [NUMBER, NAME[:6], "OKAFOR", "Lee"])
@pytest.mark.parametrize("mailbox", [PRACTICE, "B30099OT001"])
def test_what_a_response_calls_its_organisation_is_not_even_recorded_unless_it_is_a_code(
    mailbox: str, text: str
) -> None:
    """A surname of three to ten letters has the form of an ODS code."""
    world = World(Watched())
    world.drop("one")
    world.deliver_intake(world.process("builder"))
    (record,) = world.records()
    world.send(world.process("sender"), record.message_id)
    answer = world.answer(record.message_id, "20013", sender=mailbox)
    headers, body = world.mesh.inboxes[MAILBOX][answer]
    assert b'value="A20047"' in body
    world.mesh.inboxes[MAILBOX][answer] = headers, body.replace(b'value="A20047"', f'value="{text}"'.encode())
    world.poll(world.process("poller"))
    (record,) = world.records()
    assert [(event.details["from_mailbox"], event.details["from_organisation"]) for event in
            record.history.of(EventType.RESPONSE)] == [(mailbox, "not readable")]  # fmt: skip
    assert record.status is Status.SENT, "it does not count: it names another organisation than the message went to"
    assert "organisation not readable" in world.topic.published[0]
    assert text not in shown(world) + " ".join(in_words(event) for event in record.history.events)
    kept = [stored.received(content)[0] for key, content in world.bucket.objects.items() if "received/" in key]
    assert any(text.encode() in body for body in kept), "the evidence has it"
