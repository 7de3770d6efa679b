"""What is kept of the people who act: an id, and a reason; never what could be a patient's."""

import pytest

from gpconnect_messaging.operators import LONGEST_REASON, ActorError, ReasonError, checked_actor, checked_reason


@pytest.mark.parametrize(
    "actor", ["operator-7", "arn:aws:sts::111122223333:assumed-role/ops/a.nurse", "me@example.nhs"]
)
def test_an_id_of_one_word_names_an_operator(actor: str) -> None:
    assert checked_actor(actor) == actor


@pytest.mark.parametrize("actor", ["", "Garth Wright", "9658218865", "about-9658218865", "x" * 129])
def test_anything_else_does_not(actor: str) -> None:
    with pytest.raises(ActorError) as error:
        checked_actor(actor)
    assert not actor or actor not in str(error.value)


def test_a_reason_is_kept_in_single_spaces() -> None:
    assert checked_reason("  the mailbox\n was  mended, INC0012345 ") == "the mailbox was mended, INC0012345"
    assert checked_reason("x" * LONGEST_REASON)


@pytest.mark.parametrize("reason", ["", " \n", "x" * (LONGEST_REASON + 1)])
def test_a_reason_says_something_and_is_short(reason: str) -> None:
    with pytest.raises(ReasonError, match="Say why"):
        checked_reason(reason)


@pytest.mark.parametrize(
    "number",
    [
        "9658218865",
        "965 821 8865",
        "965-821-8865",
        "965 - 821 - 8865",
        "965, 8218865",
        "(9658218865)",
        "no.965.821.8865;",
    ],
)
def test_a_reason_names_no_patient_by_number(number: str) -> None:
    with pytest.raises(ReasonError, match="Leave the NHS number out") as error:
        checked_reason(f"asked for {number}")
    assert "965" not in str(error.value)


@pytest.mark.parametrize("number", ["9658218866", "96582188650", "2026-11-22 14:05", "complaint 17 of 2026"])
def test_a_number_that_is_none_is_no_matter(number: str) -> None:
    assert checked_reason(number) == number
