"""Every answer that PDS gives about an NHS number, as published, becomes the value that says what it means."""

from datetime import date
from typing import Any

import pytest

from gpconnect_messaging.pds.answers import (
    Found,
    Invalidated,
    NoPractice,
    NotFound,
    Practice,
    Restricted,
    Superseded,
    error_codes,
    json_object,
    read_patient,
)
from gpconnect_messaging.pds.errors import Unavailable
from tests.fakes.pds import World

TODAY = date(2026, 11, 22)
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"


def practice(code: str, start: str | None = None, end: str | None = None) -> dict[str, Any]:
    period = {name: value for name, value in (("start", start), ("end", end)) if value}
    return {"type": "Organization", "identifier": {"system": ODS, "value": code, "period": period}}


def patient(**changes: Any) -> dict[str, Any]:
    given = {
        "resourceType": "Patient",
        "id": "9658218865",
        "meta": {"security": [{"code": "U", "display": "unrestricted"}]},
        "name": [{"use": "usual", "family": "WRIGHT", "given": ["Garth"], "period": {"start": "1933-11-14"}}],
        "birthDate": "1933-11-14",
        "generalPractitioner": [practice("A20047", "2009-07-01")],
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def practice_of(*practices: dict[str, Any], today: date = TODAY) -> str | None:
    answer = read_patient("9658218865", patient(generalPractitioner=list(practices)), today)
    assert isinstance(answer, Found | NoPractice)
    return answer.practice.ods_code if isinstance(answer, Found) else None


@pytest.mark.requirement("GPCM-SD-CS-072", "GPCM-SD-084")
def test_the_practice_is_the_one_whose_period_covers_the_day_and_never_the_first() -> None:
    former, current = practice("B82617", "1995-02-01", "2009-06-30"), practice("A20047", "2009-07-01")
    assert practice_of(former, current) == practice_of(current, former) == "A20047"
    assert practice_of(former, current, today=date(2009, 6, 30)) == "B82617"
    assert practice_of(former, current, today=date(2009, 7, 1)) == "A20047"
    assert practice_of(former, current, today=date(1990, 1, 1)) is None


@pytest.mark.parametrize("code", ["V81997", "V81998", "v81999"])
def test_a_code_that_stands_for_no_practice_is_none(code: str) -> None:
    assert practice_of(practice(code, "2020-01-01")) is None


@pytest.mark.parametrize(
    ("period", "covers"),
    [
        ((None, None), True),
        (("2026-11-22", "2026-11-22"), True),
        (("2026-11-23", None), False),
        ((None, "2026-11-21"), False),
        (("2026", "2026"), True),
        (("2026-12", None), False),
        ((None, "2026-11"), True),
        (("2020-01-01T00:00:00+00:00", "2026-11-22T00:00:00+00:00"), True),
        (("2020-02-30", "no date"), True),
    ],
)
def test_a_period_is_read_in_every_form_that_fhir_allows(period: tuple[str | None, str | None], covers: bool) -> None:
    assert (practice_of(practice("A20047", *period)) == "A20047") is covers


def test_of_two_practices_at_once_the_latest_begun_counts_and_a_code_that_is_none_does_not() -> None:
    assert practice_of(practice("A20047", "2009-07-01"), practice("B82617", "2010-01-01")) == "B82617"
    assert practice_of(practice("A20047"), practice("not a code", "2020-01-01")) == "A20047"
    assert practice_of({"type": "Organization"}, practice("a20047 ")) == "A20047"


@pytest.mark.requirement("GPCM-SD-CS-072")
@pytest.mark.parametrize("label", ["R", "V", "X", None])
def test_every_record_but_an_unrestricted_one_withholds_the_practice(label: str | None) -> None:
    meta = {"security": [{"code": label}] if label else []}
    assert isinstance(read_patient("9658218865", patient(meta=meta), TODAY), Restricted)


def test_another_id_than_the_one_asked_for_supersedes_it() -> None:
    assert read_patient("9658218873", patient(), TODAY) == Superseded("9658218865")


def test_a_redacted_record_is_an_invalidated_one() -> None:
    assert read_patient("9658218865", patient(meta={"security": [{"code": "REDACTED"}]}), TODAY) == Invalidated()


@pytest.mark.parametrize(
    ("changes", "deceased"),
    [
        ({}, False),
        ({"deceasedDateTime": "2005-01-12T00:00:00+00:00"}, True),
        ({"deceasedBoolean": True}, True),
        ({"deceasedBoolean": False}, False),
        *(
            (
                {
                    "extension": [
                        {
                            "url": "https://example.org/Extension-UKCore-DeathNotificationStatus",
                            "extension": [
                                {"url": "s", "valueCodeableConcept": {"coding": [{"code": code, "system": "s"}]}}
                            ],
                        }
                    ]
                },
                deceased,
            )
            for code, deceased in (("1", True), ("2", True), ("U", False))
        ),
    ],
)
def test_whoever_died_is_flagged(changes: dict[str, Any], deceased: bool) -> None:
    answer = read_patient("9658218865", patient(**changes), TODAY)
    assert isinstance(answer, Found)
    assert answer.person.deceased is deceased


def test_the_usual_name_in_force_is_the_one_that_counts() -> None:
    names = [
        {"use": "old", "family": "OLDER"},
        {"use": "nickname", "family": "NICK"},
        {"use": "usual", "family": "ENDED", "period": {"start": "1990-01-01", "end": "2011-01-01"}},
        {"use": "usual", "family": "CURRENT", "period": {"start": "2011-01-02"}},
        {"use": "usual", "family": "FUTURE", "period": {"start": "2030-01-01"}},
    ]
    answer = read_patient("9658218865", patient(name=names), TODAY)
    assert isinstance(answer, Found)
    assert answer.person.family == "CURRENT"
    answer = read_patient("9658218865", patient(name=names[:3]), TODAY)
    assert isinstance(answer, Found)
    assert answer.person.family == "ENDED", "PDS has no successor of it"
    answer = read_patient("9658218865", patient(name=None), TODAY)
    assert isinstance(answer, Found)
    assert answer.person.family is None


@pytest.mark.parametrize("content", [{}, {"resourceType": "Bundle", "id": "9658218865"}, {"id": 9658218865}])
def test_what_is_no_patient_is_no_answer(content: dict[str, Any]) -> None:
    assert read_patient("9658218865", content, TODAY) is None


@pytest.mark.parametrize("value", ["text", 7, None, ["x"], {"a": 1}, [[{}]], True])
@pytest.mark.parametrize("name", ["name", "generalPractitioner", "extension", "meta", "birthDate"])
def test_what_has_an_unexpected_form_is_passed_over(name: str, value: Any) -> None:
    assert read_patient("9658218865", patient() | {name: value}, TODAY) is not None


def test_an_outcome_gives_its_codes_and_nothing_else_of_it() -> None:
    coding = [{"code": "RESOURCE_NOT_FOUND"}, {"code": "9658218865"}, {"code": "a patient's name"}, {"code": 5}]
    content = {"issue": [{"details": {"coding": coding}, "diagnostics": "WRIGHT"}, {"details": None}, None]}
    assert error_codes(content) == ["RESOURCE_NOT_FOUND"]
    assert json_object(b"<html>") is None
    assert json_object(b"[]") is None


def test_no_answer_shows_whom_it_is_about() -> None:
    shown = repr([read_patient("9658218865", patient(), TODAY), Superseded("9658218873")])
    assert not [word for word in ("WRIGHT", "1933", "9658218873") if word in shown]


PUBLISHED = {
    "9000000009": NoPractice,  # the sandbox's patient: registered until 2021, died in 2010
    "9000000025": Restricted,  # the sandbox's sensitive patient
    "9000000033": NoPractice,  # the sandbox's patient with little data
    "9111231130": NotFound,
    "9000000000": NotFound,
    "9658218865": Found,
    "9658220142": Restricted,
    "9658220290": Found,
    "9990000042": Restricted,
    "9990000050": Superseded,
    "9990000069": Invalidated,
    "9990000077": NoPractice,
}


@pytest.mark.parametrize(("nhs_number", "kind"), PUBLISHED.items())
def test_every_published_scenario_has_its_answer(nhs_number: str, kind: type) -> None:
    answer = World().lookup(nhs_number)
    assert type(answer) is kind
    if isinstance(answer, Found):
        assert answer.practice == Practice(ods_code="A20047")
        assert answer.person.deceased is (nhs_number == "9658220290")
    if nhs_number == "9000000009" and isinstance(answer, NoPractice):
        assert answer.person.deceased
        assert answer.person.family == "Smith"


def test_what_pds_cannot_answer_is_an_error_and_no_answer() -> None:
    world = World()
    world.meet("nonsense", 3)
    with pytest.raises(Unavailable, match="no patient"):
        world.lookup()
