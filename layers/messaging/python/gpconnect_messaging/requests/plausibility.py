"""Checks a request's dates and times against one another, the patient's birth, and now.

A time in a wrong unit, or in the wrong field, is refused before a practice files under it, or a hold window counts from
it.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from gpconnect_messaging.requests.models import Request, Withdrawal
from gpconnect_messaging.requests.refusal import Reason
from gpconnect_messaging.stated_times import EARLIEST, uk_local

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""

_TOO_EARLY = f"lies before {EARLIEST.year}: leave it out where it is not known"
_LONG_AGO = f"lies before {EARLIEST.year}: check the date, and the unit in which the time was counted"
_FUTURE = "lies in the future: check the date, and the offset from UTC"


def implausible(request: Request, now: datetime) -> Iterator[Reason]:
    """Yield a reason for every implausible date or time of the request; `now` has an offset."""
    today = uk_local(now).date()
    yield from _births(request, now)
    happened = dict(_happened(request))
    for field, time in happened.items():
        # `updated` and `issued` too: a future time would hold the request as long, and make true updates look older.
        if time > now + CLOCKS_DIFFER:
            yield Reason(field, _FUTURE)
    event = request.event
    about_the_patient = {**happened, "event.start": event and event.start, "event.end": event and event.end}
    for field, at in about_the_patient.items():
        if at and uk_local(at).date() < request.patient.birth_date <= today:
            yield Reason(field, "lies before the patient's birth: check both dates")
    consultation = request.consultation
    for field, at in (("consultation.start", consultation.start), ("consultation.end", consultation.end)):
        if at and at < EARLIEST:
            yield Reason(field, _LONG_AGO)
    if consultation.end and consultation.end < consultation.start:
        yield Reason("consultation.end", "lies before its start: check both")
    if consultation.updated and consultation.updated < EARLIEST:
        yield Reason("consultation.updated", _TOO_EARLY)
    elif consultation.updated and consultation.updated < consultation.start - CLOCKS_DIFFER:
        yield Reason("consultation.updated", "lies before the consultation's start: check both")
    if event and event.start and event.end and event.end < event.start:
        yield Reason("event.end", "lies before its start: check both")
    for number, section in enumerate(consultation.sections):
        for index, item in enumerate(section.items):
            for name, date_of in (("start", item.start), ("end", item.end)):
                field = f"consultation.sections[{number}].items[{index}].{name}"
                if date_of and date_of < request.patient.birth_date <= today:
                    yield Reason(field, "lies before the patient's birth: check both dates")
                if date_of and date_of > today and item.kind != "medication":
                    yield Reason(field, "lies in the future: check the date")
    for index, attachment in enumerate(consultation.unsent_attachments):
        if attachment.created > now + CLOCKS_DIFFER:
            yield Reason(f"consultation.unsent_attachments[{index}].created", _FUTURE)


def implausible_withdrawal(withdrawal: Withdrawal, now: datetime) -> Iterator[Reason]:
    """Yield a reason for every implausible time of the withdrawal."""
    if withdrawal.deleted and withdrawal.deleted > now + CLOCKS_DIFFER:
        # Every true request for the encounter would look older, and never be sent.
        yield Reason("deleted", _FUTURE)
    if withdrawal.deleted and withdrawal.deleted < EARLIEST:
        yield Reason("deleted", _TOO_EARLY)


def _births(request: Request, now: datetime) -> Iterator[Reason]:
    births: list[tuple[str, date]] = [("patient.birth_date", request.patient.birth_date)]
    if request.related_person:
        births.append(("related_person.birth_date", request.related_person.birth_date))
    patient, today = request.patient, uk_local(now).date()
    if patient.death_date:
        births.append(("patient.death_date", patient.death_date))
        if patient.death_date < patient.birth_date:
            yield Reason("patient.death_date", "lies before the patient's birth: check both dates")
        if patient.deceased is False:
            yield Reason("patient.deceased", "says no, and death_date yes: check both")
    for field, day in births:
        if day > today:
            yield Reason(field, "lies in the future: check the date")
    if patient.current_from and patient.current_until and patient.current_until < patient.current_from:
        yield Reason("patient.current_until", "lies before current_from: check both")
    for field in ("current_from", "current_until"):
        if getattr(patient, field) and patient.current_address is None:
            yield Reason(f"patient.{field}", "is given without current_address: give that too, or leave it out")


def _happened(request: Request) -> Iterator[tuple[str, datetime]]:
    """Yield the times of events in the patient's care, and of records about the patient."""
    consultation = request.consultation
    yield "consultation.start", consultation.start
    if consultation.end:
        yield "consultation.end", consultation.end
    if consultation.updated:
        yield "consultation.updated", consultation.updated
    if request.questionnaire and request.questionnaire.authored:
        yield "questionnaire.authored", request.questionnaire.authored
    for index, observation in enumerate(request.observations):
        yield f"observations[{index}].issued", observation.issued
