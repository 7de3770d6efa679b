"""How the client asks: with a token, within its time and its share, again where that helps, and never in vain."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from gpconnect_messaging.pds.answers import Found, NotFound
from gpconnect_messaging.pds.client import LONGEST_LOOKUP
from gpconnect_messaging.pds.errors import Authentication, Refused, RetryLater, Unavailable
from infra.local.pds.service import Answered
from tests.fakes.pds import CORRELATION, World


@pytest.fixture
def world() -> World:
    return World()


def asked(world: World) -> list[httpx.Request]:
    return [request for request in world.seen if "/Patient/" in request.url.path]


def request_ids(world: World) -> set[str]:
    return {request.headers["X-Request-ID"] for request in asked(world)}


def test_a_request_says_for_whom_and_ties_its_audit_to_ours(world: World) -> None:
    world.lookup()
    world.lookup()
    first, second = asked(world)
    assert first.headers["NHSD-End-User-Organisation-ODS"] == "Y90001"
    assert first.headers["X-Correlation-ID"] == second.headers["X-Correlation-ID"] == str(CORRELATION)
    assert uuid.UUID(first.headers["X-Request-ID"]) != uuid.UUID(second.headers["X-Request-ID"])
    assert first.headers["Accept"] == "application/fhir+json"


def test_one_token_serves_many_lookups_until_shortly_before_it_ends(world: World) -> None:
    for _ in range(5):
        world.lookup()
    assert world.pds.desk.given == 1
    world.clock.advance(timedelta(seconds=560))
    world.lookup()
    assert world.pds.desk.given == 1
    world.clock.advance(timedelta(seconds=15))
    world.lookup()
    assert world.pds.desk.given == 2, "it would have ended on its way"


def test_a_withdrawn_token_is_replaced_once(world: World) -> None:
    world.lookup()
    world.pds.desk.withdraw_all()
    assert isinstance(world.lookup(), Found)
    assert world.pds.desk.given == 2
    assert len(asked(world)) == 3
    assert len(request_ids(world)) == 2, "the second lookup's two tries are one request"


def test_a_token_that_is_refused_twice_is_an_authentication_error(world: World) -> None:
    world.pds.desk.lifetime_seconds = 0
    world.pds.desk.token = lambda form: {"access_token": "of-no-use", "expires_in": "599"}  # type: ignore[method-assign]
    with pytest.raises(Authentication, match="answered 401 with ACCESS_DENIED"):
        world.lookup()
    assert len(asked(world)) == 2


@pytest.mark.parametrize("mode", ["busy", "timeout", "down", "nonsense"])
def test_what_passes_is_tried_again_as_the_same_request(world: World, mode: str) -> None:
    world.meet(mode, 2)
    assert isinstance(world.lookup(), Found)
    assert len(asked(world)) == 3
    assert len(request_ids(world)) == 1
    world.lookup()
    assert len(request_ids(world)) == 2, "a new lookup is a new request"
    assert all(wait > 0 for wait in world.time.slept if wait), "with a pause, and jitter"


@pytest.mark.parametrize(("mode", "error"), [("busy", RetryLater), ("timeout", Unavailable), ("down", Unavailable)])
def test_what_does_not_pass_is_left_to_the_caller_in_bounded_time(
    world: World, mode: str, error: type[Exception]
) -> None:
    world.meet(mode, 99)
    with pytest.raises(error):
        world.lookup()
    assert len(asked(world)) == 3
    assert world.time.seconds < LONGEST_LOOKUP


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_no_answer_at_all_is_tried_again_and_then_unavailable(
    world: World, failure: type[httpx.TransportError]
) -> None:
    world.lookup()
    world.break_off = [failure]
    assert isinstance(world.lookup(), Found)
    world.break_off = [failure] * 3
    with pytest.raises(Unavailable, match=failure.__name__):
        world.lookup()


def test_a_token_endpoint_that_is_away_is_tried_again_too(world: World) -> None:
    world.break_off = [httpx.ConnectError, httpx.ConnectError]
    assert isinstance(world.lookup(), Found)


def test_retry_after_is_waited_for_by_everybody(world: World) -> None:
    world.meet("busy", retry_after=2)
    assert isinstance(world.lookup(), Found)
    assert world.budget.pauses == [2]
    assert max(world.time.slept) >= 2


def test_a_retry_after_beyond_our_time_is_the_callers_and_no_pause_lasts_for_ever(world: World) -> None:
    world.meet("busy", retry_after=3600)
    with pytest.raises(RetryLater) as raised:
        world.lookup()
    assert raised.value.retry_after == 3600
    assert world.budget.pauses == [60]
    assert len(asked(world)) == 1


def test_every_attempt_takes_its_share_of_the_budget(world: World) -> None:
    world.meet("down", 1)
    world.lookup()
    assert world.budget.reserved == 2


def test_a_used_up_budget_is_busy_and_asks_nobody(world: World) -> None:
    def used_up(longest: float) -> float:
        raise RetryLater("lookup", "used up", retry_after=longest)

    world.budget.reserve = used_up  # type: ignore[method-assign]
    with pytest.raises(RetryLater):
        world.lookup()
    assert asked(world) == []


def test_a_turn_in_the_budget_leaves_time_for_its_answer(world: World) -> None:
    world.budget.reserve = lambda longest: longest  # type: ignore[method-assign]
    assert isinstance(world.lookup(), Found)
    assert asked(world)[0].extensions["timeout"]["read"] >= 1, "or the turn would be for nothing"


class Dripping(httpx.SyncByteStream):
    """A body of which a byte comes every four seconds: never late enough for httpx, and never done."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.world.time.sleep(4)
            yield b" "


@pytest.mark.parametrize("body", ["dripping", "endless"])
def test_an_answer_without_an_end_is_left_in_bounded_time(world: World, body: str) -> None:
    stream = Dripping(world) if body == "dripping" else b" " * 10_000_000
    answers = httpx.MockTransport(lambda _: httpx.Response(200, content=stream))
    world.lookup()
    world.client._http = httpx.Client(transport=answers)
    with pytest.raises(Unavailable, match="it had no end"):
        world.lookup()
    assert world.time.seconds < LONGEST_LOOKUP + 5


def test_a_token_endpoint_that_stalls_is_waited_for_no_longer_than_the_lookup_has(world: World) -> None:
    world.time.seconds = 100.0
    started = iter([100.0, 107.0])
    world.client._clock = lambda: next(started, 107.0)
    world.lookup()
    assert world.seen[0].url.path == "/oauth2/token"
    assert world.seen[0].extensions["timeout"]["read"] == 1.0


def test_an_error_about_the_request_itself_is_not_tried_again(world: World) -> None:
    world.lookup()
    world.meet("refused", 9)
    with pytest.raises(Refused, match="answered 400 with MISSING_VALUE"):
        world.lookup()
    assert len(asked(world)) == 2


def test_an_application_that_may_not_use_pds_is_an_authentication_error_and_not_tried_again(world: World) -> None:
    world.lookup()
    world.pds.answer = lambda asked: Answered(403, {}, b'{"issue": [{"details": {"coding": [{"code": "FORBIDDEN"}]}}]}')  # type: ignore[method-assign]
    with pytest.raises(Authentication, match="answered 403 with FORBIDDEN"):
        world.lookup()
    assert len(asked(world)) == 2


def test_a_path_cannot_be_left(world: World) -> None:
    assert isinstance(world.lookup("../../oauth2/token"), NotFound)
    assert asked(world)[0].url.raw_path.endswith(b"/Patient/..%2F..%2Foauth2%2Ftoken")
