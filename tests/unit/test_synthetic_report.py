"""Following a synthetic report: it ends when the message got there, cannot get there, or takes too long."""

from collections.abc import Iterator

import pytest

from infra.operations.synthetic_report import NotReachedError, follow


def seen(*statuses: str | None) -> Iterator[str | None]:
    yield from statuses
    while True:
        yield statuses[-1]


def followed(*statuses: str | None, reach: str, patience_seconds: float = 60) -> tuple[str, list[str]]:
    said: list[str] = []
    read = seen(*statuses)
    reached = follow(
        lambda: next(read), reach=reach, patience_seconds=patience_seconds, say=said.append, rest=lambda: None
    )
    return reached, said


def test_each_new_status_is_said_once_until_the_wanted_one() -> None:
    assert followed(None, "BUILT", "BUILT", "SENT", "DELIVERED", reach="DELIVERED") == (
        "DELIVERED",
        ["BUILT", "SENT", "DELIVERED"],
    )


def test_a_status_further_on_is_good_enough() -> None:
    assert followed(None, "ACKNOWLEDGED", reach="BUILT")[0] == "ACKNOWLEDGED"


def test_an_uncertain_upload_is_waited_for() -> None:
    assert followed("UNCERTAIN", "SENT", reach="SENT")[0] == "SENT"


def test_a_request_that_is_held_is_followed_through_its_release() -> None:
    assert followed("HELD", "RELEASING", "RELEASED", "BUILT", "SENT", reach="SENT")[0] == "SENT"


@pytest.mark.parametrize("status", ["INVALID", "REFUSED", "UNDELIVERED", "REJECTED", "OVERDUE", "NOT_REQUIRED"])
def test_a_message_that_cannot_get_there_any_more_ends_the_wait(status: str) -> None:
    with pytest.raises(NotReachedError, match=status):
        followed("BUILT", status, reach="DELIVERED")


@pytest.mark.parametrize(("last", "words"), [("SENT", "still SENT"), (None, "not in the ledger")])
def test_patience_ends(last: str | None, words: str) -> None:
    with pytest.raises(NotReachedError, match=words):
        followed(last, reach="DELIVERED", patience_seconds=-1)
