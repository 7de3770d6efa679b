"""What `gpcm doctor` and the console say of what can stop requests without an error."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gpcm import unannounced
from gpcm.doctor import Finding, drop_examined, flow_examined, pds_accepts
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.ledger.drop_passes import Listing
from gpconnect_messaging.ledger.received_objects import KNOWN_FOR, Receiver
from gpconnect_messaging.ledger.reconciliation import DropFindings
from tests.fakes.faults import aws_error, fail
from tests.fakes.pds import World
from tests.identifiers import IDENTIFIERS
from tests.unit.ledger.events import BUILT
from tests.unit.operations.an_environment import PlaceInMemory

DEAD = "https://queues/intake-dead"
HOUR = timedelta(hours=1)


@pytest.fixture
def environment() -> PlaceInMemory:
    environment = PlaceInMemory()
    canary(environment)
    listed(environment)
    environment.derivation_guard.check(IDENTIFIERS)
    return environment


def listed(environment: PlaceInMemory) -> None:
    """Have the drop listed, until an hour ago."""
    until = environment.now() - HOUR
    for listing in Listing:
        reached = environment.drop_passes.current(until, HOUR, listing)
        assert reached is not None
        assert environment.drop_passes.record(replace(reached, done=True), DropFindings(), environment.now())


def dropped(environment: PlaceInMemory, key: str, *, received: bool = False) -> None:
    version = environment.bucket.put_object(Key=key, Body=b"x")["VersionId"]
    if received and is_request(key):
        request_id = str(environment.identifiers.dropped_request_id("drop", key, version))
        environment.have(request_id, BUILT, request_id=request_id)
    elif received:
        [file] = [file for file in environment.drop_bucket.versions(key) if file.version == version]
        environment.received_objects.mark(file, Receiver("a request"))


def canary(environment: PlaceInMemory) -> None:
    """Have a canary come through."""
    canary_id = environment.canaries.start(environment.now(), environment.canaries.state())
    assert canary_id is not None
    assert environment.canaries.built(canary_id, environment.now())
    assert environment.canaries.through(canary_id, environment.now())


def found(environment: PlaceInMemory) -> dict[str, Finding]:
    return {finding.what: finding for finding in flow_examined(environment)}


def test_a_place_where_all_is_in_order_has_nothing_to_say(environment: PlaceInMemory) -> None:
    assert [finding for finding in found(environment).values() if not finding.well] == []


@pytest.mark.parametrize(
    ("part", "state", "what"),
    [
        ("requests-dropped", "DISABLED", "rule of dropped requests"),
        ("sender-mapping", "Disabled", "event source mappings"),
        ("intake-key", "PendingDeletion", "keys"),
    ],
)
def test_what_is_switched_off_is_named(environment: PlaceInMemory, part: str, state: str, what: str) -> None:
    environment.switches.states[part] = state
    wrong = [finding for finding in found(environment).values() if not finding.well]
    assert [finding.what for finding in wrong] == [what]
    assert part in wrong[0].words
    assert "enable the" in wrong[0].words


def test_a_canary_that_does_not_come_through_is_named_with_how_long(environment: PlaceInMemory) -> None:
    environment.clock.advance(timedelta(minutes=44))
    assert found(environment)["canary"].well
    environment.clock.advance(timedelta(minutes=2))
    finding = found(environment)["canary"]
    assert not finding.well
    assert "46 minutes" in finding.words


def test_a_place_that_never_started_a_canary_is_not_in_order() -> None:
    finding = found(PlaceInMemory())["canary"]
    assert not finding.well
    assert "ever started" in finding.words


def test_dead_letters_are_told_with_the_age_of_the_oldest_and_how_many_are_new(environment: PlaceInMemory) -> None:
    for hours in (30.1, 0.5, 0.2):
        environment.sqs.put(DEAD, at=environment.now() - timedelta(hours=hours), receives=5)
    finding = found(environment)["queues"]
    assert not finding.well
    assert "3 in intake dead letters (the oldest 30 h old, 2 of the last hour)" in finding.words


# The drop


def test_a_request_that_was_not_taken_in_and_documents_without_one_are_told_by_their_number_and_age(
    environment: PlaceInMemory,
) -> None:
    dropped(environment, "SMITH/request.json")
    dropped(environment, "SMITH/report.pdf", received=True)
    dropped(environment, "JONES/report.pdf")
    environment.clock.advance(2 * HOUR)
    dropped(environment, "BROWN/report.pdf")
    finding = drop_examined(environment)
    assert not finding.well
    assert "1 requests not received (the oldest 2 h old), 1 documents that no request names" in finding.words
    assert "Ask the sending system" in finding.words
    assert not any(name in finding.words for name in ("SMITH", "JONES", "BROWN"))


def test_a_drop_of_which_all_was_received_is_in_order(environment: PlaceInMemory) -> None:
    dropped(environment, "SMITH/request.json", received=True)
    environment.clock.advance(2 * HOUR)
    assert drop_examined(environment).well


def test_the_object_with_which_guardduty_tries_its_permissions_is_no_document(environment: PlaceInMemory) -> None:
    dropped(environment, "malware-protection-resource-validation-object")
    environment.clock.advance(2 * HOUR)
    assert drop_examined(environment).well


def test_a_file_so_old_that_its_receiver_is_no_longer_recorded_is_not_looked_at(environment: PlaceInMemory) -> None:
    dropped(environment, "SMITH/report.pdf")
    environment.clock.advance(KNOWN_FOR - HOUR)
    assert not drop_examined(environment).well
    environment.clock.advance(2 * HOUR)
    assert drop_examined(environment).well


def test_what_was_replaced_or_removed_is_not_looked_at(environment: PlaceInMemory) -> None:
    dropped(environment, "SMITH/report.pdf")
    environment.bucket.delete_object(Key="SMITH/report.pdf")
    environment.clock.advance(2 * HOUR)
    assert drop_examined(environment).well


def test_whoever_may_not_read_the_id_secret_is_told_that_the_drop_was_not_compared(environment: PlaceInMemory) -> None:
    fail(environment.secrets, "get_secret_value", aws_error("GetSecretValue", "AccessDeniedException"))
    finding = drop_examined(environment)
    assert (finding.well, "not compared" in finding.words) == (True, True)


def test_what_was_dropped_just_now_may_be_on_its_way(environment: PlaceInMemory) -> None:
    dropped(environment, "SMITH/request.json")
    assert drop_examined(environment).well


def test_of_very_many_files_the_doctor_says_how_many_it_looked_at(
    environment: PlaceInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unannounced, "MOST_LOOKED_AT", 2)
    for name in "abc":
        dropped(environment, f"{name}/request.json", received=name != "c")
    environment.clock.advance(2 * HOUR)
    assert "of the first 2" in drop_examined(environment).words


def test_a_listing_that_does_not_go_on_or_never_began_is_named(environment: PlaceInMemory) -> None:
    environment.clock.advance(1.5 * HOUR)
    assert found(environment)["listing of the drop"].well
    environment.clock.advance(2 * HOUR)
    finding = found(environment)["listing of the drop"]
    assert not finding.well
    assert "4 hours behind" in finding.words
    assert not found(PlaceInMemory())["listing of the drop"].well


@pytest.mark.parametrize(("days", "well"), [(1.9, True), (2.1, False)])
def test_a_daily_listing_that_does_not_go_on_is_named(environment: PlaceInMemory, days: float, well: bool) -> None:
    environment.clock.advance(timedelta(days=days))
    until = environment.now() - HOUR
    hourly = environment.drop_passes.current(until, HOUR)
    assert hourly is not None
    assert environment.drop_passes.record(replace(hourly, done=True), DropFindings(), environment.now())
    finding = found(environment)["listing of the drop"]
    assert finding.well is well
    assert ("replaced and removed ones were not listed since" in finding.words) is not well


def test_a_daily_listing_that_never_began_is_named() -> None:
    environment = PlaceInMemory()
    hourly = environment.drop_passes.current(environment.now() - HOUR, HOUR)
    assert hourly is not None
    assert environment.drop_passes.record(replace(hourly, done=True), DropFindings(), environment.now())
    assert not found(environment)["listing of the drop"].well


# The secret that ids are derived with


def test_a_secret_that_is_not_the_tables_is_named_with_what_to_do(environment: PlaceInMemory) -> None:
    assert found(environment)["id secret"].well
    environment.secrets.values["identifiers"] = {"secret": "another secret, restored without the table"}
    finding = found(environment)["id secret"]
    assert not finding.well
    assert "Restore the secret that belongs to the table, and change nothing in the table" in finding.words
    assert "another secret" not in finding.words


def test_a_secret_that_is_gone_is_named(environment: PlaceInMemory) -> None:
    environment.secrets.values["identifiers"] = {}
    finding = found(environment)["id secret"]
    assert (finding.well, "Restore the secret" in finding.words) == (False, True)


def test_the_doctor_writes_no_fingerprint(environment: PlaceInMemory) -> None:
    fresh = PlaceInMemory()
    assert found(fresh)["id secret"].well
    assert fresh.derivation_guard.fingerprint() is None


def test_whoever_may_not_read_the_secret_is_told_that_it_was_not_compared(environment: PlaceInMemory) -> None:
    fail(environment.secrets, "get_secret_value", aws_error("GetSecretValue", "AccessDeniedException"))
    finding = found(environment)["id secret"]
    assert (finding.well, "not compared" in finding.words) == (True, True)


def test_pds_is_asked_for_a_token_and_for_no_patient() -> None:
    world = World()
    assert pds_accepts(world.client) == (True, "accepts the application's credentials")
    assert [request.url.path for request in world.seen] == ["/oauth2/token"]
    assert world.budget.reserved == 0


def test_credentials_that_pds_refuses_are_not_in_order_and_the_words_say_what_to_correct() -> None:
    world = World()
    world.register(["two"])
    well, words = pds_accepts(world.client)
    assert not well
    assert "no public key is registered for the application under the secret's key_id" in words


def test_a_secret_of_pds_without_a_key_is_not_in_order() -> None:
    world = World()
    world.secrets.values["pds"] = {"application_key": "only"}
    well, words = pds_accepts(world.client)
    assert not well
    assert "private_key" in words
