"""A request that states an impossible time is refused, and the encounter goes on as before."""

from datetime import datetime, timedelta

import pytest

from gpconnect_messaging.ledger.stored_names import EventType, Status
from tests.fakes.product import WINDOW, Product

TOO_EARLY = "lies before 1990: leave it out where it is not known"
EMPTY = ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0976-05-04T03:02:01Z", "1899-12-30T00:00:00Z",
         "1989-12-31T23:59:59Z"]  # fmt: skip
"""What software writes of a time that it does not know: the first of year 1 is .NET's, that of 1899 a spreadsheet's."""


def reasons(product: Product, row_id: str) -> list[str]:
    (refused,) = product.row(row_id).history.of(EventType.REQUEST_REFUSED)
    return list(refused.details["reasons"])


@pytest.mark.parametrize("window", [0, int(WINDOW.total_seconds())])
@pytest.mark.parametrize("empty", EMPTY)
def test_an_empty_time_of_change_is_refused_and_the_next_request_of_the_encounter_is_taken(
    empty: str, window: int
) -> None:
    product = Product(hold_window_seconds=window)
    refused = product.asks(consultation__updated=empty)
    assert refused.status is Status.INVALID
    of_updated = [
        reason for reason in reasons(product, refused.message_id) if reason.startswith("consultation.updated: ")
    ]
    assert any(reason.endswith(TOO_EARLY) for reason in of_updated) is (empty > "1880"), (
        "earlier years are no time at all"
    )
    assert of_updated
    taken = product.asks()
    assert taken.status is (Status.HELD if window else Status.BUILT)
    assert product.withdraws().status is Status.WITHDRAWN
    assert product.status(taken) is Status.WITHDRAWN


@pytest.mark.parametrize("empty", EMPTY)
def test_an_empty_time_of_deletion_is_refused_and_stops_nothing(empty: str) -> None:
    product = Product(hold_window_seconds=0)
    refused = product.withdraws(deleted=empty)
    assert refused.status is Status.INVALID
    (reason,) = reasons(product, refused.message_id)
    assert reason.startswith("deleted: ")
    assert reason.endswith(TOO_EARLY) is (empty > "1880")
    assert product.asks().status is Status.BUILT


@pytest.mark.parametrize("came", EMPTY)
def test_a_request_that_is_said_to_have_come_at_an_impossible_time_came_now(came: str) -> None:
    product = Product(hold_window_seconds=0)
    (built,) = product.row(product.asks(arrived=datetime.fromisoformat(came)).message_id).history.of(EventType.BUILT)
    assert product.clock() - datetime.fromisoformat(built.details["arrived"]) < timedelta(seconds=1)


def test_a_request_that_was_kept_with_an_impossible_time_comes_now() -> None:
    """Earlier releases kept the stated time, and failed at every receive."""
    product = Product(hold_window_seconds=0)
    raw, _ = product.prepares()
    request_id = str(product.builder.identifiers.queued_request_id(raw))
    product.evidence.keep_request(request_id, raw, datetime.fromisoformat("0001-01-01T00:00:00+23:59"))
    assert product.asks_again().status is Status.BUILT
