"""The rendered report, read back from the file alone."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader

from gpconnect_messaging.documents import wording
from gpconnect_messaging.documents.report import ReportRenderer, with_report
from gpconnect_messaging.documents.report_designs import designed
from gpconnect_messaging.requests.models import Request
from gpconnect_messaging.specification import PageSize, ReportDesign
from tests.examples import ROOT, a_request, spec_file
from tests.unit.documents.page_reading import notes_of, overlaps, pieces, squeezed, text_of

SAMPLE = "rendered-report"


def picture(width: int = 60, height: int = 40, kind: str = "PNG", mode: str = "RGB") -> bytes:
    made = io.BytesIO()
    Image.radial_gradient("L").resize((width, height)).convert(mode).save(made, kind)
    return made.getvalue()


def render(
    request: Request,
    version: int = 1,
    pictures: dict[str, bytes] | None = None,
    size: PageSize = PageSize.LETTER,
    design: ReportDesign = ReportDesign.CONSULTATION_REPORT,
) -> bytes:
    return ReportRenderer(design, size).render(request, version, (pictures or {}).__getitem__)


def rendered(version: int = 1, **changes: Any) -> bytes:
    return render(a_request(SAMPLE, **changes), version)


def notes(**section: Any) -> bytes:
    return rendered(consultation__sections=[{"title": "History", **section}])


@pytest.mark.requirement("GPCM-SD-CS-001", "GPCM-SD-CS-005", "GPCM-SD-086", "GPCM-SD-090")
@pytest.mark.parametrize(
    "words",
    [
        "CONSULTATION REPORT",
        "- Confidential: personal data -",
        "KILLEN, Dean (Mr)",
        "27-May-1955",
        "973 316 2043",
        "Male",
        "4 Demo Lane, Leeds, LS6 1AB",
        "0113 496 0106",
        "0770 090 0106",
        "Flat 2, 9 Visiting Street, Hull, HU5 2QB",
        "0163 296 0106",
        "Dr Ada Okafor, General practitioner",
        "0113 496 0100",
        "reports@riverside.example",
        "Riverside Hub, Quay Street",
        "Riverside Out of Hours, 2 Quay Street, Leeds, LS1 4BN",
        "20-Nov-2026 20:45",
        "Millbrook Surgery",
        "Two days of vomiting. Takes ramipril. No blood seen, keeps small sips down.",
        "Vomiting (SNOMED CT 422400008)",
        "Paracetamol 500mg tablets (dm+d 42109611000001109): one or two, up to four times a day",
        "3.2 (low)",
        "Please repeat potassium within one week.",
        "Ultrasound recording",
        "73.4 MB",
        "Examination:",
        "Follow-up Actions:",
        wording.SUMMARY_REASON,
    ],
)
def test_each_field_of_the_request_stands_in_the_report_once(words: str) -> None:
    assert text_of(rendered()).count(squeezed(words)) == 1


@pytest.mark.requirement("GPCM-SD-CS-005", "GPCM-SD-CS-011", "GPCM-SD-CS-012")
def test_the_text_comes_in_the_order_in_which_a_person_reads() -> None:
    text = text_of(rendered())
    order = [
        "CONSULTATION REPORT", "Version 1", "Patient Name:", "DOB:", "NHS No:", "Home/Registered", "Current Address:",
        "Consulting Organisation", "Clinician:", "Organisation:", "Consultation Date:", "Receiving GP Practice:",
        "CLINICAL NOTES", "Summary Reason:", "History:", "Examination:", "Blood results:", "Medication:",
        "Attachments too large to send:", "Follow-up Actions:",
    ]  # fmt: skip
    positions = [text.index(squeezed(words)) for words in order]
    assert positions == sorted(positions)


@pytest.mark.requirement("GPCM-SD-CS-002", "GPCM-SD-087")
def test_the_notes_keep_the_senders_titles_words_lines_and_order() -> None:
    sections = [
        {"title": "Zeta", "text": "third before second\n  indented, and\n\nafter an empty line"},
        {"title": "Alpha", "text": "first by the letter"},
        {"title": "Zeta", "text": "The same title again"},
    ]
    found = pieces(rendered(consultation__sections=sections))
    shown = [(piece.text, round(piece.y)) for piece in found if piece.page == 0]
    words = [
        "Zeta:", "third before second", "indented, and", "after an empty line", "Alpha:", "first by the letter",
        "Zeta:", "The same title again",
    ]  # fmt: skip
    assert [text.strip() for text, _ in shown if text.strip() in words] == words
    height = {text.strip(): y for text, y in shown}
    one_line = height["indented, and"] - height["third before second"]
    assert height["after an empty line"] - height["indented, and"] == pytest.approx(2 * one_line, abs=1)


@pytest.mark.requirement("GPCM-SD-CS-016")
def test_the_notes_open_with_the_prescribed_reason_for_the_summary() -> None:
    text = text_of(rendered(consultation__sections=[{"title": "History", "text": "first words"}]))
    assert squeezed(f"CLINICAL NOTES Summary Reason: {wording.SUMMARY_REASON}.") in text
    assert "an organisation different to the GP practice" in wording.SUMMARY_REASON


@pytest.mark.requirement("GPCM-SD-CS-016")
def test_the_reason_for_the_summary_is_word_for_word_the_published_one() -> None:
    published = spec_file("requirements/send-document-core-and-consultation.yml").read_text(encoding="utf-8")
    assert f"<code>{wording.SUMMARY_REASON}</code>" in published


@pytest.mark.requirement("GPCM-SD-CS-006", "GPCM-SD-CS-007", "GPCM-SD-091")
def test_every_page_says_its_version_its_number_and_how_many_documents_there_are() -> None:
    long = [{"title": f"Section {number}", "text": "Words. " * 60} for number in range(20)]
    documents = [{"key": "ecg.pdf", "content_type": "application/pdf", "title": "ECG", "primary": False}]
    found = pieces(rendered(7, consultation__sections=long, documents=documents))
    pages = max(piece.page for piece in found) + 1
    assert pages > 2
    for number in range(pages):
        texts = [piece.text for piece in found if piece.page == number]
        assert "Version 7" in texts
        assert "Number of related documents: 1" in texts
        assert texts.count(f"Page {number + 1} of {pages}") == 2
        assert {"KILLEN, Dean (Mr)", "973 316 2043", "27-May-1955", "CLINICAL NOTES"} <= set(texts)
        assert ("Consulting Organisation" in texts) is (number == 0)


@pytest.mark.requirement("GPCM-SD-CS-005")
def test_the_labels_of_a_temporary_stay_are_hidden_without_one() -> None:
    text = text_of(rendered(patient__current_address=None, patient__current_phone=None))
    assert "CurrentAddress:" not in text
    assert "CurrentTelNo:" not in text


@pytest.mark.requirement("GPCM-SD-CS-008")
@pytest.mark.parametrize("size", list(PageSize))
def test_nothing_that_confidentiality_forbids_is_anywhere_in_the_file(size: PageSize) -> None:
    others = [{"name": {"family": "Okafor", "given": ["Ada"]}, "role": "General practitioner"}]
    request = a_request(SAMPLE, consultation__confidential=True, other_practitioners=others)
    pdf = render(request, size=size)
    forbidden = [
        "Okafor", "Ada", "General practitioner", "4960100", "496 0100", "riverside", "Riverside", "Quay", "vomiting",
        "Vomiting", "422400008", "Potassium", "ramipril", "Paracetamol", "Ultrasound", "History", "Blood",
    ]  # fmt: skip
    reader = PdfReader(io.BytesIO(pdf))
    everything = pdf + b"".join(_streams(reader)) + repr(reader.metadata).encode() + text_of(pdf).encode()
    for words in forbidden:
        assert words.encode() not in everything
        assert squeezed(words) not in text_of(pdf)
    assert squeezed(wording.CONFIDENTIAL_CONSULTATION) in text_of(pdf)
    assert {"KILLEN, Dean (Mr)", "20-Nov-2026 20:45", "Millbrook Surgery"} <= {piece.text for piece in pieces(pdf)}


def test_the_search_for_forbidden_words_would_find_them() -> None:
    assert b"Okafor" in b"".join(_streams(PdfReader(io.BytesIO(rendered()))))


def _streams(reader: PdfReader) -> list[bytes]:
    objects = [reader.get_object(number) for number in range(1, len(reader.xref[0]) + 1 if reader.xref else 1)]
    return [stored.get_data() for stored in objects if stored is not None and hasattr(stored, "get_data")]


@pytest.mark.requirement("GPCM-SD-CS-009", "GPCM-SD-CS-010")
def test_each_confidential_item_is_replaced_by_the_warning_and_by_nothing_else() -> None:
    sections = [
        {"title": "Sexual health", "text": "hidden words", "confidential": True},
        {"title": "Codes", "items": [{"term": "Hidden term", "code": "160303001", "confidential": True}] * 2},
        {"title": "Blood", "results": [{"test": "Hidden test", "value": "9", "confidential": True}]},
        {"title": "Open", "text": "open words"},
    ]
    pdf = rendered(consultation__sections=sections)
    text = text_of(pdf)
    assert text.count(squeezed(wording.CONFIDENTIAL_ITEM)) == 4
    assert "openwords" in text
    for words in ("hidden", "Hidden", "160303001", "Sexual"):
        assert words not in text
    assert b"hidden" not in b"".join(_streams(PdfReader(io.BytesIO(pdf))))


@pytest.mark.requirement("GPCM-SD-CS-009")
def test_a_confidential_image_is_not_even_read() -> None:
    documents = [{"key": "wound.png", "content_type": "image/png", "title": "Photograph"}]
    sections = [{"title": "Photograph", "images": ["wound.png"], "confidential": True}]
    render(a_request(SAMPLE, documents=documents, consultation__sections=sections), pictures={})


@pytest.mark.requirement("GPCM-SD-CS-011", "GPCM-SD-CS-013")
def test_titles_are_bold_and_titles_and_notes_each_stand_in_one_column() -> None:
    found = pieces(rendered())
    titles = [piece for piece in found if piece.text in {"Summary Reason:", "History:", "Examination:", "Medication:"}]
    assert {(piece.font, piece.x) for piece in titles} == {("Arimo-Bold", 57.1)}
    bodies = [piece for piece in found if piece.text.startswith(("A patient recently", "Two days", "Temperature"))]
    assert {(piece.font, piece.x) for piece in bodies} == {("Arimo-Regular", 189.6)}


@pytest.mark.requirement("GPCM-SD-CS-014")
def test_the_patients_name_is_larger_than_any_other_field() -> None:
    found = [piece for piece in pieces(rendered()) if piece.font == "Arimo-Bold" and not any(piece.colour)]
    largest, *others = sorted(found, key=lambda piece: -piece.size)
    assert largest.text == "KILLEN, Dean (Mr)"
    assert all(piece.size < largest.size for piece in others)


def test_an_abnormal_result_is_told_by_words_weight_and_ground_and_not_by_colour_alone() -> None:
    (abnormal,) = [piece for piece in pieces(rendered()) if piece.text == "3.2 (low)"]
    (normal,) = [piece for piece in pieces(rendered()) if piece.text == "140"]
    assert (abnormal.font, normal.font) == ("Arimo-Bold", "Arimo-Regular")
    page = PdfReader(io.BytesIO(rendered())).pages[0]
    assert b".6 .745098 .94902 rg" in page.get_contents().get_data()  # type: ignore[union-attr]


RESULTS: list[dict[str, Any]] = [
    {"test": f"Test {number}", "value": "x" * 120, "unit": "mmol/L"} for number in range(40)
]


@pytest.mark.parametrize("design", ReportDesign)
def test_a_table_bears_its_headings_on_every_page_and_no_row_is_split(design: ReportDesign) -> None:
    sections = [{"title": "Blood results", "results": RESULTS}]
    found = pieces(render(a_request(SAMPLE, consultation__sections=sections), design=design))
    cells = {row["test"]: [piece for piece in found if piece.text == row["test"]] for row in RESULTS}
    pages = sorted({piece.page for row in cells.values() for piece in row})
    assert len(pages) > 2
    for page in pages:
        (heading,) = [piece for piece in found if piece.page == page and piece.text == "UoM"]
        rows = [piece for row in cells.values() for piece in row if piece.page == page]
        assert heading.y < min(piece.y for piece in rows)
        # All values take the same number of lines; those of the last row are all on one page.
        values = [piece for piece in found if piece.page == page and set(piece.text) == {"x"}]
        assert "".join(piece.text for piece in values) == "x" * 120 * len(rows)


def test_a_row_that_is_taller_than_a_page_goes_on_below_the_headings_of_the_next() -> None:
    sections = [{"title": "Blood results", "results": [{"test": "中" * 255, "value": "ß" * 255}]}]
    found = pieces(rendered(consultation__sections=sections))
    assert overlaps(found) == []
    assert sum(piece.text.count("中") for piece in found) == sum(piece.text.count("ß") for piece in found) == 255
    assert [piece.page for piece in found if piece.text == "UoM"] == sorted(
        {piece.page for piece in found if "中" in piece.text}
    )
    assert all(piece.y < 733 for piece in found if "中" in piece.text)


def test_the_headings_of_a_table_never_stand_alone_at_the_foot_of_a_page() -> None:
    for lines in range(24, 34):
        sections: list[dict[str, Any]] = [
            {"title": "History", "text": "\n".join("abc" for _ in range(lines))},
            {"title": "Blood results", "text": "Taken at nine.", "results": RESULTS[:2]},
        ]
        found = pieces(render(a_request(SAMPLE, consultation__sections=sections)))
        headings = {piece.page for piece in found if piece.text == "UoM"}
        assert headings == {piece.page for piece in found if piece.text in {"Test 0", "Test 1"}}


SUMMARY_ORDER = [
    "Consultation report", "Confidential: personal data", "GP Connect", "Version 1", "Number of related documents: 0",
    "Page 1 of 1", "CITIZEN INFORMATION", "Name:", "KILLEN, Dean (Mr)", "DOB:", "27-May-1955", "NHS No:",
    "973 316 2043", "Home/Registered", "Current Address:", "SENDING INFORMATION", "Healthcare professional:",
    "Dr Ada Okafor, General practitioner", "Location:", "Riverside Hub, Quay Street", "E-mail:",
    "reports@riverside.example", "Organisation:", "Riverside Out of Hours,", "Y90001,", "2 Quay Street, Leeds, LS1 4BN",
    "Activity Date:", "20-Nov-2026 20:45", "Receiving GP Practice:", "Millbrook Surgery", "Clinical notes", "History",
    "Blood results", "Potassium", "3.2 (low)", "Attachments too large to send", "Ultrasound recording",
    "20-Nov-2026 20:30", "73.4 MB", "Follow-up actions", "Please review ramipril.", "CONFIDENTIAL: Personal data",
]  # fmt: skip


@pytest.mark.requirement("GPCM-SD-086", "GPCM-SD-090", "GPCM-SD-091")
def test_the_summary_of_2_0_says_all_in_the_order_and_words_of_its_wireframe() -> None:
    found = [piece.text for piece in pieces(render(a_request(SAMPLE), design=ReportDesign.SUMMARY))]
    positions = [found.index(words) for words in SUMMARY_ORDER]
    assert positions == sorted(positions)
    assert "Summary Reason:" not in found


def test_the_summary_of_2_0_looks_like_its_wireframe() -> None:
    found = {piece.text: piece for piece in pieces(render(a_request(SAMPLE), design=ReportDesign.SUMMARY))}
    blue, white = (0, 94 / 255, 184 / 255), (1, 1, 1)
    centre = (48.02 + 564.21) / 2
    for words in ("CITIZEN INFORMATION", "SENDING INFORMATION"):
        heading = found[words]
        assert heading.font == "Arimo-Bold"
        assert heading.colour == pytest.approx(blue, abs=0.001)
        assert (heading.x + heading.right) / 2 == pytest.approx(centre, abs=0.1)
    for words in ("Clinical notes", "Attachments too large to send", "Follow-up actions"):
        assert (found[words].font, found[words].colour) == ("Arimo-Bold", white)
    sections = [found[words] for words in ("History", "Examination", "Blood results", "Attachments", "Actions")]
    assert {round(piece.right, 1) for piece in sections} == {151.7}
    assert all(piece.colour == pytest.approx(blue, abs=0.001) for piece in sections)
    assert {found[words].font for words in ("Name:", "DOB:", "E-mail:")} == {"Arimo-Regular"}
    assert found["KILLEN, Dean (Mr)"].size > found["973 316 2043"].size


@pytest.mark.requirement("GPCM-SD-CS-001")
@pytest.mark.parametrize("design", ReportDesign)
def test_the_kind_of_encounter_stands_among_the_notes(design: ReportDesign) -> None:
    kind = {"code": "185317003", "display": "Telephone encounter"}
    text = text_of(render(a_request(SAMPLE, consultation__type=kind), design=design))
    assert text.count("Telephoneencounter(SNOMEDCT185317003)") == 1


def test_images_are_scaled_into_the_notes() -> None:
    documents = [
        {"key": "a.png", "content_type": "image/png", "title": "Drawing"},
        {"key": "b.jpg", "content_type": "image/jpeg", "title": "Photograph"},
    ]
    sections = [{"title": "Images", "images": ["a.png", "b.jpg"]}]
    request = a_request(SAMPLE, documents=documents, consultation__sections=sections)
    pictures = {"a.png": picture(50, 40, mode="RGBA"), "b.jpg": picture(4000, 3000, "JPEG")}
    pages = PdfReader(io.BytesIO(render(request, pictures=pictures))).pages
    placed = [
        operands for page in pages for operands, operator in page.get_contents().operations  # type: ignore[union-attr]
        if operator == b"cm" and float(operands[0]) > 1
    ]  # fmt: skip
    sizes = [(round(float(matrix[0]), 1), round(float(matrix[3]), 1)) for matrix in placed]
    assert sizes == [(37.5, 30.0), (346.7, 260.0)]
    assert sorted(image.image.size for page in pages for image in page.images if image.image is not None) == [
        (50, 40),
        (1500, 1125),
    ]


@pytest.mark.parametrize("content", [b"", b"no image", picture()[:60], b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_a_broken_image_is_named_as_such(content: bytes) -> None:
    documents = [{"key": "a.png", "content_type": "image/png", "title": "Drawing"}]
    request = a_request(SAMPLE, documents=documents, consultation__sections=[{"title": "Image", "images": ["a.png"]}])
    assert "Thisimagecannotbeshown" in text_of(render(request, pictures={"a.png": content}))


def test_the_file_says_what_it_is_and_holds_no_programs_links_or_foreign_fonts() -> None:
    pdf = rendered()
    reader = PdfReader(io.BytesIO(pdf))
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.creator) == ("Consultation report", "gpconnect-messaging")
    assert str(reader.root_object["/Lang"]) == "en-GB"
    for forbidden in (b"/JavaScript", b"/JS", b"/URI", b"/Launch", b"/OpenAction", b"/EmbeddedFile", b"/AcroForm"):
        assert forbidden not in pdf
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            assert "/FontFile2" in font.get_object()["/FontDescriptor"]
    assert "KILLEN" not in repr(reader.metadata)


def test_the_deployers_logo_takes_the_wordmarks_place(tmp_path: Path) -> None:
    assert "NHS" in {piece.text for piece in pieces(rendered())}
    logo = tmp_path / "logo.png"
    logo.write_bytes(picture(120, 48))
    pdf = ReportRenderer(ReportDesign.CONSULTATION_REPORT, logo=logo).render(a_request(SAMPLE), 1, lambda _key: b"")
    assert "NHS" not in {piece.text for piece in pieces(pdf)}
    (image,) = PdfReader(io.BytesIO(pdf)).pages[0].images
    assert image.image is not None
    assert image.image.size == (120, 48)


def test_the_same_request_gives_the_same_bytes() -> None:
    assert rendered() == rendered()
    command = "import sys;from tests.unit.documents.test_report import rendered;sys.stdout.buffer.write(rendered())"
    path = f"{ROOT}:{ROOT / 'layers' / 'messaging' / 'python'}"
    fresh = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env={"PYTHONPATH": path}, check=True, capture_output=True
    )
    assert fresh.stdout == rendered()


def test_the_rendering_library_is_imported_only_when_a_report_is_rendered() -> None:
    command = (
        "import sys, gpconnect_messaging.steps.build; print(sorted({'reportlab', 'PIL', 'bidi'} & set(sys.modules)))"
    )
    path = str(ROOT / "layers" / "messaging" / "python")
    done = subprocess.run(
        [sys.executable, "-c", command], env={"PYTHONPATH": path}, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_the_report_becomes_the_primary_document_and_the_others_stay_attachments() -> None:
    documents = [{"key": "ecg.pdf", "content_type": "application/pdf", "title": "ECG", "primary": False}]
    request = with_report(a_request(SAMPLE, documents=documents))
    assert [(document.title, document.primary) for document in request.documents_in_order] == [
        ("Consultation report", True),
        ("ECG", False),
    ]


@pytest.mark.parametrize(
    ("design", "size"),
    [(ReportDesign.CONSULTATION_REPORT, PageSize.LETTER), (ReportDesign.SUMMARY, PageSize.A4)],
)
@pytest.mark.parametrize(
    "changes",
    [
        {"consultation__sections": [{"title": "N", "text": "x"}]},
        {
            "consultation__sections": [
                {"title": f"Section {n}", "text": f"Word {n}. " * (n % 7 * 20 + 1)} for n in range(200)
            ]
        },
        {"patient__address": {"lines": [f"Line {n} of the address" for n in range(40)], "postcode": "AB1 2CD"}},
        {"organisation__address": {"lines": [f"Line {n} of the address " * 4 for n in range(40)]}},
        {"patient__name": {"family": "W" * 100, "given": ["G" * 100, "i" * 100], "prefix": "Professor " * 10}},
        {"patient__phones": [f"+44 1632 96010{n} extension {n}" for n in range(8)], "patient__mobile": "7" * 200},
        {"practitioner__name": {"family": "F" * 100, "given": ["G" * 100]}, "practitioner__role": "R" * 255},
        {"other_practitioners": [{"name": {"family": f"F{n}" * 9, "given": []}, "role": f"R{n}"} for n in range(20)]},
        {"organisation__email": "e" * 240 + "@nhs.example", "organisation__branch": "Branch " * 30},
        {"registered_practice__name": "Practice " * 28},
        {"consultation__sections": [{"title": "T" * 255, "text": "x"}]},
    ],
)
def test_whatever_its_length_nothing_overlaps_is_lost_or_leaves_the_frame(
    design: ReportDesign, size: PageSize, changes: dict[str, Any]
) -> None:
    request = a_request(SAMPLE, **changes)
    pdf = render(request, size=size, design=design)
    found = pieces(pdf)
    assert overlaps(found) == []
    shift, layout = designed(design, size)
    text = text_of(pdf) + notes_of(found, layout.continuation.text_x + shift)
    assert all(squeezed(words) in text for words in _words(request))
    width, height = size.points
    margin = (width - 516.2) / 2
    assert all(margin <= piece.x and piece.right <= width - margin and 17 < piece.y < height - 36 for piece in found)


def _words(request: Request) -> list[str]:
    patient, organisation = request.patient, request.organisation
    words = [wording.patient_name(patient.name), organisation.name, organisation.email or "", organisation.branch or ""]
    words += [wording.telephone(number) for number in [*patient.phones, patient.mobile or ""]]
    words += [
        *(patient.address.lines if patient.address else ()),
        *(organisation.address.lines if organisation.address else ()),
    ]
    words += [section.text or "" for section in request.consultation.sections]
    words += [
        words
        for section in request.consultation.sections
        for result in section.results
        for words in (result.test, result.value)
    ]
    words += [request.practitioner.role or "" if request.practitioner else ""]
    words += [f"{other.name.family}, {other.role}" for other in request.other_practitioners]
    return words
