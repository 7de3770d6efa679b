"""The synthetic practice answers as the NHS test harness does."""

import pytest

from infra.local.practice.answering import Answering
from infra.local.practice.reading import read
from tests.unit.local_practice.sample_message import sample_message, spoiled


def answers_to(content: bytes) -> list[str]:
    return [answer.code for answer in Answering().decide(read(content))]


@pytest.mark.parametrize(
    ("given_name", "answers"),
    [
        ("Ana", ["20013", "30001"]),
        ("20009", ["20009"]),
        ("10004", ["10004"]),
        ("20013", ["20013"]),
        ("30002", ["20013", "30002"]),
        ("30014", ["20013", "30014"]),
        ("39999", ["20013", "39999"]),
        ("IB001", ["20013", "30001"]),
        ("IB025", ["20013", "30025"]),
        ("IB026", ["20013", "30001"]),
        ("infonly", ["20013"]),
        ("NoResponse", []),
        ("reversed", ["30001", "20013"]),
        ("Ana 30002", ["20013", "30002"]),
        ("123456", ["20013", "30001"]),
    ],
)
def test_a_given_name_picks_the_answer(given_name: str, answers: list[str]) -> None:
    assert answers_to(sample_message(practitioner=given_name)) == answers


def test_a_patients_given_name_picks_the_answer_too() -> None:
    assert answers_to(spoiled('<given value="Garth"/>', '<given value="Garth"/><given value="30003"/>')) == [
        "20013",
        "30003",
    ]


def test_invrep_picks_a_malformed_answer() -> None:
    (answer,) = Answering().decide(read(sample_message(practitioner="invrep")))

    assert answer.malformed


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('code value="ITK007C"', 'code value="ITK006D"', "20006"),
        ('value value="9658218865"', 'value value="9658218866"', "20009"),
        ("</Bundle>\n", "", "10009"),
    ],
)
def test_an_invalid_message_is_refused_with_the_reasons(old: str, new: str, code: str) -> None:
    (answer,) = Answering().decide(read(spoiled(old, new)))

    assert answer.code == code
    assert answer.diagnostics


def test_an_invalid_message_is_refused_whatever_a_given_name_asks_for() -> None:
    content = sample_message(practitioner="30001").replace(b'value="9658218865"', b'value="9658218866"')

    assert answers_to(content) == ["20009"]


def test_a_repeated_message_is_told_as_a_duplicate_and_nothing_follows() -> None:
    answering, reading = Answering(), read(sample_message())
    answering.decide(reading)

    assert [answer.code for answer in answering.decide(reading)] == ["20007"]


def test_a_repeated_document_under_a_new_message_id_is_told_as_a_duplicate() -> None:
    answering = Answering()
    answering.decide(read(sample_message()))

    again = answering.decide(read(sample_message(message_id="3f1c2f50-6f0a-4f57-9d0c-2b8d3a1f1111")))

    assert [answer.code for answer in again] == ["20008"]


@pytest.mark.parametrize(("key", "left"), [("BusAckRequested", ["20013"]), ("InfAckRequested", ["30001"])])
def test_only_requested_answers_are_given(key: str, left: list[str]) -> None:
    whole = f'<extension url="{key}"><valueBoolean value="true"/>'

    assert answers_to(spoiled(whole, whole.replace("true", "false"))) == left
