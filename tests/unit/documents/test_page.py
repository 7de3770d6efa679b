"""The page that `make render` shows of a message: who may see what."""

import pytest

from gpconnect_messaging.documents.page import View, page
from gpconnect_messaging.documents.reading import read_message
from tests.examples import a_message, written

TITLE = "Termination of pregnancy"


@pytest.mark.requirement("FHIR-DOC-04", "FHIR-DOC-09")
def test_sections_and_attachments_are_clinical_and_kept_from_whoever_may_see_only_who_wrote_to_whom() -> None:
    documents = [{"key": "report.pdf", "content_type": "application/pdf", "title": TITLE, "primary": True}]
    message = read_message(written(a_message(documents=documents), "consultation-report-2.0"))
    administrative, clinical = (page(message, view, {}) for view in (View.ADMINISTRATIVE, View.CLINICAL))
    assert TITLE in clinical
    assert TITLE not in administrative
    assert "Mr Garth WRIGHT" in administrative
