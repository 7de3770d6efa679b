"""The content of a consultation report before it is drawn: the request's data as text, redacted where required.

Redacted data never reach the drawing code, so they cannot be in the file (GPCM-SD-CS-008, -009, -010).
`requests.redaction` redacts the message around the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gpconnect_messaging.documents import wording
from gpconnect_messaging.documents.report_designs import Design
from gpconnect_messaging.requests.models import CodedItem, Patient, Request, Result, Section
from gpconnect_messaging.usecases import USE_CASES

_RESULT_HEADINGS = ("Test", "Result", "UoM", "Ref. Range")
_ATTACHMENT_HEADINGS = ("Name", "Date and time", "Size")


class TooManyLinesError(Exception):
    """A report would exceed the maximum length."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A text; line breaks are kept."""

    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table; an abnormal one has a coloured background, bold text and the word itself."""

    cells: tuple[str, ...]
    abnormal: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `widths` are the columns' shares of the total width."""

    headings: tuple[str, ...]
    widths: tuple[float, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """The bytes of a PNG or JPEG image."""

    content: bytes = field(repr=False)


Block = Paragraph | Table | Picture


@dataclass(frozen=True, slots=True)
class Note:
    """A section of the notes: a title and the blocks beside it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Notes under a bar with a heading, which every page of the part repeats."""

    heading: str
    notes: tuple[Note, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """The full content of a report. `fields` are the labelled values by the layout's field names; empty: no value."""

    title: str
    version: int
    related_documents: int
    fields: dict[str, str] = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)

    @property
    def least_lines(self) -> int:
        """The minimum number of lines of notes: line breaks, rows, pictures, sections."""
        return sum(_least_lines(note) for part in self.parts for note in part.notes)


def _least_lines(note: Note) -> int:
    lines = 0
    for block in note.blocks:
        match block:
            case Paragraph(text):
                lines += 1 + text.count("\n")
            case Table(rows=rows):
                lines += sum(1 + max(cell.count("\n") for cell in row.cells) for row in rows)
            case Picture():
                lines += 1
    return max(lines, 1)


def report_content(request: Request, version: int, pictures: Mapping[str, bytes], design: Design) -> ReportContent:
    """Build the content of a request's report in a design. `pictures` are the images that the sections name, by key."""
    title = request.title or USE_CASES[request.use_case].title or ""
    confidential = request.consultation.confidential
    return ReportContent(
        title=title.upper() if design.capital_title else title,
        version=version,
        related_documents=sum(not document.primary for document in request.documents),
        fields=_patient(request) | _organisation(request, design),
        parts=_confidential_parts(design) if confidential else _parts(request, pictures, design),
    )


def needed_pictures(request: Request) -> list[str]:
    """List the keys of the images in the report; confidential ones are left out."""
    if request.consultation.confidential:
        return []
    shown = (section.images for section in request.consultation.sections if not section.confidential)
    return list(dict.fromkeys(key for images in shown for key in images))


def _patient(request: Request) -> dict[str, str]:
    patient = request.patient
    return {
        "patient_name": wording.patient_name(patient.name),
        "birth_date": wording.day(patient.birth_date),
        "death": wording.day(patient.death_date) if patient.death_date else "Yes" if patient.deceased else "",
        "gender": (patient.gender or "").capitalize(),
        "nhs_number": wording.nhs_number(patient.nhs_number),
        "identifiers": ", ".join(f"{number.value} ({number.system})" for number in patient.identifiers),
        "address": wording.address(patient.address) if patient.address else "",
        "phone": ", ".join(map(wording.telephone, patient.phones)),
        "mobile": wording.telephone(patient.mobile) if patient.mobile else "",
        "current_address": _current_address(patient),
        "current_phone": wording.telephone(patient.current_phone) if patient.current_phone else "",
    }


def _current_address(patient: Patient) -> str:
    days = (("from", patient.current_from), ("until", patient.current_until))
    parts = [wording.address(patient.current_address)] if patient.current_address else []
    return ", ".join([*parts, *(f"{word} {wording.day(day)}" for word, day in days if day)])


def _organisation(request: Request, design: Design) -> dict[str, str]:
    practice = request.registered_practice
    always = {
        "consultation_date": wording.moment(request.consultation.start),
        "receiving_practice": (practice.name or practice.ods_code) if practice else "",
        "attention": request.attention or "",
    }
    if request.consultation.confidential:  # GPCM-SD-CS-008
        return always
    organisation = request.organisation
    return always | {
        "clinician": "; ".join(
            ", ".join(filter(None, [one.name.text, one.role])) for one in request.clinicians.values()
        ),
        "organisation_phone": wording.telephone(organisation.phone),
        "organisation_email": organisation.email or "",
        "branch": organisation.branch or "",
        "organisation": wording.organisation(organisation, *design.organisation),
    }


def _confidential_parts(design: Design) -> tuple[Part, ...]:
    warning = Note("Clinical Notes", (Paragraph(wording.CONFIDENTIAL_CONSULTATION),))
    return (Part(design.notes_heading, (*_summary_reason(design), warning)),)


def _parts(request: Request, pictures: Mapping[str, bytes], design: Design) -> tuple[Part, ...]:
    consultation = request.consultation
    parts = {design.notes_heading: [*_summary_reason(design)]}
    if kind := consultation.type:
        coded = f"{kind.display} (SNOMED CT {kind.code})"
        parts[design.notes_heading].append(Note("Consultation Type", (Paragraph(coded),)))
    parts[design.notes_heading] += [_note(section, pictures) for section in consultation.sections]
    if consultation.unsent_attachments:
        rows = tuple(
            Row((attachment.name, wording.moment(attachment.created), wording.size(attachment.size)))
            for attachment in consultation.unsent_attachments
        )
        table = Table(_ATTACHMENT_HEADINGS, (0.5, 0.3, 0.2), rows)
        title = "Attachments" if design.attachments_heading else "Attachments too large to send"
        parts.setdefault(design.attachments_heading or design.notes_heading, []).append(Note(title, (table,)))
    if consultation.follow_up_actions:
        actions = tuple(Paragraph(action) for action in consultation.follow_up_actions)
        title = "Actions" if design.follow_up_heading else "Follow-up Actions"
        parts.setdefault(design.follow_up_heading or design.notes_heading, []).append(Note(title, actions))
    return tuple(Part(heading, tuple(notes)) for heading, notes in parts.items() if notes)


def _summary_reason(design: Design) -> tuple[Note, ...]:
    reason = Note("Summary Reason", (Paragraph(wording.SUMMARY_REASON + "."),))
    return (reason,) if design.summary_reason else ()


def _note(section: Section, pictures: Mapping[str, bytes]) -> Note:
    if section.confidential:
        # The title can reveal as much as the text.
        return Note("Notes", (Paragraph(wording.CONFIDENTIAL_ITEM),))
    blocks: list[Block] = []
    if section.text:
        blocks.append(Paragraph(section.text))
    blocks += [Paragraph(_coded(item)) for item in section.items]
    if section.results:
        blocks.append(Table(_RESULT_HEADINGS, (0.38, 0.27, 0.17, 0.18), tuple(map(_result, section.results))))
    blocks += [Picture(pictures[key]) for key in section.images]
    return Note(section.title, tuple(blocks))


def _coded(item: CodedItem) -> str:
    if item.confidential:
        return wording.CONFIDENTIAL_ITEM
    coded = f"{item.term} ({item.system} {item.code})"
    facts = [
        " ".join(filter(None, (item.prescription or item.significance or item.cause, item.kind))),
        item.status or ("active" if item.kind in ("medication", "problem", "allergy") else ""),
        " ".join(
            f"{word} {wording.day(on)}"
            for word, on in (("on" if item.kind == "procedure" else "from", item.start), ("to", item.end))
            if on
        ),
        f"reaction: {item.reaction}" if item.reaction else "",
    ]
    words = "; ".join(filter(None, (", ".join(filter(None, facts)), item.text)))
    return f"{coded}: {words}" if words else coded


def _result(result: Result) -> Row:
    if result.confidential:
        return Row((wording.CONFIDENTIAL_ITEM, "", "", ""))
    value = f"{result.value} ({result.abnormal})" if result.abnormal else result.value
    test = f"{result.test} (SNOMED CT {result.code})" if result.code else result.test  # GPCM-SD-CS-001
    cells = (test, value, result.unit or "", result.reference_range or "")
    return Row(cells, abnormal=result.abnormal is not None)
