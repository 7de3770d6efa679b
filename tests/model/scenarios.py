"""One step's work in each of the situations that lead it another way, to be disturbed at every place.

A place that only a step passes that makes up for a death is tried by a second death there (`died_again`).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from gpconnect_messaging.ledger.stored_names import Status
from tests.fakes.mesh import Mood
from tests.model.effects import Deaths, Ending, Place, Process, Watched
from tests.model.world import LATE, SETTLED, STRANGER, UNACKNOWLEDGED, WINDOW, Dropped, World

READ_AT_MOST = 2
"""At how many of its turns a loop that reads is disturbed."""
Situation = Callable[[World], Any]


@dataclass(frozen=True)
class Scenario:
    """A situation, and the step that is disturbed in it."""

    name: str
    step: str
    situation: Situation
    act: Callable[[World, Process], object]
    only_once: bool = True
    """Whether a repeat of the step must come to what one undisturbed run comes to."""
    hold: timedelta = timedelta(0)


def disturbed(
    scenario: Scenario,
    ending: Ending,
    watched: Watched,
    meanwhile: Callable[[World], object] = lambda _world: None,
    *,
    queued_twice: bool = False,
) -> Iterator[World]:
    """The world after the scenario, settled, for each place of its step: the step dies there, fails, or is held up.

    `meanwhile` happens while the step is held up. `queued_twice` lets the queues repeat themselves, so that another of
    the same can work on it then. The first world is the undisturbed one.
    """

    def prepared(at: int = 0) -> World:
        watched.deaths = Deaths(scenario.name, at)
        world = World(watched, hold=scenario.hold)
        scenario.situation(world)
        if queued_twice:
            world.queue.intake *= 2
            world.queue.waiting *= 2
        return world

    world = prepared()
    passed = world.process(scenario.step)
    scenario.act(world, passed)
    world.settle()
    yield world
    passes: Counter[Place] = Counter()
    for at, place in enumerate(passed.places, 1):
        # Shard after shard is read in one place; to die at the third of them is to die at the second.
        passes[place] += 1
        if place.effect.endswith(".paginate") and passes[place] > READ_AT_MOST:
            continue
        # Nothing happens between an effect and the next, so to die after the one is to die before the other.
        if ending is not Ending.FAILS and not place.after and at > 1 and passed.places[at - 2].after:
            watched.tried[ending].add(place)
            continue
        world = prepared(at)
        process = world.process(scenario.step, at, ending)
        try:
            if ending is Ending.PAUSES:
                assert world.at_once(process, partial(scenario.act, world, process), partial(meanwhile, world))
            else:
                scenario.act(world, process)
            assert process.struck_at == place, f"not the same way twice: {process.struck_at}"
            world.check()
            world.settle()
        except AssertionError as broken:
            broken.add_note(f"{scenario.name}: {ending.name} at {place}")
            raise
        yield world


def died_again(scenario: Scenario, place: Place, watched: Watched) -> World:
    """The world after the deaths that led to the place, and one at the place, settled."""
    deaths = watched.first_seen[place]
    watched.deaths = replace(deaths, later=(*deaths.later, place))
    world = World(watched, hold=scenario.hold)
    scenario.situation(world)
    watched.later = list(watched.deaths.later)
    scenario.act(world, world.process(scenario.step, deaths.at))
    world.check()
    world.settle()
    assert not watched.later, f"{scenario.name}: not the same way twice: {watched.later}"
    return world


def another(scenario: Scenario) -> Callable[[World], object]:
    """A second process that does the same step on the same work."""
    return lambda world: scenario.act(world, world.process(scenario.step))


def an_hour(world: World) -> None:
    """Every lease ends, every wait is over, and others do all the work."""
    for _ in range(4):
        world.clock.advance(timedelta(minutes=10))
        world.round()


@dataclass(frozen=True)
class Came:
    """What came of one message."""

    encounter: str
    version: int
    status: Status
    notifications: tuple[str, ...]


def result(world: World) -> list[Came]:
    """What came of everything, in an order of its own."""
    return [
        Came(record.encounter, record.version, record.status, world.notifications_of(record.message_id))
        for record in world.records()
    ]


def _build(world: World, process: Process) -> None:
    world.deliver_intake(process)


def _send(world: World, process: Process) -> None:
    world.deliver_send(process)


def _poll(world: World, process: Process) -> None:
    world.poll(process)


def _sweep(world: World, process: Process) -> None:
    world.sweep(process)


def _escalate(world: World, process: Process) -> None:
    world.escalate(process)


def _take_on(world: World, process: Process) -> None:
    world.take_on(process, NOTICE)


def _list_drop(world: World, process: Process) -> None:
    world.list_drop(process)


def _reconcile(world: World, process: Process) -> None:
    world.reconcile(process)


def _stored(*moods: Mood, chunked: bool = False) -> Situation:
    def situation(world: World) -> None:
        world.queue.waiting.append(world.store(chunked=chunked))
        world.mesh.moods.extend(moods)

    return situation


def _replaced_document(world: World) -> None:
    """The sender put the next request's document under the same key before the builder came."""
    world.drop("one", folder="one/folder")
    world.clock.advance(timedelta(seconds=5))
    world.dropped.put_object(Key="one/folder/report.pdf", Body=world.dropped.objects["one/folder/report.pdf"] + b"\n%")


def _expired_document(world: World) -> None:
    """A builder died when it had received the document, which then expired from the drop's list."""
    world.drop("one", folder="one/folder")
    died = world.process("builder")
    died.on = "dynamodb.get_item"
    world.deliver_intake(died)
    assert any(sort.startswith("RECEIVED#") for _, sort in world.table.item_keys())
    world.clock.advance(timedelta(days=2))
    world.dropped.delete_object(Key="one/folder/report.pdf")


def _claimed(world: World) -> None:
    """A builder died when it had claimed a version, and before its message was stored."""
    world.drop("encounter")
    died = world.process("builder")
    died.on = "s3.upload_fileobj"
    world.deliver_intake(died)
    assert died.dead


def _replacement(world: World) -> None:
    world.drop("encounter")
    world.round()
    world.clock.advance(timedelta(hours=25))
    world.drop("encounter")


def _repeat(world: World) -> None:
    world.drop("encounter")
    world.deliver_intake(world.process("builder"), again=True)


def _refused_repeat(world: World) -> None:
    world.drop("encounter", valid=False)
    world.deliver_intake(world.process("builder"), again=True)


def _removed(world: World) -> None:
    world.drop("encounter", valid=False)
    (dropped,) = world.queue.intake
    assert isinstance(dropped, Dropped)
    del world.dropped.objects[dropped.key]


def _left_uncertain(world: World) -> None:
    _stored(Mood.LOSES_UNHEARD)(world)
    world.deliver_send(world.process("sender"))
    world.clock.advance(timedelta(minutes=16))
    world.sweep(world.process("sweep"))


def _begun(world: World) -> None:
    _stored(Mood.TAKES, Mood.BUSY, chunked=True)(world)
    world.deliver_send(world.process("sender"))


def _begun_and_forgotten(world: World) -> None:
    _begun(world)
    world.mesh.uploads.clear()


def _fifth_attempt(world: World) -> None:
    _stored(*[Mood.BUSY] * 5)(world)
    for _ in range(4):
        world.deliver_send(world.process("sender"))


def _sent(world: World, encounter: str = "stored") -> str:
    message_id = world.store(encounter=encounter)
    world.send(world.process("sender"), message_id)
    return message_id


def _answered(*codes: str, before: Callable[[World], object] = lambda _world: None, **how: Any) -> Situation:
    def situation(world: World) -> None:
        message_id = _sent(world)
        before(world)
        for code in codes:
            world.answer(message_id, code, **how)

    return situation


def _answered_before(first: str, *then: str) -> Situation:
    def situation(world: World) -> None:
        message_id = _sent(world)
        world.answer(message_id, first)
        world.poll(world.process("poller"))
        for code in then:
            world.answer(message_id, code)

    return situation


def _late(world: World) -> None:
    message_id = _sent(world)
    world.clock.advance(LATE)
    world.sweep(world.process("sweep"))
    for code in ("20013", "30001"):
        world.answer(message_id, code)


def _stray(world: World) -> None:
    world.answer("11111111-1111-5111-8111-111111111111", "20013", stray=True)


def _replacement_void(world: World) -> None:
    world.drop("encounter")
    world.drop("encounter")
    world.round()
    first, second = world.records()
    for code in ("20013", "30001"):
        world.answer(first.message_id, code)
    world.poll(world.process("poller"))
    world.answer(second.message_id, "20014")


def _reported(world: World) -> None:
    (copy,) = world.mesh.copies(_sent(world))
    world.report(copy)


def _reported_and_answered(world: World) -> None:
    message_id = _sent(world)
    world.report(world.mesh.copies(message_id)[0])
    world.answer(message_id, "20013")


def _died(world: World, step: Callable[[World, Process], object], on: str) -> None:
    """A process of the step died just before this effect, and its leases have ended since."""
    step(world, Process("earlier", Watched(), on=on))
    world.clock.advance(timedelta(minutes=6))


def _tried_before(situation: Situation, times: int = 1) -> Situation:
    def after_that(world: World) -> None:
        situation(world)
        for _ in range(times):
            _died(world, _poll, "mesh.download_into")

    return after_that


def _reported_then_answered(world: World) -> None:
    """MESH said that it was not delivered, and that stood; then the practice answers."""
    message_id = _sent(world)
    world.report(world.mesh.copies(message_id)[0])
    world.poll(world.process("poller"))
    world.check()
    for code in ("20013", "30001"):
        world.answer(message_id, code)


def _answered_late(world: World) -> None:
    message_id = _sent(world)
    world.clock.advance(LATE)
    world.answer(message_id, "20013")


def sweep(world: World) -> None:
    """The sweep comes by."""
    world.sweep(world.process("sweep"))


def _acknowledgement_lost(world: World) -> None:
    _answered("20013")(world)
    _died(world, _poll, "mesh.acknowledge")


def _stale(world: World) -> None:
    world.store()
    world.clock.advance(timedelta(minutes=11))


def _lease_ended(world: World) -> None:
    _stored()(world)
    _died(world, _send, "mesh.send")
    world.queue.waiting.clear()


def _wait_over(world: World) -> None:
    _stored(Mood.LOSES_UNHEARD)(world)
    world.deliver_send(world.process("sender"))
    world.clock.advance(timedelta(minutes=16))


def _untold(world: World) -> None:
    world.drop("encounter", valid=False)
    _died(world, _build, "sns.publish")
    world.queue.intake.clear()


def _held(world: World) -> None:
    world.drop("encounter")
    world.deliver_intake(world.process("builder"))


def _held_and_asked_again(world: World) -> None:
    _held(world)
    world.clock.advance(timedelta(minutes=5))
    world.drop("encounter")


def _window_over(world: World) -> None:
    _held(world)
    world.clock.advance(WINDOW)


def _offered(world: World) -> None:
    _window_over(world)
    world.sweep(world.process("sweep"))


def _half_released(world: World) -> None:
    _offered(world)
    _died(world, _build, "sqs.send_message_batch")


def _released_already(world: World) -> None:
    _offered(world)
    world.deliver_intake(world.process("builder"), again=True)


def _held_and_withdrawn(world: World) -> None:
    _held(world)
    world.withdraw("encounter")


def _sent_and_withdrawn(world: World) -> None:
    world.drop("encounter")
    world.round()
    world.withdraw("encounter")


def _older(world: World) -> None:
    """The queue brings the newer request first."""
    for _ in range(2):
        world.drop("encounter")
    world.deliver_intake(world.process("builder"), 1)


def _second_version_first(world: World) -> None:
    """The queue brings the sender the second version while the first is not sent."""
    for _ in range(2):
        world.drop("encounter")
        world.deliver_intake(world.process("builder"))
    world.queue.waiting.reverse()


def _forged(world: World) -> None:
    world.drop("encounter")
    world.round()
    (message,) = world.records()
    world.answer(message.message_id, "20013", sender=STRANGER)
    world.answer(message.message_id, "20013")


def _forged_of_an_unheard_upload(world: World) -> None:
    """MESH has the message, and nobody knows by which id; somebody else answers first."""
    world.drop("encounter")
    world.deliver_intake(world.process("builder"))
    world.mesh.moods.append(Mood.TAKES_UNHEARD)
    world.deliver_send(world.process("sender"))
    (message,) = world.records()
    world.answer(message.message_id, "30002", sender=STRANGER)
    world.answer(message.message_id, "20013")


def _unacknowledged(world: World) -> None:
    _sent(world)
    world.clock.advance(LATE)


def _half_answered(world: World) -> None:
    _answered_before("20013")(world)
    world.clock.advance(LATE)


NOTICE = "MESSAGE#00000000-0000-5000-8000-000000000001/overdue"
"""The notification of the first message that is stored and never answered."""


def _told(world: World) -> None:
    """A message is overdue, and somebody was told."""
    _unacknowledged(world)
    world.sweep(world.process("sweep"))
    assert world.open_notifications() == [NOTICE]


def _told_long_ago(world: World) -> None:
    _told(world)
    world.escalate(world.process("escalate"))
    world.clock.advance(UNACKNOWLEDGED)


def _taken_on(world: World) -> None:
    _told(world)
    world.take_on(world.process("person"), NOTICE)


def _claimed_and_withdrawn(world: World) -> None:
    """A builder claimed a version and never came back; its request is among the dead letters."""
    world.drop("encounter")
    _died(world, _build, "s3.upload_fileobj")
    world.queue.intake.clear()
    world.withdraw("encounter")


def _claimed_withdrawn_and_redriven(world: World) -> None:
    world.drop("encounter")
    lost = list(world.queue.intake)
    _died(world, _build, "s3.upload_fileobj")
    world.queue.intake.clear()
    world.withdraw("encounter")
    world.deliver_intake(world.process("builder"))
    world.queue.intake += lost


def _dropped(put: Callable[[World], object], *happens: Callable[[World], object]) -> Situation:
    """What a sender put down, what happened then, and that it is old enough to be looked for."""

    def situation(world: World) -> None:
        put(world)
        for each in happens:
            each(world)
        world.clock.advance(SETTLED)

    return situation


def _request(world: World) -> None:
    world.drop("encounter")


def _unannounced(world: World) -> None:
    world.drop("encounter", announced=0)


def _replaced_unannounced(world: World) -> None:
    """S3's event of a request was lost, and another request replaced it: only the daily list has it."""
    world.drop("encounter", folder="out", announced=0, documents=False)
    world.clock.advance(timedelta(minutes=1))
    world.drop("another encounter", folder="out", documents=False)


def _a_day_later(world: World) -> None:
    world.clock.advance(timedelta(days=1))


def _found_in_the_drop(world: World) -> None:
    """S3's event of a request was lost, and the listing found the request."""
    _unannounced(world)
    world.clock.advance(SETTLED)
    world.list_drop(world.process("listing"))


def _document_more(world: World) -> None:
    """A document comes into the folder of a request that does not name it."""
    (asked,) = world.truth.requests.values()
    world.truth.documents_alone += 1
    world.dropped.put_object(Key=asked.key.replace("request.json", "more.pdf"), Body=b"%PDF-")


def _built(world: World) -> None:
    world.deliver_intake(world.process("builder"))


def _left_unrecorded(world: World) -> None:
    """A builder died when it had received the document, and before the ledger had the request."""
    _died(world, _build, "dynamodb.get_item")


def _left_unread(world: World) -> None:
    _died(world, _build, "s3.get_object")


def _listed_in_part(world: World) -> None:
    world.clock.advance(SETTLED)
    _died(world, _list_drop, "sqs.send_message_batch")


def _morning(world: World) -> None:
    """It is twenty past three of the next day."""
    morning = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
    while world.clock.time >= morning:
        morning += timedelta(days=1)
    world.clock.time = morning


def _day_of(*work: Callable[[World], object]) -> Situation:
    """A day with this work, and the night after."""

    def situation(world: World) -> None:
        for each in work:
            each(world)
        _morning(world)

    return situation


def _days_work(world: World) -> None:
    """One that was sent and is unanswered, one refused, one that came from nobody."""
    _sent(world, f"of {world.clock.time.date()}")
    world.drop("wrong", valid=False)
    _stray(world)
    world.round()


def _day_before(world: World) -> None:
    """A day whose balance left something open."""
    _days_work(world)
    _morning(world)
    world.reconcile(world.process("reconcile"))


def _released_over_night(world: World) -> None:
    _held(world)
    world.clock.advance(WINDOW)
    world.round()


SCENARIOS = (
    Scenario("a request", "builder", lambda world: world.drop("encounter"), _build),
    Scenario("a request that was found in the drop", "builder", _found_in_the_drop, _build),
    Scenario("a document that was replaced before it was read", "builder", _replaced_document, _build),
    Scenario("a document that expired since it was received", "builder", _expired_document, _build),
    Scenario("a request that was claimed and not stored", "builder", _claimed, _build),
    Scenario("a replacement, a day late", "builder", _replacement, _build),
    Scenario("a request that is brought again", "builder", _repeat, _build),
    Scenario("a request that breaks a rule", "builder", lambda world: world.drop("encounter", valid=False), _build),
    Scenario("a refused request that is brought again", "builder", _refused_repeat, _build),
    Scenario("a request that was removed", "builder", _removed, _build),
    Scenario("a request to hold", "builder", lambda world: world.drop("encounter"), _build, hold=WINDOW),
    Scenario("a newer request than the held one", "builder", _held_and_asked_again, _build, hold=WINDOW),
    Scenario("a request that is older than the newest", "builder", _older, _build),
    Scenario("a held request whose time has come", "builder", _offered, _build, hold=WINDOW),
    Scenario("a held request that was half released", "builder", _half_released, _build, hold=WINDOW),
    Scenario("a held request that is released already", "builder", _released_already, _build, hold=WINDOW),
    Scenario("a withdrawal of what is held", "builder", _held_and_withdrawn, _build, hold=WINDOW),
    Scenario("a withdrawal of what was sent", "builder", _sent_and_withdrawn, _build),
    Scenario("a withdrawal of nothing", "builder", lambda world: world.withdraw("encounter"), _build),
    Scenario("a withdrawal of what no builder ever stored", "builder", _claimed_and_withdrawn, _build),
    Scenario("a version withdrawn before it was stored", "builder", _claimed_withdrawn_and_redriven, _build),
    Scenario("a second version before the first", "sender", _second_version_first, _send),
    Scenario("an upload", "sender", _stored(), _send),
    Scenario("a refused upload", "sender", _stored(Mood.REFUSES), _send, only_once=False),
    Scenario("a busy MESH", "sender", _stored(Mood.BUSY), _send),
    Scenario("an unreachable MESH", "sender", _stored(Mood.UNREACHABLE), _send),
    Scenario("a lost answer of MESH", "sender", _stored(Mood.TAKES_UNHEARD), _send),
    Scenario("a lost upload", "sender", _stored(Mood.LOSES_UNHEARD), _send),
    Scenario("an upload made again", "sender", _left_uncertain, _send),
    Scenario("a fifth attempt that fails", "sender", _fifth_attempt, _send, only_once=False),
    Scenario("an upload in chunks", "sender", _stored(chunked=True), _send),
    Scenario("a lost answer to a later chunk", "sender", _stored(Mood.TAKES, Mood.TAKES_UNHEARD, chunked=True), _send),
    Scenario(
        "a lost answer to the last chunk", "sender",
        _stored(Mood.TAKES, Mood.TAKES, Mood.TAKES_UNHEARD, chunked=True), _send,
    ),
    Scenario("an upload gone on with", "sender", _begun, _send),
    Scenario("an upload that MESH has forgotten", "sender", _begun_and_forgotten, _send),
    Scenario("an infrastructure acknowledgement", "poller", _answered("20013"), _poll),
    Scenario("both acknowledgements, business first", "poller", _answered("30001", "20013"), _poll),
    Scenario("a rejection", "poller", _answered("30002"), _poll),
    Scenario("a contradiction of what was final", "poller", _answered_before("20013", "30001", "30002"), _poll),
    Scenario("an answer that is late", "poller", _late, _poll),
    Scenario("a replacement that could not be processed", "poller", _replacement_void, _poll),
    Scenario("a response to no message of ours", "poller", _stray, _poll),
    Scenario("a malformed response", "poller", _answered("20013", malformed=True), _poll),
    Scenario("a report", "poller", _reported, _poll),
    Scenario("a report and an answer", "poller", _reported_and_answered, _poll),
    Scenario("answers after a report that was final", "poller", _reported_then_answered, _poll),
    Scenario("a first answer that is late", "poller", _answered_late, _poll, only_once=False),
    Scenario("a message whose acknowledgement was lost", "poller", _acknowledgement_lost, _poll),
    Scenario("an answer that failed before", "poller", _tried_before(_answered("20013")), _poll),
    Scenario("a rejection that failed before", "poller", _tried_before(_answered("30002")), _poll),
    Scenario("a stray that failed before", "poller", _tried_before(_stray), _poll),
    Scenario("a report that failed before", "poller", _tried_before(_reported), _poll),
    Scenario("a void replacement that failed before", "poller", _tried_before(_replacement_void), _poll),
    Scenario("an answer that fails always", "poller", _tried_before(_answered("20013"), 6), _poll),
    Scenario("an answer from somebody else", "poller", _forged, _poll),
    Scenario("a forged answer to an unheard upload", "poller", _forged_of_an_unheard_upload, _poll),
    Scenario("an empty inbox", "poller", lambda _world: None, _poll),
    Scenario("a message that nobody sent", "sweep", _stale, _sweep),
    Scenario("a sender that died", "sweep", _lease_ended, _sweep),
    Scenario("an uncertain upload", "sweep", _wait_over, _sweep),
    Scenario("a hold window that is over", "sweep", _window_over, _sweep, hold=WINDOW),
    Scenario("no acknowledgement", "sweep", _unacknowledged, _sweep),
    Scenario("half an acknowledgement", "sweep", _half_answered, _sweep),
    Scenario("a notification that nobody told", "sweep", _untold, _sweep),
    Scenario("an empty drop", "listing", _dropped(lambda _world: None), _list_drop),
    Scenario("a request that was announced", "listing", _dropped(_request, _built), _list_drop),
    Scenario("a request that was not announced", "listing", _dropped(_unannounced), _list_drop),
    Scenario(
        "a replaced request that was not announced", "listing", _dropped(_replaced_unannounced, _built, _a_day_later),
        _list_drop,
    ),
    Scenario("a document of a request that broke off", "listing", _dropped(_request, _left_unrecorded), _list_drop),
    Scenario("a request that was received and not read", "listing", _dropped(_request, _left_unread), _list_drop),
    Scenario(
        "a document beside a request that does not name it", "listing", _dropped(_request, _built, _document_more),
        _list_drop,
    ),
    Scenario("a document that no request names", "listing", _dropped(World.drop_document), _list_drop),
    Scenario("a listing that ended half-way", "listing", _dropped(_unannounced, _listed_in_part), _list_drop),
    Scenario("a notification that was told just now", "escalate", _told, _escalate),
    Scenario("a notification that nobody takes on", "escalate", _told_long_ago, _escalate),
    Scenario("a notification that somebody takes on", "person", _told, _take_on, only_once=False),
    Scenario("a notification that was taken on before", "person", _taken_on, _take_on),
    Scenario("a day that balances", "reconcile", _day_of(_days_work), _reconcile),
    Scenario("a day after one that left something open", "reconcile", _day_of(_day_before, _days_work), _reconcile),
    Scenario("a day with a released request", "reconcile", _day_of(_released_over_night), _reconcile, hold=WINDOW),
    Scenario("a day on which a request was lost", "reconcile", _day_of(World.ghost), _reconcile),
    Scenario("a day whose balance was made", "reconcile", _day_before, _reconcile),
)  # fmt: skip
