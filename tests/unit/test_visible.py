"""Invisible characters are the same for ids, codes, texts, names and drawn text."""

import json
import re
from typing import Any

import pytest

from gpconnect_messaging.documents.gate import DocumentGate
from gpconnect_messaging.documents.text_shaping import clean
from gpconnect_messaging.itk3.supplied import read_supplied
from gpconnect_messaging.requests.models import parse
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.visible import is_blank, shows_nothing, visible
from tests.unit.requests.every_field import EVERYTHING, different, with_token, written

NOTHING = [
    *"\u00ad\u034f\u061c\u115f\u1160\u17b4\u180b\u180e\u180f\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2065\u2066\u2069",
    *"\u2800\u3164\ufe00\ufe0f\ufeff\uffa0\ufff0\U0001d159\U000e0001\U000e0041\U000e0100\U000e01ef\U000e0fff",
]
BLANKS = [*"\u00a0\u2003\u2028\u3000\u0085"]
FIELDS = [(path, value) for path, value in different(EVERYTHING) if isinstance(value, str)]
KEYS_AND_IDS = ("encounter", "request_id", "link_id", "code", "content_type", "mailbox", "ods_code", "nhs_number")
OBSERVATION = {
    "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:x", "code": "y"}]},
    "valueAttachment": {"contentType": "image/png", "url": "urn:x"},
}  # fmt: skip


def refused(read: Any, *arguments: Any) -> str:
    try:
        read(*arguments)
    except RequestRefusedError as error:
        return str(error)
    return ""


def read(**changes: Any) -> None:
    read_supplied(0, "application/fhir+json", json.dumps(OBSERVATION | changes).encode(), frozenset(["Observation"]))


@pytest.mark.parametrize("character", NOTHING)
def test_a_character_that_shows_nothing_is_seen_nowhere(character: str) -> None:
    assert shows_nothing(character)
    assert visible(f"E1{character}") == "E1"
    assert clean(f"x{character}y") == "xy"


@pytest.mark.parametrize("character", ["a", "é", "\u0301", "李", "🙂", "-", "0"])
def test_what_can_be_seen_stays(character: str) -> None:
    assert not shows_nothing(character)
    assert visible(character) == character


@pytest.mark.parametrize("character", [*NOTHING, *BLANKS])
def test_no_id_and_no_code_has_what_nobody_can_see(character: str) -> None:
    for path, value in FIELDS:
        if path[-1] in KEYS_AND_IDS:
            raw = with_token(EVERYTHING, path, json.dumps(value + character))
            assert written(path) in refused(parse, raw), path
    coded = {"coding": [{"system": "urn:x", "code": f"y{character}"}]}
    assert re.search("invisible character|direction of reading", refused(lambda: read(code=coded)))
    named = {"coding": [{"system": f"urn:x{character}", "code": "y"}]}
    assert re.search("invisible character|direction of reading", refused(lambda: read(code=named)))
    attached = {"contentType": f"image/png{character}", "url": "urn:x"}
    assert re.search("contentType: (must be a code|holds a sign)", refused(lambda: read(valueAttachment=attached)))


@pytest.mark.parametrize("character", [*NOTHING, *BLANKS])
def test_no_text_is_made_of_what_nobody_can_see(character: str) -> None:
    assert is_blank(f" {character}")
    for path, value in FIELDS:
        if path[-1] in ("family", "title", "text", "term", "key"):
            assert written(path) in refused(parse, with_token(EVERYTHING, path, json.dumps(character))), (path, value)
    assert "valueString: is blank" in refused(lambda: read(valueAttachment=None, valueString=character))
    assert "nothing that can be seen" in str(DocumentGate().examine("text/plain", [character.encode()]).refusal)


@pytest.mark.parametrize("text", ["👩\u200d👩\u200d👧", "❤\ufe0f", "می\u200cخواهم", "soft\u00adhyphen"])
def test_a_text_has_what_joins_its_characters(text: str) -> None:
    for path, _ in FIELDS:
        if path[-1] in ("family", "text", "term"):
            assert refused(parse, with_token(EVERYTHING, path, json.dumps(text))) == "", path
    read(valueAttachment={"contentType": "image/png", "title": text})
    assert DocumentGate().examine("text/plain", [text.encode()]).refusal is None
