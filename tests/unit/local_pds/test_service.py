"""The local PDS limits the rate like the real one, and its people are in the test range."""

import json

import pytest

from gpconnect_messaging.identifiers import NumberRange, is_nhs_number, number_range
from gpconnect_messaging.pds.answers import Found
from gpconnect_messaging.pds.errors import RetryLater
from infra.local.pds import people
from infra.local.pds.service import Asked
from tests.fakes.pds import World


@pytest.fixture
def limited() -> World:
    return World(per_second=5)


def test_a_sixth_request_in_a_moment_is_one_too_many(limited: World) -> None:
    assert all(isinstance(limited.lookup(), Found) for _ in range(5))
    with pytest.raises(RetryLater) as raised:
        limited.lookup()
    assert raised.value.retry_after == 1


def test_everybody_is_of_the_test_range_and_has_a_right_number() -> None:
    for nhs_number in people.read():
        assert is_nhs_number(nhs_number)
        assert number_range(nhs_number) is NumberRange.TEST


def test_it_tells_what_was_asked_but_no_token() -> None:
    world = World()
    world.lookup()
    told = json.loads(world.pds.answer(Asked("GET", "/control/requests", {})).body)
    (request,) = told["requests"]
    assert request["status"] == 200
    assert request["headers"]["nhsd-end-user-organisation-ods"] == "Y90001"
    assert "authorization" not in request["headers"]
