"""Where everything stands on the report's pages, as numbers: points, x from the left, y downwards from the top.

Source: GPCM-SD-CS-005, the published layout (US Letter). A4 keeps every distance: the frame is centred and reaches
further down. Fields name the values of `ReportContent.fields`.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

NHS_BLUE, NHS_LIGHT_BLUE = "#005EB8", "#41B6E6"  # GPCM-SD-CS-015
FOOTER_GREY = "#425563"
TABLE_HEADING, TABLE_STRIPE, TABLE_ABNORMAL = "#CCCCCC", "#EFEFEF", "#99BEF2"
LABEL, NOTES, SMALL, BAR = 9.12, 9.29, 7.44, 11.04
FIELD_LEADING, NOTES_LEADING = 12.0, 10.6
SECTION_GAP = 21.6
"""Between a section's last line and the next one's first, beside the leading (GPCM-SD-CS-012)."""


class PageSize(StrEnum):
    """The paper; a setting of the sending mailbox."""

    LETTER = "letter"
    A4 = "a4"

    @property
    def points(self) -> tuple[float, float]:
        """Width and height."""
        return (612.0, 792.0) if self is PageSize.LETTER else (595.28, 841.89)


class Column(StrEnum):
    """Fields push down what is below them in their own column only, until a row takes both."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A labelled value: the label ends at `label_right`, the value's lines begin at `x` and are `width` wide.

    `room` is how many lines stand there before what is below must move.
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
    organisation: tuple[tuple[Field, ...], ...] = ()
    rule: float | None = None
    organisation_heading_y: float = 0.0


LEFT, RIGHT = 48.02, 564.21
"""The frame's edges."""
CENTRE = 299.3
SMALL_LEFT, SMALL_RIGHT = 67.7, 552.0
TEXT_RIGHT = 557.0
TITLE_Y, SUBTITLE_Y, PRODUCT_Y = 38.65, 50.4, 38.88
PRODUCT_X = 480.2
LOGO = (61.61, 25.94, 120.04, 49.73)
HEADING_X = 55.0
BAR_TEXT_X = 56.3

_LABEL, _VALUE = 139.7, 145.2
_MIDDLE_LABEL, _MIDDLE_VALUE = 369.6, 375.3
_FAR_LABEL, _FAR_VALUE = 491.4, 497.0
_FAR_WIDTH = 64.0


def _patient(down: float, *, name_size: float, name_y: float, mobile: str) -> tuple[tuple[Field, ...], ...]:
    """The patient block; `down` is how far it stands below its place on the first page."""
    right = Column.RIGHT
    return (
        (
            Field(
                name="patient_name", label=("Patient Name:",), label_right=_LABEL, label_y=97.2 + down,
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
)  # fmt: skip

FIRST_PAGE = PageLayout(
    top=17.28,
    bottom=738.22,
    title_bar=(17.28, 58.7),
    version_bar=(58.7, 79.46),
    version_y=71.4,
    patient=_patient(0.0, name_size=12.96, name_y=99.2, mobile="Mobile No:"),
    rule=179.93,
    organisation_heading_y=194.5,
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


def page_layouts(size: PageSize) -> tuple[float, PageLayout, PageLayout]:
    """Give what to add to every x, the first page and the following ones."""
    if size is PageSize.LETTER:
        return 0.0, FIRST_PAGE, CONTINUATION_PAGE
    (letter_width, letter_height), (width, height) = PageSize.LETTER.points, size.points
    more = height - letter_height
    first, continuation = (
        replace(page, bottom=page.bottom + more, last_line=page.last_line + more, footer_y=page.footer_y + more)
        for page in (FIRST_PAGE, CONTINUATION_PAGE)
    )
    return (width - letter_width) / 2, first, continuation
