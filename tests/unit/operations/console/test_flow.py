"""What can stop requests without an error, on the console's first page."""

from dataclasses import replace
from datetime import timedelta

from gpcm.console.flow import ASKED_AGAIN, FlowWatch
from gpconnect_messaging.ledger.drop_passes import Listing
from gpconnect_messaging.ledger.reconciliation import DropFindings
from tests.identifiers import IDENTIFIERS
from tests.unit.operations.an_environment import PlaceInMemory
from tests.unit.operations.console.a_console import Console

TITLE = "Requests may be blocked"


def come_through(environment: PlaceInMemory) -> None:
    canary_id = environment.canaries.start(environment.now(), environment.canaries.state())
    assert canary_id is not None
    environment.canaries.built(canary_id, environment.now())
    environment.canaries.through(canary_id, environment.now())


def a_console() -> Console:
    console = Console()
    console.cache.refresh()
    come_through(console.environment)
    passes = console.environment.drop_passes
    for listing in Listing:
        reached = passes.current(console.environment.now(), timedelta(hours=1), listing)
        assert reached is not None
        assert passes.record(replace(reached, done=True), DropFindings(), console.environment.now())
    console.environment.derivation_guard.check(IDENTIFIERS)
    return console


def test_the_first_page_says_nothing_of_the_flow_while_it_is_in_order() -> None:
    console = a_console()
    console.get("/")
    assert TITLE not in console.get("/").text


def test_the_first_page_names_what_is_switched_off_and_a_canary_that_is_missing() -> None:
    console = a_console()
    console.environment.switches.states["requests-dropped"] = "DISABLED"
    console.environment.clock.advance(timedelta(hours=2))
    page = console.get("/").text
    assert TITLE in page
    assert "rule of dropped requests" in page
    assert "No canary has come through for 120 minutes" in page


def test_the_first_page_names_a_secret_that_is_not_the_tables_and_a_listing_that_does_not_go_on() -> None:
    console = a_console()
    console.environment.secrets.values["identifiers"] = {"secret": "another secret, restored without the table"}
    console.environment.clock.advance(timedelta(hours=4))
    page = console.get("/").text
    assert "id secret" in page
    assert "listing of the drop" in page


def test_the_flow_is_asked_about_once_a_minute_however_often_a_page_is_opened() -> None:
    console, asked = a_console(), 0

    def begin(_ask: object) -> None:
        nonlocal asked
        asked += 1

    watch = FlowWatch(console.environment, begin)
    for _ in range(3):
        watch.unwell()
    assert asked == 1
    console.environment.clock.advance(ASKED_AGAIN)
    watch.unwell()
    assert asked == 2
