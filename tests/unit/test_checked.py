"""A request becomes checked messages in memory: what the builder refuses is refused, what it makes is made."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from gpconnect_messaging import assembly
from gpconnect_messaging.conformance.headers import Headers
from gpconnect_messaging.conformance.validation import Finding, validate_bytes
from gpconnect_messaging.drafts import draft_messages, require_in_order
from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.models import parse_request
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.specification import UseCase
from tests.examples import CREATED_AT, MAILBOXES, REQUESTS, messages_of, request_data, written
from tests.identifiers import IDENTIFIERS

MAILBOX = next(iter(MAILBOXES.values()))


def raw(name: str) -> bytes:
    return (REQUESTS / name / "request.json").read_bytes()


def beside(name: str) -> Callable[[str], bytes]:
    return lambda key: (REQUESTS / name / key).read_bytes()


def mailbox_of(name: str) -> MailboxSettings:
    return next(known for known in MAILBOXES.values() if known.mailbox == request_data(name)["mailbox"])


@pytest.mark.parametrize("name", ["consultation-report-2.0", "consultation-report-1.5", "generic-document-1.5"])
def test_a_sample_gives_the_bytes_that_are_sent_of_it(name: str) -> None:
    (made,) = draft_messages(raw(name), mailbox_of(name), beside(name), identifiers=IDENTIFIERS, now=CREATED_AT)
    (message,) = messages_of(name)
    assert made.xml == written(message, name)
    assert made.message_id == str(message.message_id)
    _, findings = validate_bytes(made.xml, Headers.of(made.envelope))
    assert not [finding for finding in findings if finding.is_broken_must]


@pytest.mark.parametrize("name", ["consultation-report-2.0", "send-document-2.0-discharge", "online-consultation-1.5"])
def test_a_message_is_checked_for_the_use_case_of_the_request(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: set[UseCase] = set()

    def broken_requirements(*of: Any) -> list[Finding]:
        checked.add(of[-1])
        return []

    monkeypatch.setattr(assembly, "broken_requirements", broken_requirements)
    draft_messages(raw(name), mailbox_of(name), beside(name), identifiers=IDENTIFIERS, now=CREATED_AT)
    assert checked == {UseCase(request_data(name)["use_case"])}


def test_each_recipient_has_its_own_message() -> None:
    name = "online-consultation-1.5-pharmacy"
    provider, practice = draft_messages(
        raw(name), mailbox_of(name), beside(name), identifiers=IDENTIFIERS, now=CREATED_AT
    )
    assert provider.message_id != practice.message_id
    assert practice.envelope.to.startswith("GPPROVIDER_")


def test_a_request_without_a_document_gets_its_report_rendered() -> None:
    name = "rendered-report"
    (made,) = draft_messages(raw(name), mailbox_of(name), beside(name), identifiers=IDENTIFIERS, now=CREATED_AT)
    assert b'<contentType value="application/pdf"/>' in made.xml


def refused(name: str = "consultation-report-2.0", **options: Any) -> str:
    given = {"mailbox": mailbox_of(name), "read": beside(name), **options}
    with pytest.raises(RequestRefusedError) as caught:
        draft_messages(raw(name), identifiers=IDENTIFIERS, now=CREATED_AT, **given)
    return str(caught.value)


def test_what_the_builder_would_refuse_is_refused_with_its_reasons() -> None:
    assert "check digit" in refused("invalid", mailbox=MAILBOX)
    assert "is a test number" in refused(numbers=NumberRange.LIVE)
    assert "documents[0]: is broken" in refused(read=lambda _: b"%PDF- cut short")
    assert "more than the mailbox's limit of 0.00 MB (100 bytes)" in refused(
        mailbox=MailboxSettings(mailbox=MAILBOX.mailbox, ods_code=MAILBOX.ods_code, max_message_bytes=100)
    )
    assert "mailbox: is not the mailbox of the settings" in refused(
        mailbox=MailboxSettings(mailbox="Y90009OT001", ods_code="Y90009")
    )


def test_neither_the_message_nor_its_envelope_shows_itself() -> None:
    (made,) = draft_messages(
        raw("consultation-report-2.0"), MAILBOX, beside("consultation-report-2.0"), identifiers=IDENTIFIERS
    )
    patient = request_data()["patient"]
    assert patient["nhs_number"] not in repr(made)
    assert patient["name"]["family"].lower() not in repr(made).lower()


def test_importing_it_imports_neither_aws_nor_a_transport_nor_what_draws() -> None:
    heavy = "boto3 botocore httpx aws_lambda_powertools reportlab cryptography jwt PIL"
    program = (
        "import sys, gpconnect_messaging.drafts;"
        f"print(*sorted(set('{heavy}'.split()) & set(sys.modules)), sep=',', end='')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=_here())
    assert done.stdout == ""


def _here() -> dict[str, str]:
    return {"PYTHONPATH": "layers/messaging/python", "PATH": ""}


def reasons_of(check: Callable[..., object], *arguments: Any, **options: Any) -> list[str]:
    try:
        check(*arguments, **options)
    except RequestRefusedError as refusal:
        return list(map(str, refusal.reasons))
    return []


OF_SETTINGS = ("specification", "authors: is missing", "care_setting: is missing")


@pytest.mark.parametrize(
    "name", ["consultation-report-2.0", "online-consultation-1.5-pharmacy", "generic-document-1.5"]
)
def test_without_settings_is_refused_what_any_settings_refuse_and_nothing_else(name: str) -> None:
    for field in (None, *request_data(name)):
        given = json.dumps(request_data(name, **({field: None} if field else {}))).encode()
        if reasons_of(parse_request, given):
            continue
        alone = reasons_of(require_in_order, parse_request(given), beside(name), now=CREATED_AT)
        of_builder = reasons_of(
            draft_messages, given, mailbox_of(name), beside(name), identifiers=IDENTIFIERS, now=CREATED_AT
        )
        assert of_builder or not alone, field
        assert alone or all(any(words in reason for words in OF_SETTINGS) for reason in of_builder), field


def test_what_every_specification_refuses_for_another_reason_is_refused_without_settings() -> None:
    """1.5 sends a confidential consultation redacted and without codes beside it, and 2.0 does not send it."""
    name = "generic-document-1.5"
    request = parse_request(json.dumps(request_data(name, consultation__confidential=True)).encode())
    found = reasons_of(require_in_order, request, beside(name), now=CREATED_AT)
    assert any("must be left out of a confidential consultation" in reason for reason in found)


@pytest.mark.parametrize("mailbox", ["ABCDE", "12345", "Y9000123456"])
def test_a_mailbox_that_no_environment_can_have_is_named_before_the_request_is_dropped(mailbox: str) -> None:
    name = "consultation-report-2.0"
    request = parse_request(json.dumps(request_data(name, mailbox=mailbox)).encode())
    [reason] = reasons_of(require_in_order, request, beside(name), now=CREATED_AT)
    assert reason.startswith("mailbox: must be a MESH mailbox id")


@pytest.mark.parametrize("beside_it", [None, b"<html>"])
def test_a_type_that_may_not_be_sent_is_named_once_even_where_the_file_is_not_there(beside_it: bytes | None) -> None:
    documents = [{"key": "a.doc", "content_type": "application/msword", "title": "Letter", "primary": False}]
    request = parse_request(json.dumps(request_data("rendered-report", documents=documents)).encode())
    [reason] = reasons_of(require_in_order, request, lambda _: beside_it, now=CREATED_AT)
    assert reason.startswith("documents[0]: has a type that may not be sent: use one of application/pdf, ")
