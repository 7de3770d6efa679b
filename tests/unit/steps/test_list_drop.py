"""Dropped objects are found in S3's list, whether or not they were announced."""

from datetime import timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from botocore.exceptions import ClientError

from gpconnect_messaging import storage
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.ledger.balances import Balances
from gpconnect_messaging.ledger.drop_passes import DropPass, DropPasses, Listing
from gpconnect_messaging.ledger.reconciliation import DropFindings
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.steps.list_drop import ListDrop
from gpconnect_messaging.storage import DropBucket, NotThereError, Receiver
from tests.fakes.dynamodb import Table
from tests.fakes.product import TIMEOUTS, Steps
from tests.model.effects import Watched
from tests.model.world import Dropped, World

HOUR = timedelta(hours=1)
RECEIVED = ("gpcm:received", "yes")


@pytest.fixture
def world() -> World:
    return World(Watched())


def listing(world: World) -> ListDrop:
    return Steps(world.around).list_drop


def build_all(world: World) -> None:
    while world.queue.intake:
        world.deliver_intake(world.process("builder"))


def subjects(world: World) -> list[str]:
    return world.topic.subjects


def test_a_request_that_nothing_announced_is_taken_in_built_and_told(world: World) -> None:
    request = world.drop("one")
    world.queue.intake.clear()  # the rule was switched off
    world.clock.advance(2 * HOUR)
    assert listing(world).run().requests_unannounced == 1
    build_all(world)
    assert [(record.request_id, record.version) for record in world.records()] == [(request, 1)]
    assert "Dropped requests were not announced" in subjects(world)
    table: Any = world.table
    found = Balances(table, "ledger", TIMEOUTS, world.clock).in_the_drop(world.clock.time.date())
    assert found.requests_unannounced == 1, "the day's balance says so"


def test_what_was_announced_and_built_is_tagged_and_not_found(world: World) -> None:
    world.drop("one")
    build_all(world)
    dropped = [key for key in world.dropped.objects if key.startswith("one/")]
    assert all(RECEIVED in world.dropped.tags[key, "1"].items() for key in dropped)
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
    assert world.queue.intake == []
    assert world.topic.published == []


def test_a_request_that_was_received_and_not_built_is_not_put_on_the_queue_again(world: World) -> None:
    """The queue, the dead letters and the balance handle it."""
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
    tags = world.dropped.get_object_tagging

    def denied(**wanted: Any) -> Any:
        if wanted["Key"].startswith("one/"):
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObjectTagging")
        return tags(**wanted)

    monkeypatch.setattr(world.dropped, "get_object_tagging", denied)
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
    world.dropped.put_object(Key="SMITH-9658218865/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    found = listing(world).run()
    assert found.documents_without_request == 1
    assert subjects(world) == ["Documents were dropped without a request"]
    assert not any("SMITH" in text for text in (*world.topic.published, *found.document_ids))
    assert [len(document_id) for document_id in found.document_ids] == [16]


@pytest.mark.parametrize("key", ["one/report.pdf", "one/zz.pdf", "one/scans/2.pdf", "one/REQUEST.PDF"])
def test_a_document_beside_a_request_that_is_not_taken_in_yet_is_not_called_alone(world: World, key: str) -> None:
    """Whether S3 lists it before the request or after it, on the same page or on another."""
    world.drop("one", folder="one", announced=0)
    world.dropped.put_object(Key=key, Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    found = listing(world).run()
    assert (found.requests_unannounced, found.documents_without_request) == (1, 0)
    assert subjects(world) == ["Dropped requests were not announced"]


def test_what_the_request_did_not_name_in_the_end_is_found_once_it_is_taken_in(world: World) -> None:
    world.drop("one", folder="one", announced=0)
    world.dropped.put_object(Key="one/another.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    assert [listing(world).run().documents_without_request for _ in range(2)] == [0, 0]
    build_all(world)
    counts = []
    for _ in range(3):
        world.clock.advance(HOUR)
        counts.append(listing(world).run().documents_without_request)
    assert counts == [1, 0, 0]


def test_a_document_is_put_off_for_a_day_at_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.drop("one", folder="one", announced=0)
    world.drop("two", folder="two", announced=0)
    counts = []
    for _ in range(30):
        world.clock.advance(HOUR)
        counts.append(listing(world).run().documents_without_request)
        world.queue.intake.clear()  # the builder does not get on
    assert counts == [0] * 23 + [2] + [0] * 6, "then a person is told after all"
    looked_at: list[str] = []
    not_received = DropBucket.not_received

    def noted(drop: DropBucket, listed: Any) -> Any:
        looked_at.extend(item.key for item in listed)
        return not_received(drop, listed)

    monkeypatch.setattr(DropBucket, "not_received", noted)
    world.clock.advance(HOUR)
    listing(world).run()
    assert looked_at == [], "what is looked at again does not become more for ever"


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
        world.dropped.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
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
        world.dropped.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    step = listing(world)
    assert step.run().documents_without_request == 3
    table: Any = world.table
    passes = DropPasses(table, "ledger", world.clock)
    assert passes.found(world.clock.time.date()).documents_without_request == 3
    world.clock.advance(2 * HOUR)
    begun = passes.current(world.clock(), HOUR)
    assert begun.after == "", "the next pass begins at the beginning"
    world.dropped.put_object(Key="a/another.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    assert step.run().documents_without_request == 1, "what was looked at is not looked at again"


def test_a_pass_looks_at_what_was_dropped_from_its_beginning_to_just_before_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    since, until = world.clock() - 3 * HOUR, world.clock() - HOUR
    last = listing(world).passes.last()
    current = DropPass(since=since, until=until, revision=last.revision if last else 0)
    decided = DropPasses.current
    monkeypatch.setattr(DropPasses, "current", lambda *given: decided(*given) if given[3:] else current)
    moment = timedelta(microseconds=1)
    for name, at in (("a", since - moment), ("b", since), ("c", until - moment), ("d", until)):
        world.dropped.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
        world.dropped.dated(f"{name}/report.pdf", at, in_parts=False)
    assert listing(world).run().documents_without_request == 2


def test_the_limits_are_what_the_documents_say(world: World) -> None:
    assert (storage.ASKED_AT_ONCE, listing(world).settled) == (8, HOUR)


def test_each_object_is_looked_at_once(world: World) -> None:
    world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    assert [listing(world).run().documents_without_request for _ in range(3)] == [1, 0, 0]


def test_a_pass_goes_on_where_the_last_run_ended(world: World) -> None:
    for name in "abc":
        world.dropped.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    counts = [listing(world).run(lambda: False).documents_without_request for _ in range(3)]
    assert counts == [1, 1, 1], "a page in each run, and no object twice"
    table: Any = world.table
    assert DropPasses(table, "ledger", world.clock).found(world.clock.time.date()).documents_without_request == 3


def test_a_removed_version_is_found_for_the_request_alone_that_it_was_received_for(world: World) -> None:
    drop: Any = DropBucket(world.dropped, "drop")  # type: ignore[arg-type]
    version = world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")["VersionId"]
    drop.mark_received("one/report.pdf", version, Receiver("request-1"))
    world.dropped.delete_object(Key="one/report.pdf")
    assert drop.received_version("one/report.pdf", "request-1") == version
    assert drop.received_version("one/report.pdf", "request-2") is None
    with pytest.raises(NotThereError):
        drop.find("one/report.pdf")
    with pytest.raises(NotThereError):
        drop.scan("one/report.pdf")


def test_a_document_that_the_sender_removed_before_it_was_received_stays_removed(world: World) -> None:
    drop: Any = DropBucket(world.dropped, "drop")  # type: ignore[arg-type]
    world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")
    world.dropped.delete_object(Key="one/report.pdf")
    with pytest.raises(Exception, match="no such object"):
        drop.find("one/report.pdf")


def test_the_tag_leaves_other_tags_of_the_object(world: World) -> None:
    version = world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")["VersionId"]
    world.dropped.tags["one/report.pdf", version] = {"GuardDutyMalwareScanStatus": "NO_THREATS_FOUND"}
    DropBucket(world.dropped, "drop").mark_received("one/report.pdf", version)  # type: ignore[arg-type]
    tags = world.dropped.tags["one/report.pdf", version]
    assert {("GuardDutyMalwareScanStatus", "NO_THREATS_FOUND"), RECEIVED} <= tags.items()
    assert set(tags) == {"GuardDutyMalwareScanStatus", "gpcm:received", "gpcm:received-as"}


def test_the_object_with_which_guardduty_tries_its_role_is_no_senders_document(world: World) -> None:
    world.dropped.put_object(Key="malware-protection-resource-validation-object", Body=b"")
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
    assert world.topic.published == []


# What was replaced or removed


def test_a_request_that_another_ones_put_replaced_is_found_and_gets_none_of_its_documents(world: World) -> None:
    """Both bring a report under the same key: one patient's must not go out as another's."""
    first = world.drop("enc-A", folder="out", announced=0)
    world.clock.advance(timedelta(minutes=5))
    second = world.drop("enc-B", folder="out")
    build_all(world)
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings(requests_unannounced=1)
    build_all(world)
    found = {record.request_id: (record.encounter, record.status) for record in world.records()}
    assert found == {first: ("enc-A", Status.INVALID), second: ("enc-B", Status.BUILT)}
    assert subjects(world) == ["Dropped requests were not announced", "A request was refused"]


def test_a_request_that_its_sender_removed_is_found(world: World) -> None:
    request = world.drop("one", folder="one", announced=0)
    world.clock.advance(timedelta(minutes=20))
    for key in ("one/report.pdf", "one/request.json"):
        world.dropped.delete_object(Key=key)
    world.clock.advance(2 * HOUR)
    assert listing(world).run().requests_unannounced == 1
    build_all(world)
    assert [(record.request_id, record.status) for record in world.records()] == [(request, Status.INVALID)]
    world.clock.advance(HOUR)
    assert listing(world).run() == DropFindings(), "once"


def test_a_replaced_request_that_names_no_file_is_taken_in_as_if_it_had_been_announced(world: World) -> None:
    world.drop("one", folder="out")
    build_all(world)
    world.clock.advance(timedelta(minutes=5))
    withdrawal = world.withdraw("one", folder="out", announced=0)
    world.clock.advance(timedelta(minutes=5))
    world.drop("two", folder="out")
    build_all(world)
    world.clock.advance(2 * HOUR)
    listing(world).run()
    build_all(world)
    assert {record.status for record in world.records() if record.encounter == "one"} == {Status.WITHDRAWN}
    assert withdrawal in {record.request_id for record in world.records()}


def test_an_older_put_that_is_found_late_does_not_replace_a_newer_one(world: World) -> None:
    """S3 says which put is newer, whatever time the requests state."""
    now = world.clock.time
    older = world.drop("one", folder="out", updated=now + 2 * HOUR, announced=0, documents=False)
    world.clock.advance(timedelta(minutes=5))
    newer = world.drop("one", folder="out", updated=now, documents=False)
    build_all(world)
    world.clock.advance(2 * HOUR)
    listing(world).run()
    build_all(world)
    found = {record.request_id: record.status for record in world.records()}
    assert found == {newer: Status.BUILT, older: Status.SUPERSEDED}


def test_the_versions_of_one_key_are_looked_at_over_several_pages_and_runs(world: World) -> None:
    requests = [world.drop(f"enc-{number}", folder="out", announced=0) for number in range(4)]
    world.clock.advance(2 * HOUR)
    for _ in range(80):
        listing(world).run(lambda: False)
    assert {delivery.version for delivery in world.queue.intake if isinstance(delivery, Dropped)} == set("1234")
    build_all(world)
    assert {record.request_id for record in world.records()} == set(requests)


def test_what_was_replaced_is_looked_at_only_as_far_as_the_newest_versions_were(world: World) -> None:
    """One that is replaced between the two must be found by one of them."""
    request = world.drop("enc-A", folder="out", announced=0)
    world.dropped.put_object(Key="b/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    assert listing(world).run(lambda: False).documents_without_request == 1, "the first page of the newest"
    assert listing(world).passes.last(Listing.REPLACED) == DropPass(
        listing=Listing.REPLACED, since=ANY, until=ANY, done=True, revision=ANY
    ), "the one of the new environment"
    world.drop("enc-B", folder="out", announced=0)
    world.clock.advance(2 * HOUR)
    for _ in range(80):
        listing(world).run(lambda: False)
    build_all(world)
    assert request in {record.request_id for record in world.records()}


# Tags that are not ours


@pytest.mark.parametrize("copied", [True, False])
def test_a_copied_tag_hides_nothing(world: World, copied: bool) -> None:
    """S3's CopyObject takes the tags of the source along."""
    world.drop("one", folder="one")
    build_all(world)
    request = world.drop("two", folder="two", announced=0)
    for name in ("request.json", "report.pdf"):
        tags = world.dropped.tags[f"one/{name}", "1"] if copied else dict([RECEIVED])
        world.dropped.tags[f"two/{name}", "1"] = dict(tags)
    world.clock.advance(2 * HOUR)
    assert listing(world).run().requests_unannounced == 1
    build_all(world)
    assert request in {record.request_id for record in world.records()}
    own = world.dropped.tags["two/request.json", "1"]
    assert own["gpcm:received-as"].startswith(request), "our tag takes the copied one's place"
    world.clock.advance(HOUR)
    assert listing(world).run() == DropFindings()


def test_no_tags_are_written_where_s3_takes_no_more(world: World) -> None:
    version = world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")["VersionId"]
    full = {f"own-{number}": "x" for number in range(9)}
    world.dropped.tags["one/report.pdf", version] = dict(full)
    DropBucket(world.dropped, "drop").mark_received("one/report.pdf", version, Receiver("request-1"))  # type: ignore[arg-type]
    assert world.dropped.tags["one/report.pdf", version] == full


# Uploads in parts: S3 dates them by their beginning


@pytest.mark.parametrize("hours", [2, 30, 47])
def test_a_request_whose_upload_took_long_is_found(world: World, hours: int) -> None:
    world.clock.advance(48 * HOUR)
    listing(world).run()
    request = world.drop("one", announced=0)
    for key in [key for key in world.dropped.objects if key.startswith("one/")]:
        world.dropped.dated(key, world.clock.time - hours * HOUR)
    world.clock.advance(HOUR)
    assert listing(world).run().requests_unannounced == 1
    build_all(world)
    assert [record.request_id for record in world.records()] == [request]


def test_a_document_whose_upload_took_long_is_told_once(world: World) -> None:
    world.clock.advance(48 * HOUR)
    listing(world).run()
    world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")
    world.dropped.dated("one/report.pdf", world.clock.time - 5 * HOUR)
    counts = []
    for _ in range(3):
        world.clock.advance(HOUR)
        counts.append(listing(world).run().documents_without_request)
    assert counts == [1, 0, 0]


# How late the listing is


def test_the_age_of_the_listing_is_that_of_the_last_pass_that_came_to_its_end(world: World) -> None:
    passes = listing(world).passes
    world.clock.advance(3 * HOUR)
    for name in "ab":
        world.dropped.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    listing(world).run(lambda: False)
    assert age_in_hours(passes, world) == 6, "the pass that is under way does not count"
    listing(world).run()
    assert age_in_hours(passes, world) == 1
    world.clock.advance(5 * HOUR)
    assert age_in_hours(passes, world) == 6
    empty: Any = Table()
    assert DropPasses(empty, "ledger", world.clock).age(world.clock.time) is None


def age_in_hours(passes: DropPasses, world: World) -> int:
    age = passes.age(world.clock.time)
    assert age is not None
    return round(age / HOUR)


def test_a_document_above_the_folder_of_a_waiting_request_is_not_beside_it(world: World) -> None:
    world.drop("one", folder="one/visit")
    world.dropped.put_object(Key="one/notes.pdf", Body=b"%PDF-1.7")
    world.queue.intake.clear()
    world.clock.advance(2 * HOUR)
    found = listing(world).run()
    assert (found.requests_unannounced, found.documents_without_request) == (1, 1)


def test_a_listing_that_came_to_its_end_keeps_no_key_of_a_sender(world: World) -> None:
    for _ in range(2):
        world.drop("one", folder="one")
    world.clock.advance(2 * HOUR)
    listing(world).run()
    for passed in map(listing(world).passes.last, Listing):
        assert passed is not None
        assert (passed.done, passed.after, passed.after_version) == (True, "", "")


def test_a_request_that_was_built_and_lost_its_tag_is_no_document_without_a_request(world: World) -> None:
    world.drop("one")
    build_all(world)
    world.dropped.tags = {key: tags for key, tags in world.dropped.tags.items() if not is_request(key[0])}
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
