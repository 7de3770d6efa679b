"""What is known of a patient's practice, from whom, and in which form it is kept for a repeat."""

from dataclasses import replace
from typing import Any

import pytest

from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.pds.answers import Practice
from gpconnect_messaging.pds.errors import Unavailable
from gpconnect_messaging.steps.lookup import FROM_PDS, FROM_REQUEST, Registration, _named
from tests.examples import a_request

PDS = Registration(source=FROM_PDS, practice=Practice(ods_code="B86071", name="Otley Road"))


@pytest.mark.parametrize(
    ("known", "details"),
    [
        (PDS, {"source": "PDS", "ods_code": "B86071", "name": "Otley Road"}),
        (replace(PDS, deceased=True), {"source": "PDS", "ods_code": "B86071", "name": "Otley Road", "deceased": True}),
        (Registration(source=FROM_PDS, practice=Practice(ods_code="B86071")), {"source": "PDS", "ods_code": "B86071"}),
        (Registration(source=FROM_REQUEST, practice=None), {"source": "the request"}),
        (
            Registration.stated(a_request()),
            {"source": "the request", "ods_code": "A20047", "name": "Millbrook Surgery", "nhs_number_status": "02"},
        ),
        (
            Registration.stated(a_request(registered_practice=None)),
            {"source": "the request", "nhs_number_status": "02"},
        ),
    ],
)
def test_a_repeat_reads_what_was_known(known: Registration, details: dict[str, Any]) -> None:
    assert known.details == details
    assert Registration.recorded(details) == known
    assert known.certain


def test_without_a_record_the_request_was_believed() -> None:
    assert Registration.recorded({}) == Registration(source=FROM_REQUEST, practice=None)
    assert MessageHistory(()).registration == {}


def test_what_differs_or_is_unanswered_is_not_certain() -> None:
    assert not replace(PDS, differs=("patient.name",)).certain
    assert not replace(PDS, pending=True, unanswered=Unavailable("lookup", "away")).certain
    assert PDS.ods_code == "B86071"
    assert replace(PDS, practice=None).ods_code is None


def test_the_report_names_the_practice_that_pds_named_and_no_other() -> None:
    request = a_request()
    named = PDS.of(request).registered_practice
    assert named is not None
    assert (named.ods_code, named.name) == ("B86071", "Otley Road")
    verified = request.with_number_status("01")
    assert replace(PDS, source=FROM_REQUEST).of(request) == verified
    assert replace(PDS, practice=None).of(request) == verified


def test_the_requests_name_for_the_practice_is_taken_where_it_is_the_same_one() -> None:
    request = a_request()
    assert _named(Practice(ods_code="A20047"), request) == Practice(ods_code="A20047", name="Millbrook Surgery")
    assert _named(Practice(ods_code="B86071"), request) == Practice(ods_code="B86071")
    assert _named(Practice(ods_code="A20047", name="Its own"), request).name == "Its own"
    assert _named(Practice(ods_code="A20047"), a_request(registered_practice=None)) == Practice(ods_code="A20047")
