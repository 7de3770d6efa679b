"""What PDS's answer means for a request: to whom it may go, why not, or that a person must look."""

import pytest

from gpconnect_messaging.names import same_name
from gpconnect_messaging.pds.answers import (
    Answer,
    Found,
    Invalidated,
    NoPractice,
    NotFound,
    Person,
    Practice,
    Restricted,
    Superseded,
)
from gpconnect_messaging.registration import (
    Differs,
    NotSendable,
    Registered,
    RegisteredHere,
    compare,
)
from tests.examples import a_request

PATIENT = a_request().patient
OWN = frozenset({"Y90001", "Y90009"})
MILLBROOK = Practice(ods_code="A20047", name=None)
PERSON = Person(family="WRIGHT", birth_date="1933-11-14", deceased=False)


def test_the_same_person_is_registered_with_the_practice() -> None:
    assert compare(PATIENT, Found(PERSON, MILLBROOK), OWN) == Registered(MILLBROOK)


def test_whoever_died_is_flagged_and_may_still_be_sent() -> None:
    died = Person(family="Wright", birth_date="1933-11-14", deceased=True)
    assert compare(PATIENT, Found(died, MILLBROOK), OWN) == Registered(MILLBROOK, deceased=True)


@pytest.mark.requirement("GPCM-SD-CS-071", "GPCM-SD-083")
@pytest.mark.parametrize("own", ["Y90001", "Y90009"])
def test_registered_with_any_of_the_senders_own_organisations_is_registered_here(own: str) -> None:
    practice = Practice(ods_code=own)
    assert compare(PATIENT, Found(PERSON, practice), OWN) == RegisteredHere(practice)


@pytest.mark.requirement("FHIR-PDS-01")
@pytest.mark.parametrize(
    ("family", "birth_date", "paths"),
    [
        ("WRONG", "1933-11-14", ["patient.name.family"]),
        ("WRIGHT", "1933-11-15", ["patient.birth_date"]),
        ("WRIGHT", "1933-11", ["patient.birth_date"]),
        ("WRIGHT", None, ["patient.birth_date"]),
        (None, None, ["patient.name.family", "patient.birth_date"]),
    ],
)
def test_another_name_or_birth_date_is_a_persons_to_decide(
    family: str | None, birth_date: str | None, paths: list[str]
) -> None:
    person = Person(family=family, birth_date=birth_date, deceased=False)
    for answer in (Found(person, MILLBROOK), Found(person, Practice(ods_code="Y90001"))):
        outcome = compare(PATIENT, answer, OWN)
        assert isinstance(outcome, Differs), "it may be another person, so nothing else of the answer counts"
        assert [difference.path for difference in outcome.differences] == paths
        assert "WRIGHT" not in repr(outcome)
        assert "1933" not in repr(outcome)


@pytest.mark.requirement("FHIR-PDS-03", "FHIR-PDS-05")
@pytest.mark.parametrize(
    ("answer", "field", "word"),
    [
        (Superseded("9658218873"), "patient.nhs_number", "replaced"),
        (Invalidated(), "patient.nhs_number", "invalidated"),
        (NotFound(), "patient.nhs_number", "unknown to PDS"),
        (Restricted(PERSON), "patient", "restricted"),
        (NoPractice(PERSON), "patient", "no practice"),
    ],
)
def test_without_a_practice_to_send_to_it_stops_and_says_why(answer: Answer, field: str, word: str) -> None:
    outcome = compare(PATIENT, answer, OWN)
    assert isinstance(outcome, NotSendable)
    assert outcome.reason.field == field
    assert word in outcome.reason.rule
    assert "9658218873" not in str(outcome.reason)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Wright", "WRIGHT"),
        ("O'Neill", "ONEILL"),
        ("O’NEILL", "o`neill"),
        ("D‘Arcy", "DʼArcy"),
        ("Smith-Jones", "SMITH JONES"),
        ("Smith–Jones", "Smith‑Jones"),
        (" van  der  Berg ", "Vanderberg"),
        ("Åberg", "ABERG"),
        ("A\u030aberg", "Åberg"),
        ("Siân", "SIAN"),
        ("Müller", "MULLER"),
        ("Strauß", "STRAUSS"),
        ("STRAUẞ", "Strauss"),
        ("Łukasz", "LUKASZ"),
        ("Øster", "Oster"),
        ("Þór", "THOR"),
        ("Ægir", "AEGIR"),
        ("İnce", "INCE"),
        ("Işık", "ISIK"),
        ("O'NEILL-ÅBERG", "oneill aberg"),
        ("Ǽby", "AEBY"),
        ("Ǿster", "OSTER"),
        ("ŉDiaye", "'NDIAYE"),
        ("Kaʻiulani", "KA'IULANI"),
        ("Smith−Jones", "Smith⁃Jones"),
        ("Smi\u00adth\u200b", "\ufeffSMITH"),
        ("Ｓｍｉｔｈ", "Smith"),
    ],
)
def test_ways_of_writing_one_name_are_one_name(one: str, other: str) -> None:
    assert same_name(one, other)
    assert same_name(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("WRIGHT", "WRITE"),
        ("Smith", "Smith-Jones"),
        ("Smith-Jones", "Jones-Smith"),
        ("Müller", "Mueller"),
        ("MacDonald", "McDonald"),
        ("St. John", "Saint John"),
        ("-", "'"),
        ("", ""),
        ("Smith", "Sm1th"),
    ],
)
def test_every_other_difference_is_a_difference(one: str, other: str) -> None:
    assert not same_name(one, other)
    assert not same_name(other, one)
