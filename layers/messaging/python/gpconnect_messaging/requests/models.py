"""The request of a sending system, as a JSON file or a queue message.

The JSON Schema published in `events/request.schema.json` is generated from these models. Unknown fields are refused,
so that a misspelt optional field is never silently dropped.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from gpconnect_messaging.identifiers import (
    NHS_NUMBER_SYSTEM,
    NO_CONCEPT_ID,
    PROFESSIONAL_SYSTEMS,
    URI,
    URI_RULE,
    is_concept_id,
)
from gpconnect_messaging.json_reading import JsonError, read_json
from gpconnect_messaging.media_types import media_type, other_names, supported_types
from gpconnect_messaging.requests.clinical import Observation, QuestionnaireAnswers, SuppliedResource
from gpconnect_messaging.requests.fields import (
    Concept,
    ConceptId,
    Count,
    DropKey,
    Identifier,
    MailboxId,
    NhsNumber,
    OdsCode,
    Part,
    Shape,
    ShortText,
    Text,
    fields_of,
)
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.requests.sentences import broken_forms
from gpconnect_messaging.requests.times import Day, Time
from gpconnect_messaging.specification import UseCase

_Model = TypeVar("_Model", bound=Part)

PICTURE_TYPES = frozenset({"image/png", "image/jpeg"})
"""Picture types that a rendered report can show in the notes."""

LARGEST_REQUEST = 1_048_576
"""Longest request, in bytes; a queue message cannot be longer either."""
DEEPEST = 64
"""How many levels of objects and lists a request may have: a question in a question has two."""

RequestId = Annotated[Identifier, Field(min_length=8, max_length=128)]


class Author(StrEnum):
    """Who wrote what the document says."""

    PRACTITIONER = "practitioner"
    PATIENT = "patient"
    RELATED_PERSON = "related_person"
    DEVICE = "device"


class Name(Part):
    """A person's one official name."""

    family: ShortText = Field(description="family name; of a person with one name that name")
    given: list[ShortText] = Field(description="forename(s), first one first; [] for a person with one name")
    prefix: ShortText | None = Field(default=None, description="title, such as Mrs or Dr")

    @property
    def text(self) -> str:
        """The name as read aloud: prefix, forenames, family name."""
        return " ".join([*([self.prefix] if self.prefix else []), *self.given, self.family])


class Address(Part):
    """A postal address."""

    lines: Annotated[list[ShortText], Field(min_length=1, max_length=40)]
    city: ShortText | None = None
    district: ShortText | None = None
    postcode: ShortText | None = None


class LocalIdentifier(Part):
    """An identifier of a local system, such as a hospital number or a staff number."""

    system: Annotated[str, Shape(URI, URI_RULE)] = Field(
        max_length=255, description=f"the system that the value belongs to: {URI_RULE}"
    )
    value: Identifier

    @model_validator(mode="after")
    def _of_a_local_system(self) -> Self:
        if self.system in {NHS_NUMBER_SYSTEM, *PROFESSIONAL_SYSTEMS.values()}:
            raise ValueError(
                "system: is that of NHS numbers or of a register of clinicians, which no local identifier has: "
                "say nhs_number for a patient, and gmc_number or the register's other fields for a clinician"
            )
        return self


VERIFIED, NOT_TRACED, IN_CONFLICT = "01", "02", "05"


class Patient(Part):
    """The subject of the document: the address, the Patient resource, the subject and the PDF all come from here."""

    nhs_number: NhsNumber
    nhs_number_status: Literal["01", "02", "03", "04", "05", "06", "08"] | None = Field(
        default=None,
        description="what the sender knows of the number, if the product does not ask PDS: 01 verified with PDS, 02 "
        "not traced, 03 trace required, 04 traced without a match, 05 in conflict with PDS, 06 trace in progress, 08 "
        "trace postponed (baby under six weeks); left out: 02",
    )
    name: Name
    birth_date: Day
    identifiers: Annotated[list[LocalIdentifier], Field(max_length=20)] = Field(
        default_factory=list, description="further identifiers, such as hospital numbers"
    )
    gender: Literal["male", "female", "other", "unknown"] | None = None
    deceased: bool | None = Field(default=None, description="whether the patient has died; left out: not known")
    death_date: Day | None = None
    address: Address | None = None
    phones: list[ShortText] = Field(default_factory=list)
    mobile: ShortText | None = None
    current_address: Address | None = Field(default=None, description="where the patient stays for the time being")
    current_from: Day | None = Field(default=None, description="the first day at the current address")
    current_until: Day | None = Field(default=None, description="the last day at the current address")
    current_phone: ShortText | None = Field(default=None, description="where to ring for the time being")

    @property
    def verification(self) -> str:
        """The verification status of the NHS number: what was really done (decision 51)."""
        return self.nhs_number_status or NOT_TRACED


class Practitioner(Part):
    """The clinician who saw the patient."""

    sds_user_id: (
        Annotated[str, Shape("[0-9]{12}", "an SDS user id, twelve digits 0-9: leave an unknown one out")] | None
    ) = Field(
        default=None, description='SDS user id: twelve digits. Leave it out if it is not known: 1.5 then sends "UNK"'
    )
    sds_role_profile_id: Annotated[str, Shape("[0-9]{12}", "an SDS role profile id: twelve digits 0-9")] | None = Field(
        default=None, description="SDS role profile id: twelve digits"
    )
    gmc_number: (
        Annotated[str, Shape("C?[0-9]{7}", "a GMC number: seven digits 0-9, and a C before them or none")] | None
    ) = Field(default=None, description="General Medical Council: seven digits, after a C or not")
    gmp_number: Annotated[str, Shape("G[0-9]{7}", "a GMP number: G and seven digits 0-9")] | None = Field(
        default=None, description="general medical practitioner: G and seven digits"
    )
    gphc_number: Annotated[str, Shape("[0-9]{7}", "a GPhC number: seven digits 0-9")] | None = Field(
        default=None, description="General Pharmaceutical Council: seven digits"
    )
    hcpc_number: Annotated[str, Shape("[A-Z]{2,3}[0-9]{4,6}", "an HCPC number such as PH123456")] | None = Field(
        default=None, description="Health and Care Professions Council, such as PH123456"
    )
    nmc_number: Annotated[str, Shape("[0-9]{2}[A-Z][0-9]{4}[A-Z]", "an NMC number such as 12A3456B")] | None = Field(
        default=None, description="Nursing and Midwifery Council, such as 12A3456B"
    )
    identifiers: Annotated[list[LocalIdentifier], Field(max_length=10)] = Field(
        default_factory=list, description="identifiers of other systems, such as a staff number"
    )
    name: Name
    role: ShortText | None = Field(default=None, description="sent as a PractitionerRole as well")
    phone: ShortText | None = None

    @property
    def numbers(self) -> list[tuple[str, str]]:
        """The systems and values of all identifiers."""
        fixed = [(system, getattr(self, field)) for field, system in PROFESSIONAL_SYSTEMS.items()]
        local = [(identifier.system, identifier.value) for identifier in self.identifiers]
        return [(system, value) for system, value in fixed + local if value]


class OtherPractitioner(Practitioner):
    """A further clinician who took part."""

    role: ShortText = Field(description="what this clinician did, sent as a PractitionerRole as well")
    author: bool = Field(default=False, description="true: an author of the document, too")


class Organisation(Part):
    """The sending organisation."""

    ods_code: OdsCode
    name: ShortText
    address: Address | None = None
    phone: ShortText = Field(description="required by GPCM-SD-CS-035 and GPCM-SD-028 (2.0)")
    email: ShortText | None = None
    branch: ShortText | None = Field(default=None, description="the branch where the patient was seen")


class Practice(Part):
    """The patient's registered practice, as far as the sender knows it."""

    ods_code: OdsCode
    name: ShortText | None = None


class CareProvider(Part):
    """Another recipient than the registered practice."""

    ods_code: OdsCode
    mailbox: MailboxId | None = Field(
        default=None, description="the MESH mailbox id; without one, MESH is asked for it at the time of sending"
    )


class RelatedPerson(Part):
    """A person who acts for the patient, such as a parent."""

    name: Name
    birth_date: Day
    phones: list[ShortText] = Field(default_factory=list)


class Device(Part):
    """The system that recorded what the document says."""

    type: Concept
    manufacturer: ShortText
    model: ShortText | None = None
    version: ShortText | None = None


class Location(Part):
    """The site where it happened."""

    site_code: OdsCode
    name: ShortText
    phone: ShortText
    address: Address | None = None


class Event(Part):
    """The event that the document is about, where the document's type does not say it."""

    code: Concept
    start: Time | None = None
    end: Time | None = None


KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "medication": (("prescription", "text"), ("active", "completed", "stopped"), ("status", "start", "end")),
    "problem": (("significance",), ("active", "inactive"), ("status", "start", "end")),
    "allergy": (("cause",), ("active", "resolved"), ("status", "reaction", "start", "end")),
    "procedure": ((), ("completed",), ("status", "start")),
}
"""The fields that a kind of coded item needs, the statuses, and the fields that it may have."""


class CodedItem(Part):
    """Something that the clinician recorded with a code.

    With a `kind`, it is shown in the report and sent as coded FHIR resources as well.
    """

    term: ShortText
    code: Annotated[str, Shape("[0-9]{6,18}", "a concept id: six to eighteen digits 0-9")] = Field(
        description="concept id: six to eighteen digits"
    )
    system: Literal["SNOMED CT", "dm+d"] = "SNOMED CT"
    text: Text | None = Field(default=None, description="words beside the code, such as a dose")
    confidential: bool = Field(default=False, description="true: shown as 'Confidential item' only")
    kind: Literal["medication", "problem", "allergy", "procedure"] | None = Field(
        default=None, description="what it is: then it is sent as coded FHIR resources as well"
    )
    status: Literal["active", "inactive", "completed", "stopped", "resolved"] | None = Field(
        default=None, description="of the kind; left out: active, and completed for a procedure"
    )
    prescription: Literal["acute", "repeat", "repeat-dispensing", "delayed-prescribing"] | None = Field(
        default=None, description="how a medication was prescribed"
    )
    significance: Literal["major", "minor"] | None = Field(default=None, description="of a problem")
    cause: Literal["medication", "environment"] | None = Field(default=None, description="of an allergy")
    reaction: ShortText | None = Field(default=None, description="how an allergy shows")
    start: Day | None = Field(default=None, description="when it started, or a procedure was done")
    end: Day | None = Field(default=None, description="when it ended, or a medication is to end")

    @model_validator(mode="after")
    def _fits_the_kind(self) -> Self:
        kind, status = self.kind, self.status
        needed, statuses, taken = KINDS[kind] if kind else ((), (), ())
        for name in needed:
            if not getattr(self, name):
                raise ValueError(f"{name}: is missing: an item of kind {kind} needs it")
        for name in ("status", "prescription", "significance", "cause", "reaction", "start", "end"):
            if getattr(self, name) and name not in (*needed, *taken):
                raise ValueError(
                    f"{name}: is not for an item {f'of kind {kind}' if kind else 'without kind'}: leave it out"
                )
        if status and status not in statuses:
            raise ValueError(f"status: of an item of kind {kind} must be {' or '.join(statuses)}")
        if status in ("stopped", "resolved") and not self.end:  # GPCM-SD-GE-089, GPCM-SD-GE-153
            raise ValueError(f"end: is missing: say when it was {status}")
        if self.end and kind != "medication" and status in (None, "active"):  # FHIR STU3, con-4
            raise ValueError(f"end: is given, and the {kind} is active: say that it is {statuses[1]}")
        if self.start and self.end and self.end < self.start:
            raise ValueError("end: lies before its start: check both")
        if kind and not is_concept_id(self.code):
            raise ValueError(f"code: {NO_CONCEPT_ID}")
        return self


class Result(Part):
    """One line of a table of results; with a code, it is sent as a FHIR Observation as well."""

    test: ShortText
    code: ConceptId | None = Field(default=None, description="SNOMED CT concept id of the test")
    value: ShortText
    unit: ShortText | None = None
    reference_range: ShortText | None = None
    abnormal: Literal["high", "low", "abnormal"] | None = None
    confidential: bool = Field(default=False, description="true: shown as 'Confidential item' only")


class Section(Part):
    """A titled part of the clinical notes, in the order in which it is shown: text, coded items, results, images."""

    title: ShortText
    text: Text | None = None
    items: list[CodedItem] = Field(default_factory=list)
    results: list[Result] = Field(default_factory=list)
    images: list[ShortText] = Field(
        default_factory=list, description="keys of PNG or JPEG documents of this request to show here as well"
    )
    confidential: bool = Field(default=False, description="true: shown as 'Confidential item' only")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.text or self.items or self.results or self.images):
            raise ValueError("holds nothing: give text, items, results or images")
        return self


class UnsentAttachment(Part):
    """An attachment that was too large to send: the report names it, so that the practice can ask for it."""

    name: ShortText
    created: Time
    size: Count = Field(description="bytes")


class Consultation(Part):
    """What happened, when, and how confidential it is."""

    start: Time
    end: Time | None = None
    updated: Time | None = Field(
        default=None,
        description="when it was last updated, or created; left out: when the request came. The hold window counts "
        "from it, and of two requests for one encounter the later one is the newest",
    )
    type: Concept | None = Field(default=None, description="the kind of encounter")
    priority: Literal["R", "UR", "EM", "A"] = Field(
        default="R", description="routine, urgent, emergency, or as soon as possible"
    )
    confidential: bool = Field(default=False, description="the patient asked for the consultation to be confidential")
    sections: list[Section] = Field(default_factory=list)
    follow_up_actions: list[Text] = Field(default_factory=list, description="what the practice is asked to do")
    unsent_attachments: list[UnsentAttachment] = Field(default_factory=list)


def coded_kinds(consultation: Consultation) -> Iterator[tuple[str, str]]:
    """Yield the field and kind of everything in the sections that is sent as FHIR resources."""
    for number, section in enumerate(consultation.sections):
        for index, item in enumerate(section.items):
            if item.kind:
                yield f"consultation.sections[{number}].items[{index}]", item.kind
        for index, result in enumerate(section.results):
            if result.code:
                yield f"consultation.sections[{number}].results[{index}]", "result"


class RequestedDocument(Part):
    """A document beside the request."""

    key: DropKey
    content_type: Annotated[
        str,
        Shape(
            '[A-Za-z]+/[A-Za-z0-9.+-]+( ?; ?[A-Za-z0-9-]+=[A-Za-z0-9._:"-]+)*',
            "a content type such as application/pdf",
        ),
    ] = Field(description=f"{', '.join(supported_types())}; other names that are taken: {', '.join(other_names())}")
    title: ShortText
    primary: bool = Field(
        default=False,
        description="true: this is the report. Of a PDF beside the consultation's sections, where no document is the "
        "report, say false: it is sent beside the report that is rendered from the sections",
    )

    @property
    def is_pdf(self) -> bool:
        """Whether the sender calls it a PDF, so that it could be the report."""
        return media_type(self.content_type) == "application/pdf"


class _Root(Part):
    """What a request of either kind may have."""

    schema_: str | None = Field(default=None, alias="$schema", description="ignored: where an editor finds this schema")


class Withdrawal(_Root):
    """The consultation was deleted: held reports are stopped, and a person is warned of sent ones.

    Source: GPCM-SD-CS-077.
    """

    kind: Literal["withdraw"]
    request_id: RequestId | None = Field(
        default=None,
        description="the sender's own unique id of this withdrawal: needed on the queue, ignored in a drop",
    )
    mailbox: MailboxId = Field(description="the sending MESH mailbox id")
    encounter: Identifier = Field(description="the sender's unique id of the encounter that was deleted")
    deleted: Time | None = Field(default=None, description="when it was deleted; left out: when the withdrawal came")

    @property
    def files(self) -> list[tuple[str, str]]:
        """A withdrawal names no files."""
        return []


class Request(_Root):
    """One document to send about one encounter.

    A newer request for the same encounter and mailbox replaces it while it is held, and is the next version
    once it was sent.
    """

    kind: Literal["send"] = "send"
    request_id: RequestId | None = Field(
        default=None, description="the sender's own unique id of this request: needed on the queue, ignored in a drop"
    )
    use_case: Annotated[UseCase, Field(strict=False)]
    mailbox: MailboxId = Field(description="the sending MESH mailbox id")
    encounter: Identifier = Field(description="the sender's unique id of the encounter (SenderReference)")
    patient: Patient
    practitioner: Practitioner | None = Field(default=None, description="required by specification 1.5")
    other_practitioners: Annotated[list[OtherPractitioner], Field(max_length=20)] = Field(
        default_factory=list, description="further clinicians, beside the practitioner"
    )
    organisation: Organisation
    registered_practice: Practice | None = None
    clinically_relevant: bool = Field(
        default=True, description="false: kept, and not sent (GPCM-SD-CS-073), such as an administrative item"
    )
    consultation: Consultation
    documents: Annotated[list[RequestedDocument], Field(max_length=50)] = Field(
        default_factory=list, description="without a primary one, the report is rendered from the consultation"
    )
    attention: ShortText | None = Field(
        default=None, description="the person or department at the recipient whom the document is for"
    )
    recipient_type: Literal["FA", "FI"] | None = Field(
        default=None, description="FA: for action; FI: for information; left out: as the use case has it"
    )
    title: ShortText | None = Field(default=None, description="what the document is called")
    document_type: Concept | None = Field(default=None, description="what kind of document it is")
    care_setting: Concept | None = Field(
        default=None,
        description="the kind of service that sends the document; left out: the mailbox's. Specification 2.0 wants it",
    )
    event: Event | None = None
    care_provider: CareProvider | None = Field(
        default=None, description="who must act; the registered practice then gets a copy for information"
    )
    copy_to: Annotated[list[CareProvider], Field(max_length=20)] = Field(
        default_factory=list, description="further recipients, who get a copy for information"
    )
    authors: Annotated[list[Annotated[Author, Field(strict=False)]], Field(max_length=4)] = Field(
        default_factory=list, description="left out: the practitioner"
    )
    related_person: RelatedPerson | None = None
    device: Device | None = None
    location: Location | None = None
    observations: Annotated[list[Observation], Field(max_length=200)] = Field(default_factory=list)
    questionnaire: QuestionnaireAnswers | None = None
    resources: Annotated[list[SuppliedResource], Field(max_length=200)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_primary_document_or_notes_to_render(self) -> Self:
        if more := [index for index, document in enumerate(self.documents) if document.primary][1:]:
            raise ValueError(f"documents[{more[0]}].primary: only one document can be primary")
        if self.primary is None and not (self.consultation.sections or self.consultation.confidential):
            raise ValueError("documents: give a primary document, or the consultation's sections to render one from")
        return self

    @model_validator(mode="after")
    def _a_pdf_beside_notes_says_what_it_is(self) -> Self:
        if self.primary or not self.consultation.sections:
            return self
        for index, document in enumerate(self.documents):
            if document.is_pdf and "primary" not in document.model_fields_set:
                raise ValueError(
                    f"documents[{index}].primary: is missing, and the consultation has sections: say true where this "
                    "PDF is the report, or false where it goes beside the report that is rendered from the sections"
                )
        return self

    @model_validator(mode="after")
    def _no_file_is_named_twice(self) -> Self:
        seen: set[str] = set()
        for field, key in self.files:
            if key in seen:
                raise ValueError(f"{field}.key: stands twice: name each file once")
            seen.add(key)
        return self

    @model_validator(mode="after")
    def _authors_are_known(self) -> Self:
        if len(set(self.authors)) != len(self.authors):
            raise ValueError("authors: must be named once each")
        for author in self.authors:
            if getattr(self, author) is None:
                raise ValueError(f"{author}: is missing, and authors names it")
        return self

    @model_validator(mode="after")
    def _images_are_documents(self) -> Self:
        pictures = {document.key for document in self.documents if media_type(document.content_type) in PICTURE_TYPES}
        for number, section in enumerate(self.consultation.sections):
            for index, key in enumerate(section.images):
                if key not in pictures:
                    field = f"consultation.sections[{number}].images[{index}]"
                    raise ValueError(f"{field}: is not the key of a PNG or JPEG document of this request")
        return self

    @property
    def primary(self) -> RequestedDocument | None:
        """The sender's primary document; None if it is to be rendered from the consultation."""
        return next((document for document in self.documents if document.primary), None)

    @property
    def files(self) -> list[tuple[str, str]]:
        """The fields that name files, and the files' keys."""
        documents = [(f"documents[{number}]", file.key) for number, file in enumerate(self.documents)]
        return documents + [
            (f"resources[{number}]", file.key) for number, file in enumerate(self.resources) if file.key
        ]

    @property
    def clinicians(self) -> dict[str, Practitioner]:
        """The practitioner and the others, by the names that ready resources have for them."""
        first = {"practitioner": self.practitioner} if self.practitioner else {}
        return first | {f"other-{number}": one for number, one in enumerate(self.other_practitioners, 1)}

    def with_number_status(self, status: str) -> "Request":
        """Return the request with this verification status of the NHS number."""
        return self.model_copy(update={"patient": self.patient.model_copy(update={"nhs_number_status": status})})

    @property
    def others(self) -> dict[str, CareProvider]:
        """The recipients beside the registered practice, by field."""
        first = {"care_provider": self.care_provider} if self.care_provider else {}
        return first | {f"copy_to[{index}]": other for index, other in enumerate(self.copy_to)}

    @property
    def documents_in_order(self) -> list[RequestedDocument]:
        """The documents with the primary one first (GPCM-SD-032)."""
        return sorted(self.documents, key=lambda document: not document.primary)


def parse_request(raw: bytes) -> Request:
    """Read a request to send something from JSON.

    Raises RequestRefusedError with one Reason per broken rule.
    """
    return _validated(Request, _read(raw))


def parse(raw: bytes) -> Request | Withdrawal:
    """Read a request of either kind from JSON.

    Raises RequestRefusedError with one Reason per broken rule.
    """
    content = _read(raw)
    kind = content.get("kind")
    if kind is None and {"mailbox", "encounter"} <= content.keys() <= fields_of(Withdrawal).keys():
        raise RequestRefusedError.because(
            "kind",
            'is "kind": "withdraw" missing? Without it this is a request to send, and has only a withdrawal\'s fields',
        )
    if kind not in (None, "send", "withdraw"):
        raise RequestRefusedError.because("kind", 'must be "withdraw", or "send", which may be left out')
    return _validated(Withdrawal, content) if kind == "withdraw" else _validated(Request, content)


def _read(raw: bytes) -> dict[str, object]:
    try:
        content = read_json(raw, largest=LARGEST_REQUEST, deepest=DEEPEST)
    except JsonError as error:
        broken = str(error)
    else:
        if isinstance(content, dict):
            return content
        broken = "is not a JSON object: write its fields in curly brackets"
    raise RequestRefusedError.because("request", broken)


def _validated(kind: type[_Model], content: dict[str, object]) -> _Model:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        # Inputs and pydantic's texts of them do not leave this function: only our paths and rules do.
        reasons = broken_forms(kind, error, content)
    raise RequestRefusedError(reasons)
