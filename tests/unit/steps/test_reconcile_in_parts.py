"""A day is reckoned in as many runs as it takes: whatever ends a run, nothing is missed and nothing counts twice."""

import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger.encounter_table import pk_of
from gpconnect_messaging.ledger.reconciliation import Balance
from gpconnect_messaging.mesh.errors import RetryLater
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.steps import reconcile
from gpconnect_messaging.steps.reconcile import DUE, UNDER_WAY, BalanceDeadline, Reconciliation, Unfinished
from tests.crash_injection import Died
from tests.identifiers import ids_of
from tests.model.effects import Ending, Place, Process, Watched
from tests.unit.ledger.events import BUILT, response
from tests.unit.steps.night import DAY, DELIVERED, EVENING, MAILBOX, NIGHT, SENT, Night

DAY_AFTER = timedelta(days=1)
READ_AT_MOST = 2
"""The shards are read at one effect; to die at the third of them is to die at the second."""
EVERY = 5 if os.environ.get("EXAMPLES") == "few" else 1


def in_small_parts(step: Reconciliation) -> Reconciliation:
    return replace(step, entries_a_file=4, entries_a_part=3)


def prepared() -> Night:
    """A day with events of every kind, and the day before, which left two messages open."""
    night = Night()
    night.clock.advance(-DAY_AFTER)
    night.build("left", *SENT)
    vanished = night.build("vanished", *SENT)
    night.clock.advance(timedelta(hours=6))
    night.step.run(DAY - DAY_AFTER)
    night.clock.time = night.clock.time.replace(day=20, hour=21, minute=30)
    night.lose(vanished)
    for name in "abcdef":
        night.build(name, *DELIVERED)
    night.build("g", *SENT)
    night.hold("h")
    night.release("h", *DELIVERED, messages=2)
    night.receive("request-lost")
    night.store("request-unreceived", BUILT)
    night.build("unknown", *SENT)
    del night.mesh.uploads["MESH-unknown"]
    night.clock.time = NIGHT
    night.topic.published.clear()
    return night


def message_of(name: str) -> str:
    """The id of the message that `Night.build` makes."""
    return str(ids_of(MAILBOX, f"request-{name}").message_id(1, "recipient-0"))


def outcome(night: Night) -> tuple[Any, ...]:
    """The day's balance as it is kept, what a person was notified of, and where the tour in MESH has come."""
    kept = json.loads(night.bucket.objects[f"balances/{DAY}.json"])
    # The clock advances at every call, and these files contain the time, too.
    kept.pop("made_at")
    kept["wrong_files"] = len(kept["wrong_files"])
    return kept, night.notified(), night.balances.tour()


def run_to_the_end(step: Reconciliation) -> Balance:
    for _ in range(2_000):
        made = step.run(DAY)
        if isinstance(made, Balance):
            return made
    raise AssertionError("it never ends")


def undisturbed() -> tuple[tuple[Any, ...], list[Place]]:
    night = prepared()
    process = Process("reconcile", Watched())
    in_small_parts(night.step_of(process)).run()
    return outcome(night), process.places


def test_parts_come_to_the_same_balance_as_one_part_for_all() -> None:
    (kept, told, _), _ = undisturbed()
    whole = prepared()
    whole.step.run()
    at_once, told_at_once, _ = outcome(whole)
    assert len(kept.pop("open_files")) > len(at_once.pop("open_files")), "the one was in parts, the other was not"
    assert kept.pop("wrong_files") > at_once.pop("wrong_files")
    assert told == told_at_once == ["The day's balance does not add up"]
    counts = kept["mailboxes"][MAILBOX]
    assert {name: counts[name] for name in ("without_receipt", "vanished", "unknown_to_mesh")} == {
        "without_receipt": ["request-unreceived"], "vanished": [message_of("vanished")],
        "unknown_to_mesh": [message_of("unknown")],
    }  # fmt: skip
    for made in (kept, at_once):
        for mailbox in made["mailboxes"].values():
            mailbox.update({name: sorted(found) for name, found in mailbox.items() if isinstance(found, list)})
    assert kept == at_once


def test_a_run_that_is_killed_at_any_effect_leaves_a_reckoning_that_comes_to_the_same() -> None:
    expected, places = undisturbed()
    seen: Counter[Place] = Counter()
    killed = 0
    for at, effect in enumerate(places, 1):
        seen[effect] += 1
        if seen[effect] > READ_AT_MOST or at % EVERY:
            continue
        night = prepared()
        process = Process("reconcile", Watched(), at, Ending.DIES)
        with pytest.raises(Died):
            in_small_parts(night.step_of(process)).run()
        made = in_small_parts(night.step).run()
        assert made is None or isinstance(made, Balance)
        if night.notified() == []:  # it was killed before it was told: the sweep tells it
            night.clock.advance(timedelta(minutes=2))
            night.notifier.notify(night.sweep._untold(night.sweep.due(), []))
        kept, told, tour = outcome(night)
        assert (kept, set(told), tour) == (expected[0], set(expected[1]), expected[2]), effect
        killed += 1
    assert killed > len(places) / EVERY / 20


def test_runs_that_have_time_for_one_step_each_come_to_the_same() -> None:
    expected, _ = undisturbed()
    night = prepared()

    def once() -> Callable[[], bool]:
        asked = iter((True,))
        return lambda: next(asked, False)

    made: Any = None
    steps = 0
    while not isinstance(made, Balance):
        made = in_small_parts(night.step).run(DAY, once())
        steps += 1
    assert steps > 20
    assert outcome(night)[0] == expected[0]


@pytest.mark.parametrize("steps", [1, 8, 15, 20, 25])
def test_what_another_run_has_recorded_meanwhile_is_left_to_it(steps: int) -> None:
    expected, _ = undisturbed()
    night = prepared()
    other = in_small_parts(night.step)
    done: list[int] = []

    def while_another_works() -> bool:
        done.append(len(done))
        if len(done) == steps:
            run_to_the_end(other)
        return True

    assert in_small_parts(night.step).run(DAY, while_another_works) is None
    assert outcome(night) == expected


def shows(entry: Any, key: str) -> bool:
    """Whether an entry of an index is about an encounter."""
    return bool(entry["pk"]["S"] == pk_of(key) or entry.get("encounter_key") == {"S": key})


def test_an_encounter_that_moves_while_the_indexes_are_read_is_found_past_them() -> None:
    night = prepared()
    night.clock.time = EVENING
    night.receive("request-moving")
    moving = night.row(night.store("request-moving", *DELIVERED)).encounter_key
    night.clock.time = NIGHT
    paginate = night.table.get_paginator

    def get_paginator(operation: str) -> Any:
        # The index shows the encounter in no shard: it was read too late in one, and too early in the other.
        pages = paginate(operation)

        class Blind:
            def paginate(self, **query: Any) -> Any:
                for page in pages.paginate(**query):
                    yield {**page, "Items": [item for item in page["Items"] if not shows(item, moving)]}

        return Blind()

    night.table.get_paginator = get_paginator  # type: ignore[method-assign]
    made = run_to_the_end(in_small_parts(night.step))
    assert made.mailboxes["-"].lost == ["request-lost"]
    assert made.total("received") == 11


def test_all_that_is_wrong_is_kept_also_where_the_days_balance_lists_only_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gpconnect_messaging.ledger.reconciliation.MOST_LISTED", 2)
    night = Night()
    for number in range(9):
        night.receive(f"request-{number}")
    night.clock.time = NIGHT
    made = run_to_the_end(in_small_parts(night.step))
    assert (len(made.mailboxes["-"].lost), made.total("lost"), made.wrong) == (2, 9, 9)
    found = [json.loads(night.bucket.objects[key])["mailboxes"]["-"]["lost"] for key in made.wrong_files]
    assert sorted(request_id for part in found for request_id in part) == [f"request-{number}" for number in range(9)]


def test_a_reckoning_that_was_begun_long_ago_is_begun_afresh() -> None:
    night = prepared()
    assert isinstance(in_small_parts(night.step).run(DAY, lambda: False), Unfinished)
    night.clock.advance(UNDER_WAY + timedelta(minutes=1))
    made = run_to_the_end(night.step)
    assert night.clock() - made.made_at < timedelta(seconds=1)


# MESH


def sent(night: Night, *names: str) -> list[str]:
    for name in names:
        night.build(name, *SENT)
    return [f"MESH-{name}" for name in names]


def test_the_next_day_asks_mesh_on_where_this_one_ended_and_then_from_the_beginning() -> None:
    night = Night()
    ids = sent(night, *"abcde")
    night.step = replace(night.step, most_asked=3)
    rounds: list[list[str]] = []
    for _ in range(3):
        night.mesh.tracked.clear()
        made = night.reckon()
        rounds.append(list(night.mesh.tracked))
        assert (made.asked_of_mesh, made.not_asked) == (len(rounds[-1]), 5 - len(rounds[-1]))
        night.clock.advance(DAY_AFTER)
    assert [len(batch) for batch in rounds] == [3, 2, 3]
    assert sorted(rounds[0] + rounds[1]) == ids
    assert rounds[2] == rounds[0]


def test_all_that_mesh_was_asked_about_is_counted_however_often_it_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "_RECORDED_EVERY", 2)
    night = Night()
    sent(night, *"abcde")
    asked, records = Reconciliation._asked, list[int]()

    def counted(step: Reconciliation, reached: Any, answers: Any, *rest: Any, enough: bool) -> Any:
        records.append(len(answers))
        return asked(step, reached, answers, *rest, enough=enough)

    monkeypatch.setattr(Reconciliation, "_asked", counted)
    assert night.reckon().asked_of_mesh == len(night.mesh.tracked) == 5
    assert records == [2, 2, 1]


def test_the_tour_goes_on_although_the_message_that_it_ended_at_moved_on() -> None:
    night = Night()
    sent(night, *"abcde")
    night.step = replace(night.step, most_asked=3)
    night.reckon()
    asked = list(night.mesh.tracked)
    last = asked[-1].removeprefix("MESH-")
    night.ledger.record(message_of(last), response("20009"))
    night.clock.advance(DAY_AFTER)
    night.reckon()
    assert sorted(night.mesh.tracked) == [f"MESH-{name}" for name in "abcde"]


def test_mesh_is_asked_about_whatever_open_message_it_must_have() -> None:
    night = Night()
    night.build("sent", *SENT)
    night.build("acknowledged", *SENT, response("20013"))
    night.build("delivered", *DELIVERED)
    night.build("built", BUILT)
    made = night.reckon()
    assert sorted(night.mesh.tracked) == ["MESH-acknowledged", "MESH-sent"]
    assert (made.must_be_known, made.asked_of_mesh) == (2, 2)


def test_mesh_is_not_asked_about_what_it_may_have_deleted() -> None:
    night = Night()
    night.build("old", *SENT)
    night.clock.advance(timedelta(days=29))
    made = night.reckon()
    assert (night.mesh.tracked, made.must_be_known, made.total("unknown_to_mesh")) == ([], 0, 0)


def test_a_mesh_that_does_not_answer_is_left_alone_until_the_next_day() -> None:
    night = Night()
    sent(night, *"abcdefghij")
    night.mesh.failures["tracking"] = RetryLater("tracking", "MESH is busy")
    made = night.reckon()
    assert (len(night.mesh.tracked), made.asked_of_mesh, made.not_asked) == (5, 0, 10)


def test_mesh_is_asked_no_faster_than_the_pace_says() -> None:
    night = Night()
    sent(night, *"abc")
    waited: list[float] = []
    night.step = replace(night.step, pace=RateLimiter(5, sleep=waited.append, clock=lambda: 0.0))
    night.reckon()
    assert waited == [0.2, 0.4], "on a clock that stands still"


# The deadline


def test_a_balance_that_is_not_made_in_time_is_late_until_it_is() -> None:
    night = Night()
    deadline = BalanceDeadline(balances=night.balances, now=night.clock)
    due = datetime.combine(NIGHT.date(), DUE)
    night.clock.time = due - timedelta(minutes=1)
    assert deadline.late() == timedelta()
    night.clock.time = due + timedelta(hours=2)
    assert timedelta() < deadline.late() - timedelta(hours=2) < timedelta(seconds=1)
    night.reckon()
    assert deadline.late() == timedelta()
    night.clock.advance(DAY_AFTER)
    assert deadline.late() > timedelta(), "of the next day there is none"


# What a run has recorded


def test_what_mesh_has_answered_a_run_that_is_killed_later_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "_RECORDED_EVERY", 2)
    night = Night()
    ids = sent(night, *"abcde")

    def killed_after_two() -> bool:
        if len(night.mesh.tracked) == 2:
            raise Died
        return True

    night.clock.time = NIGHT
    with pytest.raises(Died):
        night.step.run(time_left=killed_after_two)
    night.reckon()
    assert sorted(night.mesh.tracked) == ids


def test_what_the_balance_before_left_open_is_read_on_behind_the_last_file_that_was_read() -> None:
    night = Night()
    sent(night, *"abcdefgh")
    night.clock.time = NIGHT
    run_to_the_end(in_small_parts(night.step))
    files = list(night.step._left_open(DAY + DAY_AFTER, ""))
    assert len(files) > 1
    for number, (_, position) in enumerate(files, 1):
        assert list(night.step._left_open(DAY + DAY_AFTER, position)) == files[number:]


def test_a_reckoning_that_is_as_old_as_one_may_be_is_gone_on_with() -> None:
    night = prepared()
    began = replace(night.step, now=lambda: NIGHT)
    assert isinstance(began.run(DAY, lambda: False), Unfinished)
    assert run_to_the_end(replace(night.step, now=lambda: NIGHT + UNDER_WAY)).made_at == NIGHT


def test_a_run_that_ends_while_mesh_is_asked_says_how_many_messages_it_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconcile, "_RECORDED_EVERY", 2)
    night = Night()
    sent(night, *"abcde")
    night.clock.time = NIGHT
    made = night.step.run(time_left=lambda: len(night.mesh.tracked) < 2)
    assert isinstance(made, Unfinished)
    assert made.asked_of_mesh == len(night.mesh.tracked) == 2


def test_a_tour_that_another_run_has_begun_again_meanwhile_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    night = Night()
    sent(night, *"abc")
    night.step = replace(night.step, most_asked=2)
    night.reckon()
    last = next(message for message in "abc" if f"MESH-{message}" not in night.mesh.tracked)
    night.ledger.record(message_of(last), response("20009"))
    night.clock.advance(DAY_AFTER)
    night.mesh.tracked.clear()
    balances_sent, raced = type(night.balances).sent, list[Balance]()

    def sent_while_another_works(balances: Any, tour: str) -> Any:
        yield from balances_sent(balances, tour)
        if not raced:
            raced.append(Balance(day=DAY, made_at=NIGHT, mailboxes={}))
            raced[0] = night.reckon_now()

    monkeypatch.setattr(type(night.balances), "sent", sent_while_another_works)
    assert night.step.run() is None
    assert raced[0].asked_of_mesh == len(night.mesh.tracked) == 2
