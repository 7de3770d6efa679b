"""A sender with notes and no PDF: the report is rendered, sent, and understood."""

import json

import pytest

from gpconnect_messaging.documents.reading import read_message
from gpconnect_messaging.documents.report import ReportRenderer
from gpconnect_messaging.requests.models import parse_request
from gpconnect_messaging.specification import ReportDesign
from tests.e2e.conftest import DeployedProduct
from tests.examples import request_data


@pytest.mark.requirement("GPCM-SD-CS-028", "GPCM-SD-086")
def test_a_request_without_a_document_is_delivered_with_the_report_of_its_notes(product: DeployedProduct) -> None:
    dropped = product.drop("rendered-report")
    message = product.reaches(dropped, "DELIVERED")
    (document,) = read_message(product.sent(message)).documents
    request = parse_request(json.dumps(request_data("rendered-report")).encode())
    report = ReportRenderer(ReportDesign.SUMMARY).render(request, 1, lambda _key: b"")
    assert (document.title, document.content_type) == ("Consultation report", "application/pdf")
    assert document.content == report
