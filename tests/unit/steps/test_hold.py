"""The hold window: only the newest request of an encounter is sent, in order, and nothing is lost."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from gpconnect_messaging.ledger.lifecycle import FactKind, Status
from gpconnect_messaging.mailboxes.settings import Release
from gpconnect_messaging.operators import ActorError
from gpconnect_messaging.steps.build import UnknownRequestError
from gpconnect_messaging.steps.by_hand import NotPossibleError
from tests.examples import request_data
from tests.unit.steps.holding import PATIENCE, SAMPLE, WINDOW, Product

MINUTE = timedelta(minutes=1)


@pytest.mark.requirement("GPCM-SD-CS-075", "GPCM-SD-CS-076")
def test_a_held_request_is_sent_when_its_window_is_over() -> None:
    product = Product()
    held = product.asks()
    assert held.status is Status.HELD
    product.later(WINDOW - MINUTE)
    assert product.mesh.sent == []
    product.later(2 * MINUTE)
    (message,) = product.messages(held)
    assert (product.status(held), message.status, message.version) == (Status.RELEASED, Status.SENT, 1)
    assert product.mesh.sent == [message.message_id]
    assert product.told() == []


@pytest.mark.requirement("GPCM-SD-CS-076")
def test_a_newer_request_takes_the_held_ones_place_and_starts_the_window_again() -> None:
    product = Product()
    first = product.asks()
    product.later(WINDOW - MINUTE)
    second = product.asks()
    assert (product.status(first), second.status) == (Status.SUPERSEDED, Status.HELD)
    (fact,) = product.row(first.message_id).history.of(FactKind.SUPERSEDED)
    assert fact.details["by_request_id"] == second.message_id
    assert product.evidence.request(first.message_id), "the old one is kept"
    product.later(2 * MINUTE)
    assert product.mesh.sent == []
    product.later(WINDOW)
    assert [message.version for message in product.messages(second)] == [1]
    assert len(product.mesh.sent) == 1


def test_after_sending_a_newer_request_becomes_the_next_version() -> None:
    product = Product()
    for version in (1, 2, 3):
        held = product.asks()
        product.later(WINDOW + MINUTE)
        assert [message.version for message in product.messages(held)] == [version]
    assert len(product.mesh.sent) == 3


@pytest.mark.requirement("GPCM-SD-CS-076")
def test_an_older_request_that_comes_late_replaces_nothing() -> None:
    product = Product()
    earlier = product.time()
    product.time.advance(MINUTE)
    newer = product.asks()
    late = product.asks(arrived=earlier)
    assert (product.status(newer), late.status) == (Status.HELD, Status.SUPERSEDED)
    product.later(WINDOW + MINUTE)
    assert product.asks(arrived=earlier).status is Status.SUPERSEDED, "nor after it was sent"
    assert len(product.mesh.sent) == 1


def test_the_consultations_own_time_decides_which_is_newest_whenever_they_come() -> None:
    product = Product()
    newer = product.asks(consultation__updated="2026-11-20T21:30:00+00:00")
    older = product.asks(consultation__updated="2026-11-20T21:00:00+00:00")
    same = product.asks(consultation__updated="2026-11-20T21:30:00+00:00")
    assert [product.status(each) for each in (newer, older, same)] == [
        Status.SUPERSEDED, Status.SUPERSEDED, Status.HELD,
    ]  # fmt: skip


def test_without_a_window_an_older_request_that_comes_late_is_not_sent_either() -> None:
    product = Product(hold_window_seconds=0)
    earlier = product.time()
    product.time.advance(MINUTE)
    assert product.asks().status is Status.BUILT
    assert product.asks(arrived=earlier).status is Status.SUPERSEDED


def test_a_second_builder_that_finds_the_window_over_does_not_send_beside_the_held_request() -> None:
    product = Product()
    held = product.asks()
    encounter = request_data(SAMPLE)["encounter"]
    claim = product.ledger.claim(held.message_id, product.mailbox.mailbox, encounter, ("1",), product.time())
    assert claim is None
    assert product.status(held) is Status.HELD


def test_what_is_sent_is_what_was_checked_whatever_was_written_over_it_since() -> None:
    product = Product()
    product.asks()
    product.drop.version = "2"
    product.later(WINDOW + MINUTE)
    assert len(product.mesh.sent) == 1
    data = json.loads(next(each for key, each in product.bucket.objects.items() if key.startswith("requests/")))
    assert data["encounter"] == request_data(SAMPLE)["encounter"]
    (origin,) = (item for key, item in product.table.items.items() if key[1] == "ORIGIN")
    assert origin["document_versions"] == ["1"]


@pytest.mark.requirement("GPCM-SD-CS-071", "GPCM-SD-CS-073")
def test_what_needs_no_message_is_kept_and_not_sent_and_replaces_what_is_held() -> None:
    product = Product()
    held = product.asks()
    irrelevant = product.asks(clinically_relevant=False)
    assert (product.status(held), irrelevant.status) == (Status.SUPERSEDED, Status.NOT_REQUIRED)
    own = product.asks(registered_practice={"ods_code": "Y90001"})
    assert own.status is Status.NOT_REQUIRED
    (fact,) = product.row(own.message_id).history.of(FactKind.NOT_REQUIRED)
    assert fact.details["requirement"] == "GPCM-SD-CS-071"
    product.later(WINDOW + MINUTE)
    assert (product.mesh.sent, product.told()) == ([], [])


@pytest.mark.requirement("GPCM-SD-CS-074")
def test_a_person_releases_what_the_organisation_wants_released_by_a_person() -> None:
    product = Product(release=Release.BY_A_PERSON)
    held = product.asks()
    product.later(WINDOW + MINUTE)
    assert (product.status(held), product.mesh.sent) == (Status.HELD, [])
    assert product.told() == ["A request waits for a person"]
    with pytest.raises(ActorError):
        product.by_hand.release(held.message_id, "9658218865")
    product.by_hand.release(held.message_id, "operator-7")
    product.works()
    assert product.status(held) is Status.RELEASED
    assert len(product.mesh.sent) == 1
    (fact,) = product.row(held.message_id).history.of(FactKind.RELEASED_BY_A_PERSON)
    assert fact.details["actor"] == "operator-7"


def test_a_person_who_releases_early_does_not_cut_the_window_short_and_a_replacement_needs_its_own() -> None:
    product = Product(release=Release.BY_A_PERSON)
    first = product.asks()
    product.by_hand.release(first.message_id, "operator-7")
    product.later(MINUTE)
    assert product.mesh.sent == []
    second = product.asks()
    assert product.by_hand.release(first.message_id, "operator-7") is Status.SUPERSEDED
    third = product.asks()
    with pytest.raises(NotPossibleError):
        product.by_hand.release(second.message_id, "operator-7")
    product.later(WINDOW + MINUTE)
    assert (product.status(third), product.mesh.sent) == (Status.HELD, [])


def test_a_release_that_nobody_may_ask_for_changes_nothing() -> None:
    product = Product(release=Release.BY_A_PERSON)
    held = product.asks()
    assert product.builder.release(held.message_id).status is Status.HELD
    early = Product()
    assert early.builder.release(early.asks().message_id).status is Status.HELD
    with pytest.raises(UnknownRequestError):
        product.builder.release("5f0e7f58-0000-5000-8000-000000000009")


def test_a_held_request_that_is_no_longer_in_order_is_refused_and_told() -> None:
    product = Product()
    held = product.asks()
    product.mailbox = replace(product.mailbox, max_message_bytes=10)
    product.later(WINDOW + MINUTE)
    assert product.status(held) is Status.INVALID
    assert product.told() == ["A request was refused"]
    assert product.ledger.encounter(product.mailbox.mailbox, request_data(SAMPLE)["encounter"]).version == 0
    product.mailbox = replace(product.mailbox, max_message_bytes=5_000_000)
    again = product.asks()
    product.later(WINDOW + MINUTE)
    assert [message.version for message in product.messages(again)] == [1]


def test_a_builder_that_never_comes_back_is_told_while_the_sweep_goes_on_trying() -> None:
    product = Product()
    held = product.asks()
    product.time.advance(WINDOW + MINUTE)
    for _ in range(3):
        product.sweep.run()
        assert product.intake.take() == [held.message_id]
        product.time.advance(PATIENCE.stale)
    assert product.told() == ["A held request is not being sent"]
    product.works()
    assert product.status(held) is Status.RELEASED


def test_a_version_does_not_leave_before_the_one_before_it() -> None:
    product = Product(hold_window_seconds=0)
    first, second = product.asks(), product.asks()
    assert product.sender.send(second.message_id) is Status.BUILT
    assert product.mesh.sent == []
    assert product.sender.send(first.message_id) is Status.SENT
    assert product.sender.send(second.message_id) is Status.SENT
    assert product.mesh.sent == [first.message_id, second.message_id]


def test_a_version_waits_for_one_that_was_claimed_and_is_being_built() -> None:
    product = Product(hold_window_seconds=0)
    encounter = request_data(SAMPLE)["encounter"]
    product.ledger.claim("in-flight", product.mailbox.mailbox, encounter, ("1",), product.time())
    second = product.asks()
    assert product.sender.send(second.message_id) is Status.BUILT
    assert product.row(second.message_id).version == 2
