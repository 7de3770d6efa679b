# ruff: noqa: E501 - one line for each mistake
"""Each common mistake is answered with the field, the rule in words and what to do; nothing of the sender's is repeated."""

import codecs
import json
import time
from typing import Any

import pytest

from gpconnect_messaging.requests.models import parse
from gpconnect_messaging.requests.refusal import RequestRefusedError
from tests.examples import request_data

REQUEST = json.dumps(request_data("rendered-report"), indent=1)


def reasons(raw: bytes) -> list[str]:
    with pytest.raises(RequestRefusedError) as refused:
        parse(raw)
    return [str(reason) for reason in refused.value.reasons]


def with_change(name: str = "consultation-report-2.0", **changes: Any) -> bytes:
    return json.dumps(request_data(name, **changes)).encode()


def renamed(path: str, name: str) -> bytes:
    *parents, last = path.split("__")
    data = request_data()
    place = data
    for step in parents:
        place = place[step]
    place[name] = place.pop(last)
    return json.dumps(data).encode()


def unknown(parent: str, meant: str) -> str:
    number = len(request_data() if parent == "request" else request_data()[parent])
    return f"{parent}: has a field that is not part of a request, number {number} in it: is `{meant}` meant?"


def without_kind() -> bytes:
    return json.dumps({name: value for name, value in request_data("withdrawal").items() if name != "kind"}).encode()


PDF = {"key": "letter.pdf", "content_type": "application/pdf", "title": "Letter"}

MISTAKES = {
    "UTF-16": (REQUEST.encode("utf-16"), "request: is written in UTF-16: save it as UTF-8"),
    "Windows-1252": (REQUEST.replace("{", '{"é": 1,', 1).encode("cp1252"), "this is not UTF-8: save the file as UTF-8"),
    "an empty file": (b"", "request: is empty: give one JSON object"),
    "a comment": (REQUEST.replace("{", "{ // ours", 1).encode(), "request: line 1, column 3: a comment stands here, which JSON does not have"),
    "a trailing comma": (REQUEST.rstrip("}\n ").encode() + b",\n}", "a comma stands before a closing bracket, with nothing between: remove it"),
    "a file cut short": (REQUEST[:-9].encode(), "is cut short"),
    "a name twice": (REQUEST.replace('"mailbox"', '"mailbox": "Y9", "mailbox"', 1).encode(), "a name stands twice in one object"),
    "a list": (b"[]", "request: is not a JSON object: write its fields in curly brackets"),
    "too large": (b" " * 1_048_577, "request: is larger than 1.05 MB (1,048,576 bytes): leave out content that is not needed"),
    "too deep": (b'{"a":' + b"[" * 64, "request: has more than 64 levels of objects and lists within each other"),
    "camelCase": (renamed("patient__nhs_number", "nhsNumber"), unknown("patient", "nhs_number")),
    "PascalCase": (renamed("consultation", "Consultation"), unknown("request", "consultation")),
    "kebab-case": (renamed("patient__birth_date", "birth-date"), unknown("patient", "birth_date")),
    "a misspelling": (renamed("consultation__sections", "secions"), unknown("consultation", "sections")),
    "American spelling": (renamed("organisation", "organization"), unknown("request", "organisation")),
    "an unknown field": (with_change(registered_practice={"shoe": "9", "ods_code": "A20047"}), "registered_practice: has a field that is not part of a request, number 1 in it: leave out what is not one of ods_code, name"),
    "unknown fields": (with_change(registered_practice={"a": 1, "ods_code": "A20047", "b": 2}), "registered_practice: has fields that are not part of a request, number 1, 3 in it: leave out what is not one of ods_code, name"),
    "many unknown fields": (with_change(registered_practice={f"a{number}": 1 for number in range(12)}), "number 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, … in it"),
    "an unknown field of a withdrawal": (json.dumps(request_data("withdrawal") | {"shoe": 9}).encode(), "request: has a field that is not part of a withdrawal, number 4 in it: leave out what is not one of $schema, kind, "),
    "a short word for a field": (renamed("patient__birth_date", "dob"), unknown("patient", "birth_date")),
    "another word for a field": (renamed("patient__birth_date", "dateOfBirth"), unknown("patient", "birth_date")),
    "another word for a phone": (renamed("organisation__phone", "Telephone"), unknown("organisation", "phone")),
    "a withdrawal without its kind": (without_kind(), 'kind: is "kind": "withdraw" missing?'),
    "null in a field that is needed": (json.dumps(request_data() | {"mailbox": None}).encode(), "mailbox: is null, and needed: give a value"),
    "null for an object that is needed": (json.dumps(request_data() | {"patient": None}).encode(), "patient: is null, and needed: give a value"),
    "null in a list": (with_change(patient__phones=[None]), "patient.phones[0]: is null: take it out, or give a value"),
    "too few entries of what is needed": (with_change(questionnaire={"questions": []}), "questionnaire.questions: is empty: give an entry, or leave questionnaire out"),
    "a field left out": (with_change(patient__nhs_number=None), "patient.nhs_number: is missing"),
    "a misspelt kind": (with_change(kind="withdrawn"), 'kind: must be "withdraw", or "send", which may be left out'),
    "small letters in an ODS code": (with_change(organisation__ods_code="y90001"), "organisation.ods_code: has small letters: write it in capital letters"),
    "small letters in a mailbox": (with_change(mailbox="y90001ot001"), "mailbox: has small letters: write it in capital letters"),
    "a blank in a mailbox": (with_change(mailbox="Y90001OT001 "), "mailbox: has a blank or an invisible character in it: remove it"),
    "a blank around an id": (with_change(encounter=" 7"), "encounter: has a blank before or behind it, or an invisible character in it: remove it"),
    "an NHS number with blanks": (with_change(patient__nhs_number="965 821 8865"), "patient.nhs_number: has blanks: write the ten digits alone"),
    "an NHS number with a wrong digit": (with_change(patient__nhs_number="9658218866"), "the last one the check digit (modulus 11): check every digit"),
    "a day that is none": (with_change(patient__birth_date="1933-11-31"), "is a day that its month does not have: check the date"),
    "a key from the root": (with_change(documents=[PDF | {"key": "/a.pdf"}]), "write it without '/' at the beginning"),
    "another word for documents": (renamed("documents", "attachments"), unknown("request", "documents")),
    "a text too long": (with_change(encounter="x" * 256), "encounter: is longer than 255 characters: shorten it"),
    "a text too short": (with_change(request_id="7"), "request_id: is shorter than 8 characters: give a longer one"),
    "an empty text": (with_change(organisation__phone=""), "organisation.phone: is empty: give a value"),
    "a blank text": (with_change(organisation__phone=" "), "organisation.phone: is blank: give a value"),
    "too many entries": (with_change(documents=[PDF | {"primary": False}] * 51), "documents: has more entries than 50: leave some out"),
    "too few entries": (with_change(patient__address={"lines": []}), "patient.address.lines: is empty: give an entry, or leave address out"),
    "a UK date": (with_change(patient__birth_date="14/11/1933"), "patient.birth_date: must be a date of the years 1880 to 2199: write YYYY-MM-DD, such as 1958-02-07"),
    "a time without an offset": (with_change(consultation__start="2026-11-20T19:40:00"), "consultation.start: has no offset from UTC: write YYYY-MM-DDThh:mm:ss and an offset"),
    "an HL7 v2 time": (with_change(consultation__updated="202611201940"), "consultation.updated: must be a date and a time of the years 1880 to 2199: write"),
    "seconds since 1970": (with_change(consultation__start=1795341600), "consultation.start: must be a time in quotation marks: write YYYY-MM-DDThh:mm:ss"),
    "a number for a text": (with_change(patient__nhs_number=9658218865), "patient.nhs_number: must be a text in quotation marks"),
    "a text for a boolean": (with_change(clinically_relevant="false"), "clinically_relevant: must be true or false, without quotation marks"),
    "a number for a boolean": (with_change(clinically_relevant=0), "clinically_relevant: must be true or false, without quotation marks"),
    "a text for a list": (with_change(patient__name__given="Garth"), "patient.name.given: must be a list in square brackets"),
    "a text for an object": (with_change(patient__name="Garth Wright"), "patient.name: must be an object in curly brackets"),
    "an unknown code": (with_change(patient__gender="M"), "patient.gender: must be \"male\", \"female\", \"other\" or \"unknown\""),
    "an unknown use case": (with_change(use_case="referral"), "use_case: must be \"consultation_report\", "),
    "a PDF beside sections": (with_change("rendered-report", documents=[PDF]), "documents[0].primary: is missing, and the consultation has sections: say true where this PDF is the report"),
    "a control character": (with_change(title="a\x07b"), "title: holds a control character that XML does not allow: remove it"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_field_and_what_to_do(mistake: str) -> None:
    raw, sentence = MISTAKES[mistake]
    assert any(sentence in reason for reason in reasons(raw)), reasons(raw)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_sentence_speaks_of_expressions_or_of_the_library(mistake: str) -> None:
    text = " ".join(reasons(MISTAKES[mistake][0]))
    assert not any(
        word in text for word in ("^", "[A-Z", " items", "Input", "pydantic", "WRIGHT", "Garth", "9658218865")
    )


def test_tens_of_thousands_of_mistakes_are_answered_within_seconds() -> None:
    started = time.process_time()
    found = reasons(with_change(patient={f"{number}": 0 for number in range(60_000)}))
    assert any("number 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, … in it" in reason for reason in found)
    assert time.process_time() - started < 10


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert parse(codecs.BOM_UTF8 + REQUEST.encode()) == parse(REQUEST.encode())


def test_a_name_that_a_sender_made_up_is_not_repeated_even_where_one_of_ours_is_near() -> None:
    found = reasons(renamed("patient__nhs_number", "nhs_number_9658218865"))
    assert "9658218865" not in " ".join(found)
    found = reasons(with_change(patient__name__wright="9658218865"))
    assert "wright" not in " ".join(found)


@pytest.mark.parametrize("kind", [1, True, [], {}, "Withdraw", "SEND"])
def test_a_kind_that_there_is_not_is_the_only_reason(kind: Any) -> None:
    data = {**request_data(), "kind": kind}
    assert [reason.partition(":")[0] for reason in reasons(json.dumps(data).encode())] == ["kind"]


def test_a_schema_may_be_named_and_is_ignored() -> None:
    schema: dict[str, Any] = {"$schema": "https://example.org/request.schema.json"}
    assert parse(with_change(**schema)).encounter == parse(with_change()).encounter
    assert reasons(json.dumps(request_data() | {"$schema": 1}).encode()) == [
        "$schema: must be a text in quotation marks"
    ]
