"""People's names, their days of birth and what was written of them reach the message as they were given.

Into MESH headers they go folded to printable ASCII, as `routing.header_text` says.
"""

from dataclasses import replace

import pytest
from lxml import etree

from gpconnect_messaging.conformance import broken_requirements
from gpconnect_messaging.documents.wording import patient_name
from gpconnect_messaging.itk3.compose import compose, envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.requests.models import parse_request
from gpconnect_messaging.routing.automatic import SurnameNotCarriedError
from gpconnect_messaging.specification import Version
from tests.examples import REQUESTS, a_message, messages_of, request_data, written
from tests.xpath import value, values

REPORT = "consultation-report-2.0"
ONLINE = "online-consultation-1.5"
NAMES = {
    "apostrophe": ("O'Brien", "O'Brien"),
    "typographic apostrophe": ("O’Brien", "O'Brien"),
    "hyphen": ("Smith-Jones", "Smith-Jones"),
    "accents": ("Müller-Ålesund Šárka", "Muller-Alesund Sarka"),
    "accents as marks of their own": ("Zoe\u0308", "Zoe"),
    "Welsh": ("Llŷr ap Gwyneddŵr", "Llyr ap Gwyneddwr"),
    "Polish": ("Łukasiewicz", "Lukasiewicz"),
    "Vietnamese": ("Nguyễn", "Nguyen"),
    "69 characters": ("Ŵ" * 69, "W" * 69),
}
SIGNS = {
    "ampersand": "Marks & Spencer",
    "angle brackets": "<b>Smith</b>",
    "entity": "&lt;Smith&amp;",
    "quotes": "O\"Brien'",
}
NOT_CARRIED = SIGNS | {
    "Greek": "Παπαδόπουλος", "Arabic": "عبد الله", "Chinese, beyond the first plane": "𠮷田", "70 characters": "Ŵ" * 70,
}  # fmt: skip
"""Surnames that no address can carry whole."""
NOTES = (
    "כאב ראש מאתמול (38.5°C)",
    "الم في الصدر \u200fRTL\u200f ثم تحسن",
    "👩‍👩‍👧‍👦 feels 🙂🇬🇧 better",
    "a < b && c > d; \"quoted\" 'twice' ]]> <script>",
    "first line\nsecond line\r\n\tindented",
)


def broken(message: Message) -> list[str]:
    found = broken_requirements(compose(message, [1000]), envelope(message), message.specification.version)
    return [element.id for element in found if element.is_broken_must]


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize(("name", "folded"), NAMES.values(), ids=NAMES)
def test_a_name_stands_in_the_message_as_it_was_given_and_in_the_headers_folded(
    version: Version, name: str, folded: str
) -> None:
    given = {"family": name, "given": [name], "prefix": "Dr"}
    message = a_message(version, patient__name=given, organisation__name=name)
    root = etree.fromstring(written(message, f"consultation-report-{version}"))
    assert value(root, "//f:Patient/f:name/f:family/@value") == name
    assert value(root, "//f:Patient/f:name/f:given/@value") == name
    assert name in values(root, "//f:Organization/f:name/@value")
    address = envelope(message)
    assert address.to.isascii()
    assert address.to.split("_", 3)[3] == folded
    assert address.subject.isascii()
    assert folded[:60] in address.subject
    assert len(address.subject) <= 500
    assert broken(message) == []


@pytest.mark.parametrize("name", SIGNS.values(), ids=SIGNS)
def test_signs_in_a_forename_and_in_an_organisations_name_stand_as_they_were_given(name: str) -> None:
    message = a_message(patient__name={"family": "WRIGHT", "given": [name]}, organisation__name=name)
    root = etree.fromstring(written(message, REPORT))
    assert value(root, "//f:Patient/f:name/f:given/@value") == name
    assert name in values(root, "//f:Organization/f:name/@value")
    assert name in envelope(message).subject
    assert broken(message) == []


@pytest.mark.parametrize("name", NOT_CARRIED.values(), ids=NOT_CARRIED)
def test_a_surname_that_no_address_can_carry_stands_in_the_message_and_makes_no_address(name: str) -> None:
    message = a_message(patient__name={"family": name, "given": [name]})
    root = etree.fromstring(written(message, REPORT))
    assert value(root, "//f:Patient/f:name/f:family/@value") == name
    with pytest.raises(SurnameNotCarriedError):
        envelope(message)


@pytest.mark.parametrize("born", ["1880-01-01", "1896-02-29", "1899-12-31", "1900-03-01", "2000-02-29", "2024-02-29"])
def test_a_day_of_birth_stands_in_the_message_and_the_address_whatever_its_year(born: str) -> None:
    message = a_message(patient__birth_date=born)
    assert value(etree.fromstring(written(message, REPORT)), "//f:Patient/f:birthDate/@value") == born
    assert envelope(message).to.split("_")[2] == born.replace("-", "")
    assert broken(message) == []


@pytest.mark.parametrize("note", NOTES)
def test_what_was_written_survives_in_observations_answers_and_titles(note: str) -> None:
    observation = request_data(ONLINE)["observations"][0] | {"value": {"text": note}}
    questions = [{"link_id": "1", "text": note, "answers": [{"text": note}]}]
    documents = [document | {"title": note.split("\n")[0]} for document in request_data(ONLINE)["documents"]]
    (message,) = messages_of(
        ONLINE, observations=[observation], questionnaire={"questions": questions}, documents=documents
    )
    root = etree.fromstring(written(message, ONLINE))
    assert value(root, "//f:Observation/f:valueString/@value") == note
    assert value(root, "//f:QuestionnaireResponse/f:item/f:text/@value") == note
    assert value(root, "//f:QuestionnaireResponse/f:item/f:answer/f:valueString/@value") == note
    assert documents[0]["title"] in values(root, "//f:Composition/f:section/f:title/@value")
    assert broken(message) == []


def test_a_person_with_one_name_has_it_as_the_family_name_and_no_other() -> None:
    message = a_message(patient__name={"family": "Suharto", "given": [], "prefix": "Mr"})
    root = etree.fromstring(written(message, REPORT))
    assert values(root, "//f:Patient/f:name/*/@value") == ["official", "Suharto", "Mr"]
    address = envelope(message)
    assert address.to.endswith("_Suharto")
    assert "for Mr Suharto, NHS Number" in address.subject
    assert patient_name(message.request.patient.name) == "SUHARTO (Mr)"
    assert broken(message) == []


@pytest.mark.parametrize("literal", ["7.00", "1234567890.12345678", "-0.50", "100", "0.00000001"])
def test_a_measured_value_is_sent_with_the_digits_that_were_written(literal: str) -> None:
    raw = (REQUESTS / ONLINE / "request.json").read_text(encoding="utf-8").replace("71.50", literal)
    message = replace(messages_of(ONLINE)[0], request=parse_request(raw.encode()))
    root = etree.fromstring(written(message, ONLINE))
    assert value(root, "(//f:valueQuantity)[1]/f:value/@value") == literal
