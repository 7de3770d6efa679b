"""The rules of a request that need settings or the clock."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gpconnect_messaging.identifiers import OWN_MAILBOX_ID_RULE, NumberRange, is_mailbox_id, number_range
from gpconnect_messaging.itk3.people import names_nhs_number
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.media_types import UNSUPPORTED, find_media_type, media_type
from gpconnect_messaging.requests.damage import damage
from gpconnect_messaging.requests.models import VERIFIED, Author, Patient, Request, Withdrawal, coded_kinds
from gpconnect_messaging.requests.plausibility import implausible
from gpconnect_messaging.requests.refusal import Reason
from gpconnect_messaging.routing.automatic import surname_fault
from gpconnect_messaging.specification import Confidentiality, Specification
from gpconnect_messaging.usecases import OPTIONAL_FIELDS, USE_CASES
from gpconnect_messaging.usecases.definition import VersionRules

if TYPE_CHECKING:  # the module also reads parameters, which needs boto3
    from gpconnect_messaging.mailboxes.senders import Sender


def broken_rules(request: Request, mailbox: MailboxSettings, numbers: NumberRange, now: datetime) -> Iterator[Reason]:
    """Yield a reason for every rule that the request breaks."""
    yield from _nhs_number(request, numbers)
    yield from _damaged("", request.model_dump(exclude={"resources"}))  # resources report their own paths
    if not is_mailbox_id(request.mailbox):  # no environment can have such a mailbox
        yield Reason("mailbox", f"must be {OWN_MAILBOX_ID_RULE}")
    if fault := surname_fault(request.patient.name.family):
        yield Reason("patient.name.family", fault)
    yield from implausible(request, now)
    yield from _described(request.patient)
    for index, identifier in enumerate(request.patient.identifiers):
        if names_nhs_number(identifier.system, identifier.value):
            yield Reason(f"patient.identifiers[{index}]", "is an NHS number: nhs_number is the only one")
        if identifier in request.patient.identifiers[:index]:
            yield Reason(f"patient.identifiers[{index}]", "stands twice: leave it out")
    yield from _use_case(request)
    practice = request.registered_practice and request.registered_practice.ods_code
    codes = [other.ods_code for other in request.others.values()]
    for field, other in request.others.items():
        if other.ods_code == practice:
            yield Reason(f"{field}.ods_code", "is the registered practice, which gets the document anyway")
        if other.ods_code == request.organisation.ods_code:
            yield Reason(f"{field}.ods_code", "is the sending organisation itself")
        if codes.count(other.ods_code) > 1:
            yield Reason(f"{field}.ods_code", "stands twice: name each recipient once")
    if request.organisation.ods_code != mailbox.ods_code:
        yield Reason("organisation.ods_code", "is not the organisation that the sending mailbox belongs to")
    rules = USE_CASES[request.use_case].versions.get(mailbox.specification)
    if rules is None:
        yield Reason(
            "use_case", f"is not part of specification {mailbox.specification_rules.version}, which the mailbox follows"
        )
        return
    yield from _people(request, rules, mailbox.specification_rules)
    yield from _coded(request)
    yield from _document(request, mailbox)
    version = mailbox.specification_rules.version
    for field in request.others if not rules.care_provider_allowed else ():  # GPCM-SD-CS-060
        yield Reason(field, f"specification {version} sends this use case to the registered practice only")
    for field in sorted(rules.prescribed):
        if getattr(request, field):
            yield Reason(field, f"is prescribed by specification {version} for this use case: leave it out")
    yield from _confidential(request, mailbox.specification_rules)


def _damaged(path: str, value: Any) -> Iterator[Reason]:
    if isinstance(value, str) and (rule := damage(value)):
        yield Reason(path.removeprefix("."), rule)
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield from _damaged(f"{path}.{name}", inner)
    for index, inner in enumerate(value) if isinstance(value, list) else ():
        yield from _damaged(f"{path}[{index}]", inner)


def _nhs_number(request: Request, numbers: NumberRange) -> Iterator[Reason]:
    if number_range(request.patient.nhs_number) is not numbers:  # safety rule 4
        yield Reason(
            "patient.nhs_number",
            "is a test number (900-999), and this environment sends for living patients only"
            if numbers is NumberRange.LIVE
            else "is outside the test range 900-999, and this environment is for tests only",
        )


def _described(patient: Patient) -> Iterator[Reason]:
    """Yield what else identifies a patient whose NHS number is not verified (FHIR-PDS-02), but for a forename."""
    if patient.verification == VERIFIED:
        return
    needed = {
        "gender": patient.gender,
        "address": patient.address,
        "address.postcode": patient.address is None or patient.address.postcode,
    }
    for field, value in needed.items():
        if not value:
            yield Reason(f"patient.{field}", "is missing: a patient without a verified NHS number needs it")


def _use_case(request: Request) -> Iterator[Reason]:
    use_case = USE_CASES[request.use_case]
    for name in OPTIONAL_FIELDS:
        present = bool(getattr(request, name))
        if present and name not in use_case.takes:
            yield Reason(name, f"is not part of a request for use case {request.use_case}: leave it out")
        if not present and name in use_case.needs:
            yield Reason(name, f"is missing: use case {request.use_case} needs it")
    if request.device and Author.DEVICE not in request.authors:
        # Nothing else in a message refers to it, and a FHIR document may not have an unreferenced resource.
        yield Reason("device", "is given, and authors does not name it: name it there, or leave it out")
    for index, document in enumerate(request.documents):
        if find_media_type(document.content_type) is None:
            yield Reason(f"documents[{index}]", UNSUPPORTED)
    primary = request.primary
    if primary is None and not use_case.rendered:
        yield Reason("documents", "exactly one document must be primary")
    if primary and media_type(primary.content_type) not in use_case.primary_content_types:  # GPCM-SD-CS-028
        index = request.documents.index(primary)
        allowed = ", ".join(sorted(use_case.primary_content_types))
        yield Reason(f"documents[{index}].content_type", f"the primary document must be {allowed}")


def _people(request: Request, rules: VersionRules, specification: Specification) -> Iterator[Reason]:
    if request.practitioner is None:
        if rules.practitioner_required:  # GPCM-SD-CS-025, GPCM-SD-CS-036
            yield Reason("practitioner", f"is missing: specification {specification.version} requires it")
        elif not request.authors and not specification.author_may_be_unknown:  # GPCM-SD-OC-009, GPCM-SD-GE-009
            yield Reason("authors", "is missing: say who wrote it, or name the practitioner")
        if request.other_practitioners:
            yield Reason("practitioner", "is missing: name the first of the practitioners there")
    elif rules.practitioner_required and request.authors and Author.PRACTITIONER not in request.authors:
        yield Reason("authors", f"must name the practitioner: specification {specification.version} requires it")


def _coded(request: Request) -> Iterator[Reason]:
    """Yield why coded items may not be sent as FHIR resources."""
    allowed = USE_CASES[request.use_case].coded_kinds
    for field, kind in coded_kinds(request.consultation):
        if kind not in allowed:
            name = "code" if kind == "result" else "kind"
            yield Reason(f"{field}.{name}", f"use case {request.use_case} takes no coded {kind}: leave it out")
        elif kind != "result" and request.practitioner is None:  # GPCM-SD-GE-101, 166 and 235: who recorded it
            yield Reason("practitioner", f"is missing: {field}.kind needs to know who recorded it")


def _document(request: Request, mailbox: MailboxSettings) -> Iterator[Reason]:
    specification = mailbox.specification_rules
    if request.document_type and specification.document_types is not None:  # GPCM-SD-115
        approved = {*specification.document_types, *mailbox.document_types}
        if request.document_type.code not in approved:
            yield Reason("document_type.code", f"is not approved for this mailbox: use one of {sorted(approved)}")


def _confidential(request: Request, specification: Specification) -> Iterator[Reason]:
    if not request.consultation.confidential:
        return
    if specification.confidential is Confidentiality.NOT_SENT:  # safety rule 7
        yield Reason(
            "consultation.confidential",
            f"specification {specification.version} does not let a confidential report be sent",
        )
        return
    # The details of a redacted notification must not reveal the content that the document omits (GPCM-SD-CS-008).
    for name in ("event", "care_setting", "location", "observations", "questionnaire", "resources"):
        if getattr(request, name):
            yield Reason(name, "must be left out of a confidential consultation, which is sent redacted")


def broken_sender_rules(sender: "Sender | None", asked: Request | Withdrawal, folder: str) -> Iterator[Reason]:
    """Yield a reason for every mailbox or file that the request names and the sender may not use.

    The documents' keys are relative to `folder`: empty for a request that came on a queue.
    """
    if sender is None:
        yield Reason(
            "request", "came from no configured sender: it lies under no sender's prefix, or on no sender's queue"
        )
        return
    if asked.mailbox not in sender.mailboxes:
        yield Reason("mailbox", "is not one that this sender may use")
    if isinstance(asked, Withdrawal):
        return
    for field, key in asked.files:
        if not sender.owns(folder + key):
            yield Reason(f"{field}.key", "lies outside of this sender's prefix of the drop bucket")
