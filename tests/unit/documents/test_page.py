"""The page that `make render` shows of a message: who may see what."""

from html import escape

import pytest
from lxml import etree

from gpconnect_messaging.documents.page import View, page
from gpconnect_messaging.documents.reading import read_message
from gpconnect_messaging.usecases import USE_CASES
from tests.examples import a_message, messages_of, written

TITLE = "Termination of pregnancy"


@pytest.mark.requirement("FHIR-DOC-04", "FHIR-DOC-09")
def test_sections_and_attachments_are_clinical_and_kept_from_whoever_may_see_only_who_wrote_to_whom() -> None:
    documents = [{"key": "report.pdf", "content_type": "application/pdf", "title": TITLE, "primary": True}]
    message = read_message(written(a_message(documents=documents), "consultation-report-2.0"))
    administrative, clinical = (page(message, view, {}) for view in (View.ADMINISTRATIVE, View.CLINICAL))
    assert TITLE in clinical
    assert TITLE not in administrative
    assert "Mr Garth WRIGHT" in administrative


def shown(name: str, view: View) -> str:
    message = messages_of(name)[0]
    return page(read_message(written(message, name)), view, {})


@pytest.mark.requirement("FHIR-DOC-04")
def test_what_a_message_says_in_resources_is_shown_where_no_document_says_it() -> None:
    html = shown("online-consultation-1.5-pharmacy", View.CLINICAL)
    for words in (
        "<dt>Allergies and adverse reactions</dt><dd>see Allergy intolerance: Allergy to penicillin</dd>",
        "<h2>Allergy intolerance: Allergy to penicillin</h2>",
        "<dt>Code</dt><dd>91936005 Allergy to penicillin</dd>",
        "<dt>Criticality</dt><dd>low</dd>",
        "<dt>Note text</dt><dd>Rash as a child.</dd>",
        "<dt>Letter to the pharmacy</dt><dd>see the documents</dd>",
    ):
        assert words in html


@pytest.mark.requirement("FHIR-DOC-04")
def test_every_coded_word_of_a_message_is_shown_and_every_quantity_with_its_unit() -> None:
    name = "generic-document-1.5"
    html = shown(name, View.CLINICAL)
    body = etree.fromstring(written(messages_of(name)[0], name))
    parties = {"Bundle", "MessageHeader", "Composition", "Patient", "Practitioner", "Organization", "Binary"}
    clinical = [
        resource for resource in body.iterfind(".//{*}resource/*") if etree.QName(resource).localname not in parties
    ]
    said = {word.get("value", "") for resource in clinical for word in resource.iterfind(".//{*}coding/{*}display")}
    assert len(said) > 10
    assert [words for words in said if escape(words) not in html] == []
    assert "<dt>Problem significance</dt><dd>major</dd>" in html
    assert "<dt>Subject</dt><dd>Patient: Mr Randal WEAVER</dd>" in html
    for quantity in body.iterfind(".//{*}valueQuantity"):
        value, unit = (part.get("value", "") for part in list(quantity)[:2])
        assert escape(f"{value} {unit}") in html


@pytest.mark.requirement("FHIR-DOC-09")
def test_titles_and_resources_are_kept_from_whoever_may_see_only_who_wrote_to_whom() -> None:
    html = shown("online-consultation-1.5-pharmacy", View.ADMINISTRATIVE)
    assert not [words for words in ("Allergy", "penicillin", "Rash", "Questionnaire") if words in html]
    title = USE_CASES[a_message().request.use_case].title
    data = written(a_message(), "consultation-report-2.0").replace(
        f'<title value="{title}"/>'.encode(), f'<title value="{TITLE}"/>'.encode(), 1
    )
    administrative, clinical = (page(read_message(data), view, {}) for view in (View.ADMINISTRATIVE, View.CLINICAL))
    assert TITLE in clinical
    assert TITLE not in administrative


def test_a_resource_that_shares_its_id_with_a_document_is_shown_as_itself() -> None:
    name = "online-consultation-1.5-pharmacy"
    body = written(messages_of(name)[0], name)
    ids = {
        kind: next(etree.fromstring(body).iterfind(f".//{{*}}{kind}/{{*}}id")).get("value", "").encode()
        for kind in ("AllergyIntolerance", "Binary")
    }
    html = page(read_message(body.replace(ids["Binary"], ids["AllergyIntolerance"])), View.CLINICAL, {})
    assert "<h2>Allergy intolerance: Allergy to penicillin</h2>" in html
    assert "<h2>Binary" not in html


def test_what_is_nested_without_end_is_left_out_in_words_and_does_not_stop_the_page() -> None:
    opened, closed = b"<item>" * 100, b"</item>" * 100
    task = b'<Task><id value="t"/>' + opened + b'<text value="deep"/>' + closed + b"</Task>"
    body = written(a_message(), "consultation-report-2.0").replace(
        b"<resource><Practitioner>", b"<resource>" + task + b"</resource></entry><entry><resource><Practitioner>", 1
    )
    html = page(read_message(body), View.CLINICAL, {})
    assert "<h2>Task</h2>" in html
    assert "goes deeper than can be shown" in html
