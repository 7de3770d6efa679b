"""A document that was removed is read for the request alone that had received it: never for another's."""

import json
from datetime import timedelta

import pytest

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.replay.policy import ResendMode
from tests.examples import REQUESTS, request_data
from tests.fakes.product import Steps
from tests.model.effects import Watched
from tests.model.world import Dropped, World

SAMPLE = "consultation-report-2.0"


@pytest.fixture
def world() -> World:
    return World(Watched())


def build_all(world: World) -> None:
    """Build the queued requests, also those that wait for documents, for as long as they may."""
    for _ in range(60):
        if not world.queue.intake:
            return
        world.deliver_intake(world.process("builder"))
        world.clock.advance(timedelta(minutes=1))
    pytest.fail("a request waits for ever")


def statuses(world: World) -> dict[str, Status]:
    return {record.encounter: record.status for record in world.records()}


def request_alone(world: World, encounter: str, **changes: object) -> None:
    """Drop a request whose report does not come."""
    body = json.dumps(request_data(SAMPLE, encounter=encounter, **changes)).encode()
    world.drop_raw("out/request.json", body)


@pytest.mark.parametrize("encounter", ["enc-B", "enc-A"])
def test_a_report_that_was_sent_and_removed_does_not_go_out_again(world: World, encounter: str) -> None:
    """A sender uses one folder again and again, and the second report's upload failed."""
    world.drop("enc-A", folder="out")
    build_all(world)
    world.clock.advance(timedelta(hours=2))
    for name in ("report.pdf", "request.json"):
        world.dropped.delete_object(Key=f"out/{name}")
    request_alone(world, encounter)
    build_all(world)
    refused = [record for record in world.records() if record.status is Status.INVALID]
    assert [record.encounter for record in refused] == [encounter]
    assert "names no file in the drop bucket" in str(refused[0].history.events)
    assert len([key for key in world.outgoing.objects if key.startswith("messages/")]) == 1


def test_a_request_that_broke_off_finds_the_report_that_expired_meanwhile(world: World) -> None:
    world.drop("enc-A", folder="out")
    [event] = world.queue.intake
    struck = world.process("builder")
    struck.on = "dynamodb.get_item"
    world.deliver_intake(struck)
    assert struck.dead
    assert isinstance(event, Dropped)
    steps = Steps(world.around)
    [report] = steps.drop.versions("out/report.pdf")
    assert steps.received_objects.receiver(report) is not None, "it was received"
    assert world.records() == []
    world.clock.advance(timedelta(days=3))
    world.dropped.delete_object(Key="out/report.pdf")
    build_all(world)
    assert statuses(world) == {"enc-A": Status.BUILT}


def test_a_refused_request_that_is_taken_in_again_and_again_finds_the_report_that_it_had(world: World) -> None:
    world.drop("enc-A", folder="out", valid=False)
    build_all(world)
    world.clock.advance(timedelta(days=3))
    world.dropped.delete_object(Key="out/report.pdf")
    for times in (1, 2):
        newest = max(world.records(), key=lambda record: record.created_at)
        world.send_again(world.process("resend"), newest.message_id, ResendMode.REBUILT)
        build_all(world)
        world.clock.advance(timedelta(minutes=1))
        assert len(world.records()) == times + 1
    reasons = {str(record.history.events) for record in world.records()}
    assert not any("names no file" in reason for reason in reasons)


def test_a_request_that_is_taken_in_again_means_the_document_that_was_put_right(world: World) -> None:
    world.dropped.put_object(Key="out/report.pdf", Body=b"no PDF")
    world.drop("enc-A", folder="out", document_late=True)
    build_all(world)
    assert statuses(world) == {"enc-A": Status.INVALID}
    world.clock.advance(timedelta(hours=1))
    world.dropped.put_object(Key="out/report.pdf", Body=(REQUESTS / SAMPLE / "report.pdf").read_bytes())
    [refused] = world.records()
    world.send_again(world.process("resend"), refused.message_id, ResendMode.REBUILT)
    build_all(world)
    assert Status.BUILT in {record.status for record in world.records()}
