"""Everything stands where the published layout has it, within three points (GPCM-SD-CS-005).

The numbers are the layout's own: x of a text's first letter and y of the baseline, from the top, in points.
"""

import io
from collections.abc import Callable
from typing import Any

import pytest
from pypdf import PdfReader

from gpconnect_messaging.documents.report_designs import NHS_BLUE, NHS_LIGHT_BLUE
from gpconnect_messaging.specification import PageSize
from tests.examples import a_request, spec_file
from tests.unit.documents.page_reading import Piece, pieces
from tests.unit.documents.test_report import SAMPLE, render

TOLERANCE = 3.0
FIRST_PAGE = [
    ("CONSULTATION REPORT", 219.7, 38.6),
    ("- Confidential: personal data -", 240.1, 50.4),
    ("GP Connect", 480.2, 38.9),
    ("Version 1", 67.7, 71.5),
    ("Number of related documents: 0", 246.0, 71.1),
    ("Page 1 of 2", 514.0, 71.5),
    ("Patient Name:", 82.3, 97.2),
    ("SMITH, John Simon (Mr)", 145.7, 99.1),
    ("DOB:", 347.4, 97.7),
    ("04-May-1933", 375.3, 97.9),
    ("NHS No:", 453.5, 97.7),
    ("973 316 2043", 497.0, 97.5),
    ("Home/Registered", 69.6, 126.8),
    ("Address:", 104.0, 138.5),
    ("Flat 2a, 123 Generic Street, Just off the Main Square, A Village,", 145.2, 127.0),
    ("Near a town, In a County, AB12 3CD", 145.2, 139.0),
    ("Tel No:", 462.4, 128.2),
    ("0163 296 0100", 497.0, 128.2),
    ("Mobile No:", 448.5, 145.7),
    ("0770 090 0123", 497.0, 146.0),
    ("Current Address:", 70.8, 162.0),
    ("567 New Street, Townville, United Kingdom, TV03 3AB", 145.2, 162.3),
    ("Current Tel No:", 429.5, 162.0),
    ("0163 296 0106", 497.0, 162.3),
    ("Consulting Organisation", 55.0, 194.5),
    ("Clinician:", 104.2, 209.6),
    ("Email:", 345.2, 223.5),
    ("reports@riverside.example", 375.3, 223.8),
    ("Branch Location:", 71.5, 237.4),
    ("Riverside Hub, Quay Street", 145.2, 237.7),
    ("Organisation:", 86.2, 251.3),
    ("Consultation Date:", 65.5, 285.2),
    ("20-Nov-2026 20:45", 145.2, 285.7),
    ("Receiving GP Practice:", 276.7, 285.7),
    ("Millbrook Surgery", 375.3, 285.7),
    ("CLINICAL NOTES", 56.3, 308.7),
    ("Summary Reason:", 57.1, 326.6),
    ("A patient recently consulted with a clinician at an organisation different to the GP practice", 189.6, 326.6),
    ("that they are registered with. The notes contained in this document are a summary of the", 189.6, 337.2),
    ("consultation.", 189.6, 347.9),
    ("History:", 57.1, 380.1),
    ("first words", 189.6, 380.1),
    ("Confidential: personal data", 67.7, 728.1),
]
SECOND_PAGE = [
    ("Version 1", 67.7, 46.8),
    ("Number of related documents: 0", 246.0, 46.4),
    ("Page 2 of 2", 514.0, 46.8),
    ("Patient Name:", 82.3, 72.5),
    ("SMITH, John Simon (Mr)", 146.0, 75.1),
    ("DOB:", 347.4, 73.0),
    ("04-May-1933", 375.3, 73.0),
    ("NHS No:", 455.6, 73.0),
    ("973 316 2043", 497.0, 72.7),
    ("Home/Registered", 69.6, 102.0),
    ("Address:", 104.0, 113.8),
    ("Tel No:", 462.4, 103.4),
    ("Mobile:", 462.6, 121.0),
    ("Current Address:", 70.8, 137.3),
    ("Current Tel No:", 429.5, 137.3),
    ("CLINICAL NOTES", 56.3, 166.9),
    ("Confidential: personal data", 67.7, 744.9),
]
# What the layout writes where ours has data, by our words.
PLACEHOLDERS = {
    "Version 1": "Version [x]",
    "Number of related documents: 0": "Number of related documents: [x]",
    "Page 1 of 2": "Page x of y",
    "04-May-1933": "dd-MMM-yyyy",
    "973 316 2043": "123 456 7890",
    "reports@riverside.example": "surgeryemail@surgeryname.nhs.net",
    "Riverside Hub, Quay Street": "[Name of branch location]",
    "20-Nov-2026 20:45": "dd-MMM-yyyy  hh:mm",
    "Millbrook Surgery": "[Name of receiving practice]",
    "History:": "[Clinical note section title]:",
    "first words": "[notes]",
}
Find = Callable[[int, str], list[Piece]]


def like_the_layout(size: PageSize = PageSize.LETTER) -> bytes:
    """A report with the layout's own sample words where it has some."""
    request = a_request(
        SAMPLE,
        patient__name={"family": "Smith", "given": ["John", "Simon"], "prefix": "Mr"},
        patient__birth_date="1933-05-04",
        patient__gender=None,
        patient__address={
            "lines": ["Flat 2a", "123 Generic Street", "Just off the Main Square", "A Village", "Near a town"],
            "city": "In a County",
            "postcode": "AB12 3CD",
        },
        patient__phones=["01632 960100"],
        patient__mobile="07700 900123",
        patient__current_address={"lines": ["567 New Street", "Townville", "United Kingdom"], "postcode": "TV03 3AB"},
        consultation__sections=[{"title": "History", "text": "first words" + "\n" * 35 + "last words"}],
        consultation__unsent_attachments=[],
    )
    return render(request, size=size)


@pytest.fixture(scope="module")
def find() -> Find:
    found = pieces(like_the_layout())
    return lambda page, words: [piece for piece in found if piece.page == page and piece.text.strip() == words]


def near(piece: Piece, x: float, y: float) -> bool:
    return abs(piece.x - x) <= TOLERANCE and abs(piece.y - y) <= TOLERANCE


@pytest.mark.requirement("GPCM-SD-CS-005")
@pytest.mark.parametrize(("words", "x", "y"), FIRST_PAGE)
def test_the_first_page_is_laid_out_as_published(find: Find, words: str, x: float, y: float) -> None:
    assert any(near(piece, x, y) for piece in find(0, words)), find(0, words)


@pytest.mark.requirement("GPCM-SD-CS-005")
@pytest.mark.parametrize(("words", "x", "y"), SECOND_PAGE)
def test_a_following_page_is_laid_out_as_published(find: Find, words: str, x: float, y: float) -> None:
    assert any(near(piece, x, y) for piece in find(1, words)), find(1, words)


@pytest.mark.requirement("GPCM-SD-CS-005")
@pytest.mark.parametrize(("page", "table"), [(0, FIRST_PAGE), (1, SECOND_PAGE)])
def test_the_numbers_are_those_of_the_published_layout(page: int, table: list[tuple[str, float, float]]) -> None:
    published = _published(page)
    missing = [
        (words, x, y)
        for words, x, y in table
        if not any(
            abs(x - there_x) <= TOLERANCE and abs(y - there_y) <= TOLERANCE
            for text, there_x, there_y in published
            if text in {words, PLACEHOLDERS.get(words, "")} or words not in {entry[0] for entry in published}
        )
    ]
    assert missing == []


def _published(page: int) -> list[tuple[str, float, float]]:
    """Text, x of the first letter that is not a space, baseline."""
    found: list[tuple[str, float, float]] = []

    def visit(text: str, _cm: Any, tm: Any, _font: Any, size: float) -> None:
        if words := text.strip():
            spaces = len(text) - len(text.lstrip())
            found.append((words, tm[4] + spaces * 0.278 * size, 792 - tm[5]))

    PdfReader(spec_file("layout/consultation-report-layout.pdf")).pages[page].extract_text(visitor_text=visit)
    return found


@pytest.mark.requirement("GPCM-SD-CS-015")
def test_the_bars_have_the_prescribed_places_and_colours() -> None:
    first, second = (_filled(page) for page in PdfReader(io.BytesIO(like_the_layout())).pages)
    blue, light = _rgb(NHS_BLUE), _rgb(NHS_LIGHT_BLUE)
    assert (_rgb("#005EB8"), _rgb("#41B6E6")) == (blue, light)
    assert first == [(17.3, 58.7, blue), (58.7, 79.5, light), (297.0, 313.8, blue)]
    assert second == [(33.8, 54.7, light), (155.1, 171.9, blue)]


def _filled(page: Any) -> list[tuple[float, float, tuple[float, ...]]]:
    """Top, bottom and colour of the filled rectangles across the frame, from the top down."""
    height = float(page.mediabox.height)
    colour: tuple[float, ...] = ()
    box: tuple[float, ...] = ()
    found = []
    for operands, operator in page.get_contents().operations:
        if operator == b"rg":
            colour = tuple(round(float(operand), 3) for operand in operands)
        elif operator == b"re":
            box = tuple(map(float, operands))
        elif operator == b"f*" and box[2] > 500:
            found.append((round(height - box[1] - box[3], 1), round(height - box[1], 1), colour))
    return sorted(found)


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(round(part / 255, 3) for part in bytes.fromhex(colour[1:]))


@pytest.mark.requirement("GPCM-SD-CS-005")
def test_follow_up_actions_come_last(find: Find) -> None:
    (title,) = find(1, "Follow-up Actions:")
    assert abs(title.x - 56.2) <= TOLERANCE
    after = [piece for piece in pieces(like_the_layout()) if piece.page == 1 and title.y < piece.y < 735]
    assert {piece.text for piece in after} <= {"Please review ramipril."}


def test_on_a4_every_distance_is_kept_and_the_frame_is_centred() -> None:
    (letter,), (a4,) = (
        [piece for piece in pieces(like_the_layout(size)) if piece.text == "SMITH, John Simon (Mr)" and not piece.page]
        for size in PageSize
    )
    assert (round(a4.x - letter.x, 2), round(a4.y - letter.y, 2)) == (-8.36, 0.0)
    page = PdfReader(io.BytesIO(like_the_layout(PageSize.A4))).pages[0]
    assert (round(page.mediabox.width, 2), round(page.mediabox.height, 2)) == (595.28, 841.89)
