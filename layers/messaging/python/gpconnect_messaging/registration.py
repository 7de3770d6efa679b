"""Compares a request's patient with PDS: the practice to send to, or why not, or the differences for a person.

A pure table of outcomes (GPCM-SD-CS-071, GPCM-SD-CS-072, GPCM-SD-084; MESH refuses what does not match, EPL-154).

Family names are compared as `names` folds them, which is how the address writes them, without case, hyphens,
apostrophes and spaces. So `O'NEILL-ÅBERG`, `oneill aberg` and `O’Neill–Aberg` are one name; every other variation is a
difference. Dates of birth must be equal to the day: a date that PDS has by year or month only is different.
"""

from dataclasses import dataclass, field

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
from gpconnect_messaging.requests.models import Patient
from gpconnect_messaging.requests.refusal import Reason


@dataclass(frozen=True, slots=True)
class Registered:
    """The patient is who the request says, and is registered with this practice."""

    practice: Practice
    deceased: bool = False


@dataclass(frozen=True, slots=True)
class RegisteredHere:
    """The patient is registered with the sender: no message is required (GPCM-SD-CS-071)."""

    practice: Practice


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs between the request and PDS. Both values are personal data, for authorised people only."""

    path: str
    requested: str = field(repr=False)
    known: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Differs:
    """The record may be out of date, or another patient's: a person must compare both values."""

    differences: tuple[Difference, ...]
    practice: Practice
    deceased: bool = False


@dataclass(frozen=True, slots=True)
class NotSendable:
    """PDS leaves no practice to send to, whatever the request says."""

    reason: Reason


Outcome = Registered | RegisteredHere | Differs | NotSendable

_STOPS: dict[type[Answer], Reason] = {
    Superseded: Reason(
        "patient.nhs_number",
        "was replaced by another NHS number, says PDS: correct the patient's record, and drop the request again",
    ),
    Invalidated: Reason("patient.nhs_number", "was invalidated, says PDS: find the patient's right number"),
    NotFound: Reason("patient.nhs_number", "is unknown to PDS: find the patient's right number"),
    Restricted: Reason(
        "patient",
        "has a restricted record in PDS, which withholds the registered practice: inform the practice another way, "
        "and keep where the patient lives secret",
    ),
    NoPractice: Reason("patient", "is registered with no practice today, says PDS: there is no practice to send to"),
}


def compare(patient: Patient, answer: Answer, own: frozenset[str]) -> Outcome:
    """Return the outcome of PDS's answer for a request. `own` are the sender's ODS codes."""
    if not isinstance(answer, Found):
        return NotSendable(_STOPS[type(answer)])
    if differences := _differences(patient, answer.person):
        return Differs(differences, answer.practice, answer.person.deceased)
    if answer.practice.ods_code in own:
        return RegisteredHere(answer.practice)
    return Registered(answer.practice, answer.person.deceased)


def _differences(patient: Patient, person: Person) -> tuple[Difference, ...]:
    differences = []
    if person.family is None or not same_name(patient.name.family, person.family):
        differences.append(Difference("patient.name.family", patient.name.family, person.family))
    if patient.birth_date.isoformat() != person.birth_date:
        differences.append(Difference("patient.birth_date", patient.birth_date.isoformat(), person.birth_date))
    return tuple(differences)
