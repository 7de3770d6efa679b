"""Dropped objects are found in S3's list, whether or not they were announced."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging import conflicts
from gpconnect_messaging.ledger.balances import Balances
from gpconnect_messaging.ledger.drop_passes import DropPass, DropPasses, Listing
from gpconnect_messaging.ledger.received_objects import KNOWN_FOR, ReceivedObjects
from gpconnect_messaging.ledger.reconciliation import DropFindings
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import UnreadError
from gpconnect_messaging.queues import IntakeQueue
from gpconnect_messaging.steps.list_drop import ListDrop
from gpconnect_messaging.storage import DropBucket
from tests.fakes.dynamodb import Table
from tests.fakes.product import TIMEOUTS, Steps
from tests.model.effects import Watched
from tests.model.world import Dropped, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


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


def test_what_was_announced_and_built_is_not_found(world: World) -> None:
    world.drop("one")
    build_all(world)
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


def test_what_the_ledger_leaves_unread_is_examined_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken for received, or for forgotten, because the ledger was busy."""
    request = world.drop("one", announced=0)
    world.clock.advance(2 * HOUR)
    with monkeypatch.context() as patched:
        patched.setattr(conflicts, "sleep", lambda _: None)
        patched.setattr(
            world.table,
            "batch_get_item",
            lambda RequestItems: {"Responses": {}, "UnprocessedKeys": RequestItems},  # noqa: N803
        )
        with pytest.raises(UnreadError):
            listing(world).run()
    assert world.topic.published == []
    assert listing(world).run().requests_unannounced == 1
    build_all(world)
    assert [record.request_id for record in world.records()] == [request]


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


def test_another_document_under_the_same_key_is_told_again(world: World) -> None:
    for _ in range(2):
        world.dropped.put_object(Key="out/report.pdf", Body=b"%PDF")
        world.clock.advance(2 * HOUR)
        assert listing(world).run().documents_without_request == 1
        world.clock.advance(30 * 24 * HOUR)
        assert listing(world).run().documents_without_request == 0
    assert subjects(world) == ["Documents were dropped without a request"] * 2


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
    not_received = ReceivedObjects.documents_not_received_since

    def noted(received: ReceivedObjects, listed: Any) -> Any:
        looked_at.extend(item.key for item in listed)
        return not_received(received, listed)

    monkeypatch.setattr(ReceivedObjects, "documents_not_received_since", noted)
    world.clock.advance(HOUR)
    listing(world).run()
    assert looked_at == [], "what is looked at again does not become more for ever"


def test_what_is_removed_for_good_while_the_drop_is_listed_is_refused_and_told(world: World) -> None:
    """It was dropped, so its sender is told, whoever removed it."""
    request = world.drop("one", folder="one", announced=0)
    world.clock.advance(2 * HOUR)
    assert listing(world).run().requests_unannounced == 1
    world.dropped.expire("one/request.json")
    build_all(world)
    assert [(record.request_id, record.status) for record in world.records()] == [(request, Status.INVALID)]


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
    begun = passes.current(world.clock() - HOUR, HOUR)
    assert begun
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
    monkeypatch.setattr(DropPasses, "current", lambda *how: current if Listing.CURRENT in how else None)
    moment = timedelta(microseconds=1)
    for name, at in (("a", since - moment), ("b", since), ("c", until - moment), ("d", until)):
        world.dropped.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
        world.dropped.dated(f"{name}/report.pdf", at, in_parts=False)
    assert listing(world).run().documents_without_request == 2


def test_the_limits_are_what_the_documents_say(world: World) -> None:
    assert (KNOWN_FOR, listing(world).settled) == (timedelta(days=60), HOUR)


def test_a_page_with_nothing_new_is_not_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        world.dropped.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    listing(world).run()
    world.clock.advance(HOUR)
    recorded: list[str] = []
    record = DropPasses.record

    def noted(passes: DropPasses, reached: DropPass, *rest: Any) -> bool:
        recorded.append(reached.after)
        return record(passes, reached, *rest)

    monkeypatch.setattr(DropPasses, "record", noted)
    assert listing(world).run(lambda: False) == DropFindings()
    assert recorded == ["a/report.pdf"], "where the run has no more time"
    listing(world).run()
    assert recorded == ["a/report.pdf", ""], "and the end"


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


def test_a_document_that_the_sender_removed_before_it_was_received_stays_removed(world: World) -> None:
    drop: Any = DropBucket(world.dropped, "drop")  # type: ignore[arg-type]
    world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")
    world.dropped.delete_object(Key="one/report.pdf")
    with pytest.raises(Exception, match="no such object"):
        drop.find("one/report.pdf")


def test_the_object_with_which_guardduty_tries_its_role_is_no_senders_document(world: World) -> None:
    world.dropped.put_object(Key="malware-protection-resource-validation-object", Body=b"")
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
    assert world.topic.published == []


# Two lists: the hourly one of current objects, the daily one of versions


def list_calls(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the calls that list the drop from now on."""
    calls: list[str] = []
    for name, method in [(name, getattr(DropBucket, name)) for name in ("current_pages", "pages", "newest_version")]:

        def noted(drop: DropBucket, *given: str, method: Any = method, name: str = name) -> Any:
            calls.append(name)
            return method(drop, *given)

        monkeypatch.setattr(DropBucket, name, noted)
    return calls


def test_in_an_ordinary_hour_one_list_of_current_objects_is_enough(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        world.drop(name)
    build_all(world)
    world.clock.advance(2 * HOUR)
    calls = list_calls(world, monkeypatch)
    assert listing(world).run() == DropFindings()
    assert calls == ["current_pages"]
    world.clock.advance(HOUR - timedelta(seconds=1))
    assert listing(world).run() == DropFindings()
    assert calls == ["current_pages"], "nothing is listed before an hour is over"
    world.clock.advance(timedelta(seconds=1))
    listing(world).run()
    assert calls == ["current_pages"] * 2


def test_once_a_day_all_versions_are_listed_after_the_current_objects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list_calls(world, monkeypatch)
    for _ in range(49):
        world.clock.advance(HOUR)
        listing(world).run()
    assert calls.count("pages") == 2
    assert calls.index("pages") == 24, "after the hourly list of that hour"


def test_the_daily_list_waits_until_the_hourly_one_has_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        world.dropped.put_object(Key=f"{name}/report.pdf", Body=b"%PDF")
    world.clock.advance(DAY + HOUR)
    calls = list_calls(world, monkeypatch)
    listing(world).run(lambda: False)
    assert calls == ["current_pages"]
    listing(world).run()
    assert calls == ["current_pages", "current_pages", "pages"]


@pytest.mark.parametrize("put", ["invalid", "withdrawal", "repeat"])
def test_a_received_request_that_became_no_message_is_not_found(world: World, put: str) -> None:
    request = world.drop("one", folder="one")
    if put == "invalid":
        world.drop("two", folder="two", valid=False, documents=False)
    elif put == "withdrawal":
        build_all(world)
        world.withdraw("one", folder="three")
    else:
        build_all(world)
        world.clock.advance(timedelta(seconds=5))
        world.copy(0)
    while world.queue.intake:
        world.clock.advance(timedelta(minutes=1))  # the repeat waits for a newer document first
        world.deliver_intake(world.process("builder"))
    assert request in {record.request_id for record in world.records()}
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
    assert world.queue.intake == []


def test_a_request_that_the_time_of_another_event_hides_is_found_by_the_daily_list(world: World) -> None:
    """S3 says when it finished an upload; the list says when the upload began."""
    world.drop("one", folder="out", documents=False)
    [event] = world.queue.intake
    assert isinstance(event, Dropped)
    world.queue.intake[:] = [replace(event, at=event.at + timedelta(seconds=5))]
    world.clock.advance(timedelta(seconds=3))
    hidden = world.drop("two", folder="out", announced=0, documents=False)
    build_all(world)
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
    world.clock.advance(DAY)
    assert listing(world).run() == DropFindings(requests_unannounced=1)
    build_all(world)
    assert hidden in {record.request_id for record in world.records()}


def test_a_document_of_the_same_second_as_a_received_one_is_found_by_the_daily_list(world: World) -> None:
    world.drop("one", folder="one")
    build_all(world)
    world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")
    world.dropped.dated("one/report.pdf", world.dropped._put_at["one/report.pdf"][0], in_parts=False)
    world.clock.advance(2 * HOUR)
    assert listing(world).run() == DropFindings()
    world.clock.advance(DAY)
    assert listing(world).run().documents_without_request == 1


def test_what_both_lists_find_is_counted_once(world: World) -> None:
    """The builder has not got on between the two lists, and so both announce the request."""
    request = world.drop("one", folder="one", announced=0, documents=False)
    world.dropped.put_object(Key="two/report.pdf", Body=b"%PDF")
    world.clock.advance(DAY + HOUR)
    found = listing(world).run()
    assert (found.requests_unannounced, found.documents_without_request) == (1, 1)
    assert len(world.queue.intake) == 2
    build_all(world)
    assert [record.request_id for record in world.records()] == [request]
    table: Any = world.table
    stored = DropPasses(table, "ledger", world.clock).found(world.clock.time.date())
    assert (stored.requests_unannounced, stored.documents_without_request) == (1, 1)


def test_a_request_that_is_replaced_while_its_page_is_examined_is_left_to_the_next_passes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.drop("one", folder="out", announced=0, documents=False)
    world.clock.advance(2 * HOUR)
    newest_version = DropBucket.newest_version
    second: list[str] = []

    def replaced(drop: DropBucket, key: str) -> Any:
        if not second:
            second.append(world.drop("two", folder="out", announced=0, documents=False))
        return newest_version(drop, key)

    monkeypatch.setattr(DropBucket, "newest_version", replaced)
    assert listing(world).run() == DropFindings()
    assert world.queue.intake == []
    world.clock.advance(DAY + HOUR)
    assert listing(world).run().requests_unannounced == 2
    build_all(world)
    assert {first, *second} <= {record.request_id for record in world.records()}


def test_a_run_that_dies_in_the_daily_list_is_continued_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [world.drop(name, folder="out", announced=0, documents=False) for name in ("one", "two")]
    world.drop("three", folder="out", documents=False)
    build_all(world)
    world.clock.advance(DAY + HOUR)
    announced: list[str] = []
    announce = IntakeQueue.announce

    def dies_at_the_second(queue: IntakeQueue, bucket: str, key: str, version: str, at: Any) -> None:
        announced.append(version)
        if len(announced) == 2:
            raise TimeoutError
        announce(queue, bucket, key, version, at)

    monkeypatch.setattr(IntakeQueue, "announce", dies_at_the_second)
    with pytest.raises(TimeoutError):
        listing(world).run()
    assert listing(world).run().requests_unannounced == 1, "the other one was counted before"
    assert announced == ["2", "1", "1"]
    build_all(world)
    assert set(requests) <= {record.request_id for record in world.records()}


def test_two_runs_at_once_count_what_both_find_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.drop("one", folder="out", announced=0, documents=False)
    world.drop("two", folder="out", documents=False)
    build_all(world)
    world.clock.advance(DAY + HOUR)
    record = DropPasses.record
    others: list[DropFindings] = []

    def overtaken(passes: DropPasses, reached: DropPass, *rest: Any) -> bool:
        if reached.listing is Listing.VERSIONS and not others:
            others.append(DropFindings())
            others.append(listing(world).run())
        return record(passes, reached, *rest)

    monkeypatch.setattr(DropPasses, "record", overtaken)
    found = listing(world).run()
    assert sum(each.requests_unannounced for each in (found, *others)) == 1
    table: Any = world.table
    assert DropPasses(table, "ledger", world.clock).found(world.clock.time.date()).requests_unannounced == 1


# What was replaced or removed


def test_a_request_that_another_ones_put_replaced_is_found_and_gets_none_of_its_documents(world: World) -> None:
    """Both bring a report under the same key: one patient's must not go out as another's."""
    first = world.drop("enc-A", folder="out", announced=0)
    world.clock.advance(timedelta(minutes=5))
    second = world.drop("enc-B", folder="out")
    build_all(world)
    world.clock.advance(DAY + HOUR)
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
    world.clock.advance(DAY + HOUR)
    assert listing(world).run().requests_unannounced == 1
    build_all(world)
    assert [(record.request_id, record.status) for record in world.records()] == [(request, Status.INVALID)]
    world.clock.advance(DAY)
    assert listing(world).run() == DropFindings(), "once"


def test_a_replaced_request_that_names_no_file_is_taken_in_as_if_it_had_been_announced(world: World) -> None:
    world.drop("one", folder="out")
    build_all(world)
    world.clock.advance(timedelta(minutes=5))
    withdrawal = world.withdraw("one", folder="out", announced=0)
    world.clock.advance(timedelta(minutes=5))
    world.drop("two", folder="out")
    build_all(world)
    world.clock.advance(DAY + HOUR)
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
    world.clock.advance(DAY + HOUR)
    listing(world).run()
    build_all(world)
    found = {record.request_id: record.status for record in world.records()}
    assert found == {newer: Status.BUILT, older: Status.SUPERSEDED}


def test_the_versions_of_one_key_are_looked_at_over_several_pages_and_runs(world: World) -> None:
    requests = [world.drop(f"enc-{number}", folder="out", announced=0) for number in range(4)]
    world.clock.advance(DAY + HOUR)
    for _ in range(80):
        listing(world).run(lambda: False)
    assert {delivery.version for delivery in world.queue.intake if isinstance(delivery, Dropped)} == set("1234")
    build_all(world)
    assert {record.request_id for record in world.records()} == set(requests)


def test_what_is_replaced_while_a_pass_is_under_way_is_found(world: World) -> None:
    request = world.drop("enc-A", folder="out", announced=0)
    world.dropped.put_object(Key="b/report.pdf", Body=b"%PDF")
    world.clock.advance(DAY + HOUR)
    assert listing(world).run(lambda: False).documents_without_request == 1, "the first page"
    world.drop("enc-B", folder="out", announced=0)
    world.clock.advance(DAY + HOUR)
    for _ in range(80):
        listing(world).run(lambda: False)
    build_all(world)
    assert request in {record.request_id for record in world.records()}


# What nobody can copy or forge


def test_a_copy_of_a_received_document_is_not_received(world: World) -> None:
    """S3's CopyObject takes tags and metadata of the source along: they say nothing here."""
    world.drop("one", folder="one")
    build_all(world)
    world.dropped.put_object(Key="two/report.pdf", Body=world.dropped.objects["one/report.pdf"])
    world.dropped.tags["two/report.pdf", "1"] = {"gpcm:received": "yes"}
    world.clock.advance(2 * HOUR)
    assert listing(world).run().documents_without_request == 1


def test_a_newer_version_of_a_received_document_is_not_received(world: World) -> None:
    world.drop("one", folder="one")
    build_all(world)
    world.clock.advance(timedelta(seconds=5))
    world.dropped.put_object(Key="one/report.pdf", Body=b"%PDF")
    world.clock.advance(2 * HOUR)
    assert listing(world).run().documents_without_request == 1


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
    passed = listing(world).passes.last()
    assert passed is not None
    assert (passed.done, passed.after, passed.after_version) == (True, "", "")
