"""What senders put down is found in S3's own list, whatever became of its announcement."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gpconnect_messaging import storage
from gpconnect_messaging.ledger.balances import Balances
from gpconnect_messaging.ledger.drop_passes import DropPass, DropPasses
from gpconnect_messaging.notices import Notifier
from gpconnect_messaging.queues import IntakeQueue
from gpconnect_messaging.reconciliation import DropFindings
from gpconnect_messaging.steps.list_drop import ListDrop
from gpconnect_messaging.storage import DropBucket, NotThereError
from tests.identifiers import IDENTIFIERS
from tests.model.effects import Watched
from tests.model.world import DropOnly, World

HOUR = timedelta(hours=1)
RECEIVED = {"gpcm:received": "yes"}


@pytest.fixture
def world() -> World:
    return World(Watched())


def listing(world: World) -> ListDrop:
    client: Any = DropOnly(world.bucket)
    table: Any = world.table
    queue: Any = world.queue
    topic: Any = world.topic
    return ListDrop(
        drop=DropBucket(client, "drop"),
        evidence=world.evidence,
        identifiers=IDENTIFIERS,
        passes=DropPasses(table, "ledger", world.clock),
        intake_queue=IntakeQueue(queue, "intake"),
        notifier=Notifier(topic, "topic", world.ledger),
        now=world.clock,
    )


def build_all(world: World) -> None:
    while world.queue.intake:
        world.deliver_intake(world.process("builder"))


def subjects(world: World) -> list[str]:
    return [text.partition("\n")[0].removeprefix("GP Connect Messaging: ") for text in world.topic.told]


def test_a_request_that_nothing_announced_is_taken_in_built_and_told(world: World) -> None:
    request = world.drop("one")
    world.queue.intake.clear()  # the rule was switched off
    world.clock.advance(2 * HOUR)
    assert listing(world).run().requests_unannounced == 1
    build_all(world)
    assert [(record.request_id, record.version) for record in world.records()] == [(request, 1)]
    assert "Dropped requests were not announced" in subjects(world)
    table: Any = world.table
    found = Balances(table, "ledger", world.clock).in_the_drop(world.clock.time.date())
    assert found.requests_unannounced == 1, "the day's balance says so"


def test_what_was_announced_and_built_is_tagged_and_not_found(world: World) -> None:
    world.drop("one")
    build_all(world)
    dropped = [key for key in world.bucket.objects if key.startswith("one/")]
    assert {key: world.bucket.tags.get((key, "1")) for key in dropped} == dict.fromkeys(dropped, RECEIVED)
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
    assert world.queue.intake == []
    assert world.topic.told == []


def test_a_request_that_was_received_and_not_built_is_not_put_on_the_queue_again(world: World) -> None:
    """The queue, its dead letters and the balance see to it."""
    request = world.drop("one")
    world.queue.intake.clear()
    world.evidence.receipt(request)
    world.clock.advance(2 * HOUR)
    assert listing(world).run().requests_unannounced == 0
    assert world.queue.intake == []


def test_a_request_whose_tags_a_policy_hides_is_taken_in_and_so_is_what_is_listed_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = {world.drop("one"), world.drop("two")}
    world.queue.intake.clear()
    tags = world.bucket.get_object_tagging

    def denied(**wanted: Any) -> Any:
        if wanted["Key"].startswith("one/"):
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObjectTagging")
        return tags(**wanted)

    monkeypatch.setattr(world.bucket, "get_object_tagging", denied)
    world.clock.advance(2 * HOUR)
    assert listing(world).run().requests_unannounced == 2
    monkeypatch.undo()
    build_all(world)
    assert {record.request_id for record in world.records()} == requests


def test_what_was_dropped_within_the_hour_may_still_be_on_its_way(world: World) -> None:
    world.drop("one")
    world.queue.intake.clear()
    world.clock.advance(HOUR / 2)
    assert listing(world).run() == DropFindings()
    world.clock.advance(HOUR)
    assert listing(world).run().requests_unannounced == 1, "found by the next pass"


def test_a_document_that_no_request_names_is_told_by_a_hash(world: World) -> None:
    world.bucket.put_object(Key="SMITH-9658218865/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    found = listing(world).run()
    assert found.documents_without_request == 1
    assert subjects(world) == ["Documents were dropped without a request"]
    assert not any("SMITH" in text for text in (*world.topic.told, *found.document_ids))
    assert [len(each) for each in found.document_ids] == [16]


def test_requests_and_documents_are_told_apart(world: World) -> None:
    world.drop("one")
    world.queue.intake.clear()
    world.clock.advance(2 * HOUR)
    found = listing(world).run()
    assert found.requests_unannounced == 1
    dropped = [key for key in world.bucket.objects if key.startswith("one/")]
    assert found.documents_without_request == len(found.document_ids) == len(dropped) - 1


def test_what_is_removed_while_the_drop_is_listed_is_nobodys_loss(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.drop("one")
    world.queue.intake.clear()
    world.clock.advance(2 * HOUR)

    def removed(*_: object) -> bool:
        raise NotThereError("no such object")

    with monkeypatch.context() as patched:
        patched.setattr(DropBucket, "is_received", removed)
        assert listing(world).run(lambda: False) == DropFindings()
    assert world.queue.intake == []
    world.clock.advance(HOUR)
    world.drop("two")
    world.queue.intake.clear()
    world.clock.advance(2 * HOUR)
    monkeypatch.setattr(DropBucket, "newest_version", lambda *_: None)
    assert listing(world).run().requests_unannounced == 0


def test_a_run_that_another_one_overtook_leaves_the_rest_to_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        world.bucket.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    pages = 0

    def overtaken(*_: object) -> bool:
        nonlocal pages
        pages += 1
        return False

    monkeypatch.setattr(DropPasses, "record", overtaken)
    assert listing(world).run() == DropFindings()
    assert pages == 1


def test_one_run_goes_through_all_pages_while_there_is_time_and_ends_the_pass(world: World) -> None:
    for name in "abc":
        world.bucket.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    step = listing(world)
    assert step.run().documents_without_request == 3
    table: Any = world.table
    passes = DropPasses(table, "ledger", world.clock)
    assert passes.found(world.clock.time.date()).documents_without_request == 3
    world.clock.advance(2 * HOUR)
    begun = passes.current(world.clock(), HOUR)
    assert begun.after == "", "the next pass begins at the beginning"
    world.bucket.put_object(Key="a/another.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    assert step.run().documents_without_request == 1, "what was looked at is not looked at again"


def test_a_pass_looks_at_what_was_dropped_from_its_beginning_to_just_before_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    since, until = world.clock() - 3 * HOUR, world.clock() - HOUR
    last = listing(world).passes.last()
    current = DropPass(since=since, until=until, revision=last.revision if last else 0)
    monkeypatch.setattr(DropPasses, "current", lambda *_: current)
    moment = timedelta(microseconds=1)
    for name, at in (("a", since - moment), ("b", since), ("c", until - moment), ("d", until)):
        world.bucket.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
        world.bucket.written[f"{name}/report.pdf"] = at
    assert listing(world).run().documents_without_request == 2


def test_the_limits_are_what_the_documents_say(world: World) -> None:
    assert (storage.ASKED_AT_ONCE, listing(world).settled) == (8, HOUR)


def test_each_object_is_looked_at_once(world: World) -> None:
    world.bucket.put_object(Key="one/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    assert [listing(world).run().documents_without_request for _ in range(3)] == [1, 0, 0]


def test_a_pass_goes_on_where_the_last_run_ended(world: World) -> None:
    for name in "abc":
        world.bucket.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    counts = [listing(world).run(lambda: False).documents_without_request for _ in range(3)]
    assert counts == [1, 1, 1], "a page in each run, and no object twice"
    table: Any = world.table
    assert DropPasses(table, "ledger", world.clock).found(world.clock.time.date()).documents_without_request == 3


def test_a_document_that_expired_after_it_was_received_is_found_for_a_request_that_is_dropped_again(
    world: World,
) -> None:
    drop: Any = DropBucket(world.bucket, "drop")  # type: ignore[arg-type]
    version = world.bucket.put_object(Key="one/report.pdf", Body=b"%PDF")["VersionId"]
    drop.mark_received("one/report.pdf", version)
    world.bucket.delete_object(Key="one/report.pdf")
    assert drop.stat("one/report.pdf").version == version


def test_a_document_that_the_sender_removed_before_it_was_received_stays_removed(world: World) -> None:
    drop: Any = DropBucket(world.bucket, "drop")  # type: ignore[arg-type]
    world.bucket.put_object(Key="one/report.pdf", Body=b"%PDF")
    world.bucket.delete_object(Key="one/report.pdf")
    with pytest.raises(Exception, match="no such object"):
        drop.stat("one/report.pdf")


def test_the_tag_leaves_other_tags_of_the_object(world: World) -> None:
    version = world.bucket.put_object(Key="one/report.pdf", Body=b"%PDF")["VersionId"]
    world.bucket.tags["one/report.pdf", version] = {"GuardDutyMalwareScanStatus": "NO_THREATS_FOUND"}
    DropBucket(world.bucket, "drop").mark_received("one/report.pdf", version)  # type: ignore[arg-type]
    assert world.bucket.tags["one/report.pdf", version] == {
        "GuardDutyMalwareScanStatus": "NO_THREATS_FOUND", **RECEIVED
    }  # fmt: skip


def test_the_object_with_which_guardduty_tries_its_role_is_no_senders_document(world: World) -> None:
    world.bucket.put_object(Key="malware-protection-resource-validation-object", Body=b"")
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
    assert world.topic.told == []
