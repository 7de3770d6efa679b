"""Whatever file `validate` is given, it answers, and raises no alarm about another way to write the same."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.conformance import UnreadableMessageError
from gpconnect_messaging.conformance.validation import Finding, Verdict, validate_bytes
from tests.conformance.samples import ROLES, sample

DECLARATION = re.compile(rb"<\?xml[^>]*\?>")
SAME: dict[str, Callable[[bytes], bytes]] = {
    "byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "compressed": gzip.compress,
    "UTF-16, little end first": lambda body: b"\xff\xfe" + _undeclared(body).decode().encode("utf-16-le"),
    "UTF-16, big end first": lambda body: b"\xfe\xff" + _undeclared(body).decode().encode("utf-16-be"),
    "spaces around": lambda body: b"\n  " + _undeclared(body) + b"\n\n",
    "comments and instructions": lambda body: b"<!-- a --><?b c?>" + _undeclared(body).replace(b"><", b"><!-- d --><"),
    "spread over lines": lambda body: _undeclared(body).replace(b"><", b">\r\n\t<"),
}
NOTHING = {
    "an error page": b"<html><body><p>503 Service Unavailable</p></body></html>",
    "another message": b"<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'/>",
    "a resource alone": b"<Patient xmlns='http://hl7.org/fhir'/>",
    "a resource alone, in JSON": b'{"resourceType": "Patient"}',
    "a list": b"[]",
    "nothing but spaces": b" \n ",
    "nothing but a byte order mark": b"\xef\xbb\xbf",
    "a comma too many": b'{"resourceType": "Bundle", }',
    "a comma too few": b'{"resourceType": "Bundle" "type": "message"}',
    "a list's comma too many": b'{"resourceType": "Bundle", "entry": [{"fullUrl": "a"},]}',
    "words behind": b'{"resourceType": "Bundle"} and more',
    "elements behind": b"<Bundle xmlns='http://hl7.org/fhir'/><Bundle/>",
    "another encoding": b"<?xml version='1.0' encoding='iso-8859-1'?><Bundle xmlns='http://hl7.org/fhir'/>",
    "compressed twice": gzip.compress(gzip.compress(b"<Bundle/>")),
    "compressed and cut short": gzip.compress(b"<Bundle/>" * 50)[:-9],
}


def _undeclared(body: bytes) -> bytes:
    return DECLARATION.sub(b"", body, count=1)


def broken(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.id, finding.path) for finding in findings if finding.verdict is Verdict.BROKEN}


@pytest.mark.parametrize("way", SAME)
@pytest.mark.parametrize("role", ROLES)
def test_the_same_message_written_otherwise_is_judged_alike(role: str, way: str) -> None:
    body = sample(role).body
    assert broken(validate_bytes(SAME[way](body))[1]) == broken(validate_bytes(body)[1])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "the JSON is not a FHIR resource"),
        (b'{"resourceType": "Bundle", }', "the JSON is not well-formed"),
        (b"[]", "it is neither XML nor a JSON object"),
    ],
)
def test_json_that_is_no_message_is_refused_for_what_it_is(body: bytes, words: str) -> None:
    with pytest.raises(UnreadableMessageError, match=words):
        validate_bytes(body)


@pytest.mark.parametrize(
    ("narrative", "is_broken"),
    [
        ("<p style='color: red'>a <b>b</b> <a href='#c'>c</a><br/><img src='#d' alt='d'/></p>", False),
        ("<p onclick='a()'>a</p>", True),
        ("<a href=' JavaScript:a()'>a</a>", True),
        ("<iframe src='https://x.example'/>", True),
    ],
)
@pytest.mark.parametrize("in_json", [False, True])
def test_a_narrative_holds_nothing_that_acts(narrative: str, is_broken: bool, *, in_json: bool) -> None:
    div = f"<div xmlns='http://www.w3.org/1999/xhtml'>{narrative}</div>"
    if in_json:
        text = json.dumps({"status": "generated", "div": div})
        body = f'{{"resourceType": "Bundle", "entry": [{{"resource": {{"resourceType": "Patient", "text": {text}}}}}]}}'
    else:
        text = f"<text><status value='generated'/>{div}</text>"
        body = f"<Bundle xmlns='http://hl7.org/fhir'><entry><resource><Patient>{text}</Patient></resource></entry></Bundle>"
    values = [path for check, path in broken(validate_bytes(body.encode())[1]) if check == "STU3-VALUE"]
    assert bool(values) is is_broken


@pytest.mark.parametrize(
    ("written", "is_broken"),
    [("2024-02-29", False), ("2023-02-29", True), ("2026-04-31", True), ("1899-12-31", False), ("2026-04", False)],
)
def test_a_date_is_one_that_the_calendar_has(written: str, is_broken: bool) -> None:
    body = re.sub(rb'<birthDate value="[^"]*"', f'<birthDate value="{written}"'.encode(), sample("2.0").body, count=1)
    assert any(check == "STU3-VALUE" for check, _ in broken(validate_bytes(body)[1])) is is_broken


@pytest.mark.parametrize("what", NOTHING)
def test_what_is_no_message_is_refused_in_a_sentence(what: str) -> None:
    with pytest.raises(UnreadableMessageError) as refused:
        validate_bytes(NOTHING[what])
    assert str(refused.value).startswith(("it ", "its ", "the "))


@settings(max_examples=150, deadline=None)
@given(
    role=st.sampled_from(ROLES),
    offsets=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    end=st.just(1.0) | st.floats(0, 1),
)
def test_a_damaged_message_is_judged_or_refused_and_nothing_else(
    role: str, offsets: list[tuple[float, int]], end: float
) -> None:
    body = bytearray(sample(role).body)
    for offset, byte in offsets:
        body[int(offset * len(body))] = byte
    try:
        _, findings = validate_bytes(bytes(body[: int(end * len(body))]))
    except UnreadableMessageError:
        return
    assert all(finding.path and finding.line for finding in findings if finding.verdict is Verdict.BROKEN)


@pytest.mark.parametrize("capitals", [False, True])
def test_a_full_url_that_says_that_it_is_a_uuid_must_be_one_in_small_letters(*, capitals: bool) -> None:
    body = sample("2.0").body  # FHIR STU3, Data types, uri: for UUIDs use all lowercase
    (first, *_) = re.findall(rb'<fullUrl value="urn:uuid:([^"]+)"/>', body)
    wrong = body.replace(first, first.upper() if capitals else b"Header-1")
    assert ("STU3-VALUE", "Bundle/entry[1]/fullUrl") in broken(validate_bytes(wrong)[1])


@pytest.mark.parametrize(
    ("workflow", "local_extension"),
    [("GPFED_CONSULT_REPORT_ACK", b"SendDocument-ConsultationReport"), ("GPCONNECT_SEND_DOCUMENT_ACK", b"None")],
)
def test_a_response_travels_on_the_workflow_of_the_version_that_it_answers(
    workflow: str, local_extension: bytes
) -> None:
    response = sample("response")
    assert response.headers is not None
    body = response.body.replace(b"SendDocument-ConsultationReport", local_extension)
    headers = replace(response.headers, workflow_id=workflow)
    assert broken(validate_bytes(body, headers)[1]) == set()
    elsewhere = replace(response.headers, workflow_id=workflow.removesuffix("_ACK"))
    assert "GPCM-SD-CS-062" in {name for name, _ in broken(validate_bytes(body, elsewhere)[1])}
