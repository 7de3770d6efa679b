from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.request_rules import broken_rules
from gpconnect_messaging.specification import Version
from tests.examples import CREATED_AT, MAILBOXES, a_request


def broken(specification: Version = Version.V2_0, numbers: NumberRange = NumberRange.TEST, **changes: Any) -> list[str]:
    request = a_request(f"consultation-report-{specification}", **changes)
    return [reason.field for reason in broken_rules(request, MAILBOXES[specification], numbers, CREATED_AT)]


@pytest.mark.parametrize("specification", Version)
def test_the_samples_break_no_rule(specification: Version) -> None:
    assert broken(specification) == []


DAMAGED = ("5 \ufffdg", "dose \u202e05 gm\u202c", "\u202a05", "\u206605\u2069", "a\u2067b", "a\u2068b")
"""A character that was lost, and signs that turn what follows round."""


@pytest.mark.parametrize("text", DAMAGED)
def test_a_text_that_was_damaged_or_reads_otherwise_than_it_is_stored_is_refused_by_path(text: str) -> None:
    item = {"code": "162397003", "system": "SNOMED CT"}
    sections: list[dict[str, Any]] = [
        {"title": "History", "text": "5 mg \u200fמריץ"},
        {"title": "Plan", "items": [item | {"term": text}]},
    ]
    assert broken(consultation__sections=sections) == ["consultation.sections[1].items[0].term"]
    sections = [{"title": "Plan", "results": [{"test": "Hb", "value": text}]}]
    assert broken(consultation__sections=sections, patient__name__prefix=text) == [
        "patient.name.prefix",
        "consultation.sections[0].results[0].value",
    ]


def test_production_refuses_test_numbers_and_every_other_environment_refuses_living_patients() -> None:
    assert broken(numbers=NumberRange.LIVE) == ["patient.nhs_number"]
    assert broken(patient__nhs_number="4010232137") == ["patient.nhs_number"]
    assert broken(patient__nhs_number="4010232137", numbers=NumberRange.LIVE) == []


def test_nobody_is_born_or_seen_in_the_future() -> None:
    assert broken(patient__birth_date="2026-11-21") == ["patient.birth_date"]
    late = (CREATED_AT + timedelta(minutes=6)).isoformat()
    assert broken(consultation__start=late) == ["consultation.start"]
    in_time = (CREATED_AT + timedelta(minutes=4)).isoformat()
    assert broken(consultation__start=in_time) == []


def test_a_mailbox_sends_only_for_its_own_organisation() -> None:
    mailbox = replace(MAILBOXES[Version.V2_0], ods_code="Y90009")
    found = list(broken_rules(a_request(), mailbox, NumberRange.TEST, CREATED_AT))
    assert [reason.field for reason in found] == ["organisation.ods_code"]


@pytest.mark.requirement("GPCM-SD-CS-025", "GPCM-SD-CS-036", "2.0:GPCM-SD-032")
def test_a_practitioner_is_required_by_1_5_and_welcome_in_2_0() -> None:
    assert broken(Version.V1_5, practitioner=None) == ["practitioner"]
    assert broken(Version.V2_0, practitioner=None) == []


def test_a_confidential_consultation_is_sent_redacted_in_1_5_and_not_at_all_in_2_0() -> None:
    assert broken(Version.V1_5, consultation__confidential=True) == []
    assert broken(Version.V2_0, consultation__confidential=True) == ["consultation.confidential"]


@pytest.mark.requirement("GPCM-SD-CS-028")
def test_the_report_itself_is_a_pdf() -> None:
    documents = [{"key": "a.png", "content_type": "image/png", "title": "Report", "primary": True}]
    assert broken(documents=documents) == ["documents[0].content_type"]


def test_a_surname_that_no_address_can_carry_is_refused_before_mesh_fails_on_it() -> None:
    assert broken(patient__name__family="李") == ["patient.name.family"]
    assert broken(patient__name__family="Łuczak-Ødegård") == []
