"""Arranges a report's content on pages. Uses font widths and is independent of PDF.

A value longer than the space reserved for it pushes down the lines below. Notes flow over as many pages as they need;
a new page repeats the bar of the part and, within a table, the headings. A header always leaves room for notes: a value
that is too long is cut with `…` and printed in full among the notes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from gpconnect_messaging.documents import report_designs
from gpconnect_messaging.documents.content import (
    Note,
    Paragraph,
    Picture,
    ReportContent,
    Row,
    Table,
    TooManyLinesError,
)
from gpconnect_messaging.documents.pictures import scaled
from gpconnect_messaging.documents.report_designs import Column, Design, Field, Heading, PageLayout
from gpconnect_messaging.documents.text_shaping import Line, lettering

_LINE_LIMITS = (18, 9, 5, 3)
"""Maximum lines of a header value: the first limit that leaves room for notes applies."""
_LEAST_NOTES = 180.0
_CELL_MARGIN = 3.0
_ROW_PADDING = 2.6
_ASCENT = 8.4
"""From the top of a line of notes to the baseline."""
_TALLEST_PICTURE = 260.0
_PICTURE_MARGINS = 6.0
_POINTS_PER_PIXEL = 0.75
"""At 96 pixels per inch; small images are not enlarged."""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text on a page, from x at the baseline y."""

    line: Line
    style: str
    size: float
    x: float
    y: float
    colour: str = report_designs.BLACK


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """An image, scaled into a box."""

    content: bytes
    x: float
    y: float
    width: float
    height: float


Mark = Text | Box | Drawing


@dataclass(slots=True)
class Page:
    """The marks of one page in reading order, and how far the header pushed the rule down."""

    layout: PageLayout
    pushed_rule: float
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class _Element:
    """A piece of the notes' right-hand column that no page break may split: marks relative to the top left corner.

    `above` is repeated above the element at the top of a page; `leads` keeps the next element on the same page.
    """

    height: float
    marks: tuple[Mark, ...]
    above: "_Element | None" = None
    leads: bool = False


_SPACE = _Element(4.0, ())


@dataclass(frozen=True, slots=True)
class _Header:
    """An arranged header block, and the fields whose values were cut."""

    marks: tuple[Mark, ...]
    pushed_rule: float
    pushed_notes: float
    cut: tuple[Field, ...]


class Arranger:
    """Arranges reports in one design; the deployer's fonts cover characters that the packaged fonts lack."""

    def __init__(self, design: Design, fonts: tuple[Path, ...] = ()) -> None:
        self.design = design
        self._letters = {style: lettering(style, fonts) for style in ("regular", "bold", "italic")}
        self._regular, self._bold = self._letters["regular"], self._letters["bold"]

    def pages(self, content: ReportContent, most_lines: int) -> list[Page]:
        """Arrange the content on one or more pages. Raises TooManyLinesError before much memory is used."""
        if content.least_lines > most_lines:
            raise TooManyLinesError
        left = most_lines
        first = self._header(self.design.first, content)
        continued = self._header(self.design.continuation, content)
        cut = {field.name: field for field in (*continued.cut, *first.cut)}
        in_full = tuple(
            Note(f"{' '.join(field.label).removesuffix(':')} (in full)", (Paragraph(content.fields[field.name]),))
            for field in cut.values()
        )
        flow = _Flow(self.design, first, continued)
        for part in content.parts:
            bar = self._bold.line(part.heading, report_designs.BAR)
            notes = [
                (self._titles(note), list(self._elements(note, flow.room)))
                for note in (*(in_full if part is content.parts[0] else ()), *part.notes)
            ]
            left -= sum(len(titles) + len(elements) for titles, elements in notes)
            if left < 0:
                raise TooManyLinesError
            flow.begin_part(bar, *notes[0])
            for titles, elements in notes:
                flow.add(titles, elements)
        return flow.pages

    def _header(self, layout: PageLayout, content: ReportContent) -> _Header:
        for limit in _LINE_LIMITS:
            header = self._header_within(layout, content, limit)
            if layout.last_line - layout.first_line - header.pushed_notes >= _LEAST_NOTES:
                break
        return header

    def _header_within(self, layout: PageLayout, content: ReportContent, limit: int) -> _Header:
        marks: list[Mark] = []
        cut: list[Field] = []
        marks += self._heading(layout.patient_heading, 0.0)
        patient = self._rows(layout.patient, content, limit, 0.0, marks, cut)
        marks += self._heading(layout.organisation_heading, patient)
        pushed = self._rows(layout.organisation, content, limit, patient, marks, cut)
        return _Header(tuple(marks), patient, pushed, tuple(cut))

    def _heading(self, heading: Heading | None, pushed: float) -> list[Mark]:
        if heading is None:
            return []
        line, design = self._bold.line(heading.words, report_designs.LABEL), self.design
        x = design.centre - line.width / 2 if design.heading_x is None else design.heading_x
        return [Text(line, "bold", report_designs.LABEL, x, heading.y + pushed, design.heading_colour)]

    def _rows(
        self,
        rows: Sequence[Sequence[Field]],
        content: ReportContent,
        limit: int,
        pushed: float,
        marks: list[Mark],
        cut: list[Field],
    ) -> float:
        """Arrange rows of fields; return how far the lines below must move down."""
        down = dict.fromkeys(Column, pushed)
        for row in rows:
            if any(field.column is Column.LEFT for field in row):
                down = dict.fromkeys(Column, max(down.values()))
            extra = dict.fromkeys(Column, 0.0)
            for field in row:
                value = content.fields.get(field.name, "")
                if not value and field.hidden_when_empty:
                    continue
                size, lines = self._value(field, value)
                if len(lines) > limit:
                    lines = [*lines[: limit - 1], self._bold.line("…", size)]
                    cut.append(field)
                marks += self._field(field, size, lines, down[field.column])
                extra[field.column] = max(extra[field.column], (len(lines) - field.room) * _leading(size))
            down = {column: down[column] + extra[column] for column in Column}
        return max(down.values())

    def _value(self, field: Field, value: str) -> tuple[float, list[Line]]:
        if not value:
            return field.size, []
        lines = self._bold.lines(value, field.size, field.width)
        if len(lines) > field.room and field.size > report_designs.LABEL:  # GPCM-SD-CS-014: larger, space permitting
            return report_designs.LABEL, self._bold.lines(value, report_designs.LABEL, field.width)
        return field.size, lines

    def _field(self, field: Field, size: float, value: Sequence[Line], pushed: float) -> Iterator[Mark]:
        for index, label in enumerate(field.label):
            line = self._letters[self.design.label_style].line(label, report_designs.LABEL)
            y = field.label_y + pushed + index * report_designs.FIELD_LEADING
            yield Text(line, self.design.label_style, report_designs.LABEL, field.label_right - line.width, y)
        for index, line in enumerate(value):
            yield Text(line, "bold", size, field.x, field.y + pushed + index * _leading(size))

    def _titles(self, note: Note) -> list[Text]:
        """The lines of a section's title, with x relative to the page."""
        design = self.design
        title = note.title if note.title.endswith((":", "?")) else f"{note.title}{design.section_mark}"
        start = design.first.title_x
        end = design.section_right or design.first.text_x - 6
        lines = self._bold.lines(title, report_designs.NOTES, end - start)
        return [
            Text(
                line,
                "bold",
                report_designs.NOTES,
                end - line.width if design.section_right else 0.0,
                0.0,
                design.section_colour,
            )
            for line in lines
        ]

    def _elements(self, note: Note, room: float) -> Iterator[_Element]:
        """The note's blocks, in pieces that fit on a page."""
        for index, block in enumerate(note.blocks):
            if index and Table in (type(block), type(note.blocks[index - 1])):
                yield _SPACE
            if isinstance(block, Paragraph):
                for line in self._regular.lines(block.text, report_designs.NOTES, self.design.text_width):
                    yield _Element(
                        report_designs.NOTES_LEADING, (Text(line, "regular", report_designs.NOTES, 0.0, _ASCENT),)
                    )
            elif isinstance(block, Table):
                yield from self._table(block, room)
            else:
                yield self._picture(block, room)

    def _table(self, table: Table, room: float) -> Iterator[_Element]:
        (headings,) = self._row(Row(table.headings), table.widths, report_designs.TABLE_HEADING, "bold", room)
        yield replace(headings, leads=True)
        for index, row in enumerate(table.rows):
            stripe = report_designs.TABLE_STRIPE if index % 2 == 0 else None
            colour, style = (report_designs.TABLE_ABNORMAL, "bold") if row.abnormal else (stripe, "regular")
            for piece in self._row(row, table.widths, colour, style, room - headings.height):
                yield replace(piece, above=headings)

    def _row(
        self, row: Row, widths: Sequence[float], colour: str | None, style: str, room: float
    ) -> Iterator[_Element]:
        """A row, split into pieces if it is taller than a page."""
        whole = self.design.text_width
        cells = [
            self._letters[style].lines(cell, report_designs.NOTES, share * whole - 2 * _CELL_MARGIN)
            for cell, share in zip(row.cells, widths, strict=True)
        ]
        left = [sum(widths[:index]) * whole + _CELL_MARGIN for index in range(len(widths))]
        most = max(1, int((room - _ROW_PADDING) / report_designs.NOTES_LEADING))
        for start in range(0, max(map(len, cells)), most):
            pieces = [lines[start : start + most] for lines in cells]
            texts = [
                Text(line, style, report_designs.NOTES, x, _ASCENT + 1 + index * report_designs.NOTES_LEADING)
                for x, lines in zip(left, pieces, strict=True)
                for index, line in enumerate(lines)
            ]
            height = max(map(len, pieces)) * report_designs.NOTES_LEADING + _ROW_PADDING
            ground = [Box(0.0, 0.0, whole, height, colour)] if colour else []
            yield _Element(height, (*ground, *texts))

    def _picture(self, picture: Picture, room: float) -> _Element:
        shown = scaled(picture.content)
        if shown is None:
            line = self._regular.line(
                "[This image cannot be shown here: see the attached document]", report_designs.NOTES
            )
            return _Element(report_designs.NOTES_LEADING, (Text(line, "regular", report_designs.NOTES, 0.0, _ASCENT),))
        tallest = min(_TALLEST_PICTURE, room - _PICTURE_MARGINS)
        factor = min(self.design.text_width / shown.width, tallest / shown.height, _POINTS_PER_PIXEL)
        width, height = shown.width * factor, shown.height * factor
        return _Element(height + _PICTURE_MARGINS, (Drawing(shown.content, 0.0, 3.0, width, height),))


class _Flow:
    """Distributes notes over pages."""

    def __init__(self, design: Design, first: _Header, continued: _Header) -> None:
        self._next = (design.first, first)
        self._continuation = (design.continuation, continued)
        self.pages: list[Page] = []
        self._bar: Line
        self._y = self._top = 0.0
        self._fresh = True
        """Whether the space below the bar is empty."""

    @property
    def room(self) -> float:
        """The maximum height of a piece on an otherwise empty page."""
        layout, header = self._continuation
        return _lowest(layout) - _highest(layout, header)

    def begin_part(self, bar: Line, titles: Sequence[Text], elements: Sequence[_Element]) -> None:
        """Begin a part with a bar; the beginning of the first section must fit below the bar."""
        self._bar = bar
        if not self.pages:
            self._turn()
            return
        layout = self.pages[-1].layout
        y = self._y + report_designs.SECTION_GAP
        below = layout.first_line - _ASCENT - layout.notes_bar[0]
        self._y = y + below
        if self._fits(_beginning(titles, elements)):
            self._draw_bar(y)
        else:
            self._turn()

    def add(self, titles: Sequence[Text], elements: Sequence[_Element]) -> None:
        """Add a section: title lines on the left, elements on the right, one pair per row."""
        rows = list(zip_longest(titles, elements))
        if not self._fresh:
            self._y += report_designs.SECTION_GAP
        if not self._fits(_beginning(titles, elements)):  # a title never stands alone at the foot of a page
            self._turn()
        left: list[Mark] = []
        right: list[Mark] = []
        for index, (title, body) in enumerate(rows):
            height = _height(title, body)
            stays = body is not None and body.leads and index + 1 < len(rows)
            if not self._fits(height + (_height(*rows[index + 1]) if stays else 0.0)):
                self._flush(left, right)
                self._turn()
                if body and body.above:
                    right += self._placed(body.above)
                    self._y += body.above.height
            layout = self.pages[-1].layout
            if title:
                left.append(replace(title, x=title.x or layout.title_x, y=self._y + _ASCENT))
            if body:
                right += self._placed(body)
            self._y += height
            self._fresh = False
        self._flush(left, right)

    def _placed(self, element: _Element) -> list[Mark]:
        x = self.pages[-1].layout.text_x
        return [replace(mark, x=mark.x + x, y=mark.y + self._y) for mark in element.marks]

    def _flush(self, left: list[Mark], right: list[Mark]) -> None:
        # The whole title, then all notes: the order in which a person or a screen reader reads.
        self.pages[-1].marks += [*left, *right]
        left.clear()
        right.clear()

    def _fits(self, height: float) -> bool:
        return self._y == self._top or self._y + height <= _lowest(self.pages[-1].layout)

    def _turn(self) -> None:
        layout, header = self._next
        self._next = self._continuation
        self.pages.append(Page(layout, header.pushed_rule, list(header.marks)))
        self._draw_bar(layout.notes_bar[0] + header.pushed_notes)
        self._y = self._top = _highest(layout, header)

    def _draw_bar(self, y: float) -> None:
        page = self.pages[-1]
        top, bottom = page.layout.notes_bar
        page.marks += [
            Box(
                report_designs.LEFT,
                y,
                report_designs.RIGHT - report_designs.LEFT,
                bottom - top,
                report_designs.NHS_BLUE,
            ),
            Text(
                self._bar,
                "bold",
                report_designs.BAR,
                report_designs.BAR_TEXT_X,
                y + page.layout.notes_bar_y - top,
                report_designs.WHITE,
            ),
        ]
        self._fresh = True


def _highest(layout: PageLayout, header: _Header) -> float:
    return layout.first_line - _ASCENT + header.pushed_notes


def _lowest(layout: PageLayout) -> float:
    return layout.last_line + report_designs.NOTES_LEADING - _ASCENT


def _height(title: Text | None, body: _Element | None) -> float:
    return max(report_designs.NOTES_LEADING if title else 0.0, body.height if body else 0.0)


def _beginning(titles: Sequence[Text], elements: Sequence[_Element]) -> float:
    """The height of a section's first two rows, or three if the section begins with a table."""
    rows = list(zip_longest(titles, elements))
    count = 3 if elements and elements[0].leads else 2
    return sum(_height(*row) for row in rows[:count])


def _leading(size: float) -> float:
    return max(report_designs.FIELD_LEADING, size)
