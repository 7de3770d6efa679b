"""What can stop requests without an error, on the console's first page."""

from dataclasses import replace
from datetime import timedelta

from gpconnect_messaging.reconciliation import DropFindings
from infra.operations.console.flow import ASKED_AGAIN, FlowWatch
from tests.identifiers import IDENTIFIERS
from tests.unit.operations.a_place import PlaceInMemory
from tests.unit.operations.console.a_console import Console

TITLE = "Requests may not come through"


def come_through(place: PlaceInMemory) -> None:
    canary_id = place.canaries.start(place.now(), place.canaries.state())
    assert canary_id is not None
    place.canaries.built(canary_id, place.now())
    place.canaries.through(canary_id, place.now())


def a_console() -> Console:
    console = Console()
    console.board.refresh()
    come_through(console.place)
    passes = console.place.drop_passes
    reached = passes.current(console.place.now(), timedelta(hours=1))
    assert passes.record(replace(reached, done=True), DropFindings(), console.place.now())
    console.place.derivation_guard.check(IDENTIFIERS)
    return console


def test_the_first_page_says_nothing_of_the_flow_while_it_is_in_order() -> None:
    console = a_console()
    console.get("/")
    assert TITLE not in console.get("/").text


def test_the_first_page_names_what_is_switched_off_and_a_canary_that_is_missing() -> None:
    console = a_console()
    console.place.switches.states["requests-dropped"] = "DISABLED"
    console.place.clock.advance(timedelta(hours=2))
    page = console.get("/").text
    assert TITLE in page
    assert "rule of dropped requests" in page
    assert "None has come through for 120 minutes" in page


def test_the_first_page_names_a_secret_that_is_not_the_tables_and_a_listing_that_does_not_go_on() -> None:
    console = a_console()
    console.place.secrets.values["identifiers"] = {"secret": "another secret, restored without the table"}
    console.place.clock.advance(timedelta(hours=4))
    page = console.get("/").text
    assert "id secret" in page
    assert "listing of the drop" in page


def test_the_flow_is_asked_about_once_a_minute_however_often_a_page_is_opened() -> None:
    console, asked = a_console(), 0

    def begin(_ask: object) -> None:
        nonlocal asked
        asked += 1

    watch = FlowWatch(console.place, begin)
    for _ in range(3):
        watch.unwell()
    assert asked == 1
    console.place.clock.advance(ASKED_AGAIN)
    watch.unwell()
    assert asked == 2
