"""The report's layouts as coordinates: points, x from the left, y downwards from the top.

Source: GPCM-SD-CS-005, the published layout of 1.5 (US Letter), and the wireframe of 2.0.2. The wireframe has no scale:
the order, headings, labels and colours are kept, at the sizes of 1.5. A4 keeps every distance: the frame is centred
and extends further down. Fields name the values of `ReportContent.fields`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from gpconnect_messaging.specification import PageSize, ReportDesign

NHS_BLUE, NHS_LIGHT_BLUE = "#005EB8", "#41B6E6"  # GPCM-SD-CS-015
PALE_BLUE = "#CCE3F5"
BLACK, WHITE, FOOTER_GREY = "#000000", "#FFFFFF", "#425563"
TABLE_HEADING, TABLE_STRIPE, TABLE_ABNORMAL = "#CCCCCC", "#EFEFEF", "#99BEF2"
LABEL, NOTES, SMALL, BAR = 9.12, 9.29, 7.44, 11.04
FIELD_LEADING, NOTES_LEADING = 12.0, 10.6
SECTION_GAP = 21.6
"""Gap between two sections, in addition to the leading (GPCM-SD-CS-012)."""


class Column(StrEnum):
    """A field pushes down only the fields of the same column, until a row spans both."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A labelled value: the label ends at `label_right`, the value's lines begin at `x` and are `width` wide.

    `room` is the number of lines reserved before the fields below must move.
    """

    name: str
    label: tuple[str, ...]
    label_right: float
    label_y: float
    x: float
    y: float
    width: float
    size: float = LABEL
    column: Column = Column.LEFT
    room: int = 1
    hidden_when_empty: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading above a block of fields, at the baseline y."""

    words: str
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLayout:
    """One kind of page. `rows` come from the top down; a row with two columns begins below both."""

    top: float
    bottom: float
    version_bar: tuple[float, float]
    version_y: float
    patient: tuple[tuple[Field, ...], ...]
    notes_bar: tuple[float, float]
    notes_bar_y: float
    title_x: float
    text_x: float
    first_line: float
    """Baseline of the first line of notes."""
    last_line: float
    """Lowest baseline that notes may take."""
    footer_y: float
    title_bar: tuple[float, float] | None = None
    patient_heading: Heading | None = None
    organisation: tuple[tuple[Field, ...], ...] = ()
    organisation_heading: Heading | None = None
    rule: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A published layout: the pages, their appearance, and the fixed texts of every report."""

    first: PageLayout
    continuation: PageLayout
    centre: float
    frame: tuple[str, float]
    """Colour and thickness."""
    rule: tuple[str, float, float]
    """Between the header's blocks: colour, thickness, and how far inside the frame it ends."""
    version_ground: str
    version_colour: str
    confidentiality: str
    confidentiality_style: str
    product_slant: float
    label_style: str
    heading_colour: str
    heading_x: float | None
    """None: headings are centred."""
    section_colour: str
    """The colour of section titles."""
    section_right: float | None
    """Where section titles end; None: they begin at the layout's `title_x`."""
    section_mark: str
    """The punctuation added to a section title without any."""
    footer: str
    capital_title: bool
    organisation: tuple[tuple[str, ...], str]
    """The parts shown of the organisation (`name`, `ods_code`, `address`), and the separator."""
    summary_reason: bool
    """Whether the notes begin with the prescribed reason (GPCM-SD-CS-016)."""
    notes_heading: str
    attachments_heading: str | None
    """Heading for attachments that were too large to send; None: they are listed among the notes."""
    follow_up_heading: str | None
    """Heading for follow-up actions; None: they come last among the notes."""

    @property
    def text_width(self) -> float:
        """The width of the notes."""
        return TEXT_RIGHT - self.first.text_x


LEFT, RIGHT = 48.02, 564.21
"""The frame's edges."""
SMALL_LEFT, SMALL_RIGHT = 67.7, 552.0
TEXT_RIGHT = 557.0
TITLE_Y, SUBTITLE_Y, PRODUCT_Y = 38.65, 50.4, 38.88
PRODUCT_X = 480.2
LOGO = (61.61, 25.94, 120.04, 49.73)
BAR_TEXT_X = 56.3

_LABEL, _VALUE = 139.7, 145.2
_MIDDLE_LABEL, _MIDDLE_VALUE = 369.6, 375.3
_FAR_LABEL, _FAR_VALUE = 491.4, 497.0
_FAR_WIDTH = 64.0


def _patient(
    down: float, *, name_size: float, name_y: float, mobile: str = "Mobile No:", name: str = "Patient Name:"
) -> tuple[tuple[Field, ...], ...]:
    """The patient block, moved down by `down` from the position on the first page of 1.5."""
    right = Column.RIGHT
    return (
        (
            Field(
                name="patient_name", label=(name,), label_right=_LABEL, label_y=97.2 + down,
                x=145.7, y=name_y, width=186.0, size=name_size, room=2,
            ),
            Field(
                name="birth_date", label=("DOB:",), label_right=_MIDDLE_LABEL, label_y=97.7 + down,
                x=_MIDDLE_VALUE, y=97.9 + down, width=62.0,
            ),
            Field(
                name="gender", label=("Gender:",), label_right=_MIDDLE_LABEL, label_y=109.7 + down,
                x=_MIDDLE_VALUE, y=109.9 + down, width=62.0, hidden_when_empty=True,
            ),
            Field(
                name="death", label=("Died:",), label_right=_MIDDLE_LABEL, label_y=121.7 + down,
                x=_MIDDLE_VALUE, y=121.9 + down, width=62.0, room=0, hidden_when_empty=True,
            ),
            Field(
                name="nhs_number", label=("NHS No:",), label_right=489.1, label_y=97.7 + down,
                x=_FAR_VALUE, y=97.5 + down, width=_FAR_WIDTH, column=right,
            ),
        ),
        (
            Field(
                name="address", label=("Home/Registered", "Address:"), label_right=_LABEL, label_y=126.8 + down,
                x=_VALUE, y=127.0 + down, width=280.0, room=3,
            ),
            Field(
                name="phone", label=("Tel No:",), label_right=_FAR_LABEL, label_y=128.2 + down,
                x=_FAR_VALUE, y=128.2 + down, width=_FAR_WIDTH, column=right,
            ),
        ),
        (
            Field(
                name="mobile", label=(mobile,), label_right=_FAR_LABEL, label_y=145.8 + down,
                x=_FAR_VALUE, y=146.0 + down, width=_FAR_WIDTH, column=right,
            ),
        ),
        (
            Field(
                name="current_address", label=("Current Address:",), label_right=_LABEL, label_y=162.0 + down,
                x=_VALUE, y=162.2 + down, width=280.0, room=2, hidden_when_empty=True,
            ),
            Field(
                name="current_phone", label=("Current Tel No:",), label_right=_FAR_LABEL, label_y=162.0 + down,
                x=_FAR_VALUE, y=162.2 + down, width=_FAR_WIDTH, column=right, room=2, hidden_when_empty=True,
            ),
        ),
        (
            Field(
                name="identifiers", label=("Other Numbers:",), label_right=_LABEL, label_y=186.0 + down,
                x=_VALUE, y=186.2 + down, width=400.0, room=0, hidden_when_empty=True,
            ),
        ),
    )  # fmt: skip


_ORGANISATION = (
    (
        Field(
            name="clinician", label=("Clinician:",), label_right=_LABEL, label_y=209.6,
            x=_VALUE, y=209.8, width=185.0, room=2,
        ),
        Field(
            name="organisation_phone", label=("Tel No:",), label_right=_MIDDLE_LABEL, label_y=209.6,
            x=_MIDDLE_VALUE, y=209.8, width=183.0, column=Column.RIGHT,
        ),
    ),
    (
        Field(
            name="organisation_email", label=("Email:",), label_right=_MIDDLE_LABEL, label_y=223.5,
            x=_MIDDLE_VALUE, y=223.8, width=183.0, column=Column.RIGHT,
        ),
    ),
    (
        Field(
            name="branch", label=("Branch Location:",), label_right=_LABEL, label_y=237.4,
            x=_VALUE, y=237.7, width=412.0,
        ),
    ),
    (
        Field(
            name="organisation", label=("Organisation:",), label_right=_LABEL, label_y=251.3,
            x=_VALUE, y=251.6, width=412.0, room=2,
        ),
    ),
    (
        Field(
            name="consultation_date", label=("Consultation Date:",), label_right=_LABEL, label_y=285.2,
            x=_VALUE, y=285.7, width=120.0,
        ),
        Field(
            name="receiving_practice", label=("Receiving GP Practice:",), label_right=_MIDDLE_LABEL, label_y=285.7,
            x=_MIDDLE_VALUE, y=285.7, width=183.0, column=Column.RIGHT,
        ),
    ),
    (
        Field(
            name="attention", label=("For the attention of:",), label_right=_LABEL, label_y=298.7,
            x=_VALUE, y=298.7, width=400.0, room=0, hidden_when_empty=True,
        ),
    ),
)  # fmt: skip

FIRST_PAGE = PageLayout(
    top=17.28,
    bottom=738.22,
    title_bar=(17.28, 58.7),
    version_bar=(58.7, 79.46),
    version_y=71.4,
    patient=_patient(0.0, name_size=12.96, name_y=99.2),
    rule=179.93,
    organisation_heading=Heading("Consulting Organisation", 194.5),
    organisation=_ORGANISATION,
    notes_bar=(296.98, 313.78),
    notes_bar_y=308.76,
    title_x=57.1,
    text_x=189.6,
    first_line=326.6,
    last_line=712.0,
    footer_y=728.1,
)
CONTINUATION_PAGE = PageLayout(
    top=33.84,
    bottom=755.02,
    version_bar=(33.84, 54.74),
    version_y=46.6,
    patient=_patient(-24.7, name_size=14.64, name_y=75.1, mobile="Mobile:"),
    notes_bar=(155.09, 171.89),
    notes_bar_y=166.87,
    title_x=56.2,
    text_x=188.8,
    first_line=184.7,
    last_line=729.0,
    footer_y=744.9,
)


_WIDER = 12.0
"""The extra width of 2.0's longest label over 1.5's."""


def _with_wider_labels(rows: tuple[tuple[Field, ...], ...]) -> tuple[tuple[Field, ...], ...]:
    def wider(field: Field) -> Field:
        if field.label_right != _LABEL:
            return field
        width = field.width - _WIDER
        return replace(field, label_right=field.label_right + _WIDER, x=field.x + _WIDER, width=width)

    return tuple(tuple(map(wider, row)) for row in rows)


_SENDING = (
    (
        Field(
            name="clinician", label=("Healthcare professional:",), label_right=_LABEL, label_y=225.0,
            x=_VALUE, y=225.0, width=185.0, room=1,
        ),
        Field(
            name="organisation_phone", label=("Tel No:",), label_right=_MIDDLE_LABEL, label_y=225.0,
            x=_MIDDLE_VALUE, y=225.0, width=183.0, column=Column.RIGHT,
        ),
    ),
    (
        Field(
            name="branch", label=("Location:",), label_right=_LABEL, label_y=241.0,
            x=_VALUE, y=241.0, width=185.0,
        ),
        Field(
            name="organisation_email", label=("E-mail:",), label_right=_MIDDLE_LABEL, label_y=241.0,
            x=_MIDDLE_VALUE, y=241.0, width=183.0, column=Column.RIGHT,
        ),
    ),
    (
        Field(
            name="organisation", label=("Organisation:",), label_right=_LABEL, label_y=253.0,
            x=_VALUE, y=253.0, width=412.0, room=3,
        ),
    ),
    (
        Field(
            name="consultation_date", label=("Activity Date:",), label_right=_LABEL, label_y=295.0,
            x=_VALUE, y=295.0, width=120.0,
        ),
        Field(
            name="receiving_practice", label=("Receiving GP Practice:",), label_right=_MIDDLE_LABEL, label_y=295.0,
            x=_MIDDLE_VALUE, y=295.0, width=183.0, column=Column.RIGHT,
        ),
    ),
    (
        Field(
            name="attention", label=("For the attention of:",), label_right=_LABEL, label_y=308.0,
            x=_VALUE, y=308.0, width=400.0, room=0, hidden_when_empty=True,
        ),
    ),
)  # fmt: skip
_FIRST_SUMMARY_PAGE = PageLayout(
    top=17.28,
    bottom=738.22,
    title_bar=(17.28, 58.7),
    version_bar=(58.7, 77.0),
    version_y=70.4,
    patient_heading=Heading("CITIZEN INFORMATION", 93.0),
    patient=_with_wider_labels(_patient(13.5, name_size=12.96, name_y=112.2, name="Name:")),
    rule=192.5,
    organisation_heading=Heading("SENDING INFORMATION", 208.0),
    organisation=_with_wider_labels(_SENDING),
    notes_bar=(306.0, 326.0),
    notes_bar_y=320.0,
    title_x=57.1,
    text_x=_VALUE + _WIDER,
    first_line=343.0,
    last_line=712.0,
    footer_y=728.1,
)
_FOLLOWING_SUMMARY_PAGE = PageLayout(
    top=33.84,
    bottom=755.02,
    version_bar=(33.84, 52.1),
    version_y=45.5,
    patient_heading=Heading("CITIZEN INFORMATION", 68.0),
    patient=_with_wider_labels(_patient(-11.5, name_size=12.96, name_y=87.2, name="Name:")),
    notes_bar=(163.0, 183.0),
    notes_bar_y=177.0,
    title_x=57.1,
    text_x=_VALUE + _WIDER,
    first_line=200.0,
    last_line=729.0,
    footer_y=744.9,
)

DESIGNS: Mapping[ReportDesign, Design] = {
    ReportDesign.CONSULTATION_REPORT: Design(
        first=FIRST_PAGE,
        continuation=CONTINUATION_PAGE,
        centre=299.3,
        frame=(BLACK, 0.48),
        rule=(BLACK, 0.48, 0.0),
        version_ground=NHS_LIGHT_BLUE,
        version_colour=WHITE,
        confidentiality="- Confidential: personal data -",
        confidentiality_style="bold",
        product_slant=0.2,
        label_style="italic",
        heading_colour=BLACK,
        heading_x=55.0,
        section_colour=BLACK,
        section_right=None,
        section_mark=":",
        footer="Confidential: personal data",
        capital_title=True,
        organisation=(("name", "address"), ", "),
        summary_reason=True,
        notes_heading="CLINICAL NOTES",
        attachments_heading=None,
        follow_up_heading=None,
    ),
    ReportDesign.SUMMARY: Design(
        first=_FIRST_SUMMARY_PAGE,
        continuation=_FOLLOWING_SUMMARY_PAGE,
        centre=(LEFT + RIGHT) / 2,
        frame=(NHS_BLUE, 1.65),
        rule=(PALE_BLUE, 2.2, 5.0),
        version_ground=PALE_BLUE,
        version_colour=BLACK,
        confidentiality="Confidential: personal data",
        confidentiality_style="regular",
        product_slant=0.0,
        label_style="regular",
        heading_colour=NHS_BLUE,
        heading_x=None,
        section_colour=NHS_BLUE,
        section_right=_LABEL + _WIDER,
        section_mark="",
        footer="CONFIDENTIAL: Personal data",
        capital_title=False,
        organisation=(("name", "ods_code", "address"), ",\n"),
        summary_reason=False,
        notes_heading="Clinical notes",
        attachments_heading="Attachments too large to send",
        follow_up_heading="Follow-up actions",
    ),
}


def designed(design: ReportDesign, size: PageSize) -> tuple[float, Design]:
    """Return the offset for every x, and the design on this paper."""
    layout = DESIGNS[design]
    if size is PageSize.LETTER:
        return 0.0, layout
    (letter_width, letter_height), (width, height) = PageSize.LETTER.points, size.points
    more = height - letter_height
    first, continuation = (
        replace(page, bottom=page.bottom + more, last_line=page.last_line + more, footer_y=page.footer_y + more)
        for page in (layout.first, layout.continuation)
    )
    return (width - letter_width) / 2, replace(layout, first=first, continuation=continuation)
