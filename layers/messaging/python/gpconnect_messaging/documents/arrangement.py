"""Arranges a report's content on pages: which line stands where. Knows fonts' widths, and nothing of PDF.

Every line has its own place: what is longer than its room pushes down what is below, and notes flow over as many pages
as they need. A header never takes so much of a page that no notes fit: a value that would is cut with `…` and stands
whole among the notes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from gpconnect_messaging.documents import layouts
from gpconnect_messaging.documents.content import Note, Paragraph, Picture, ReportContent, Row, Table
from gpconnect_messaging.documents.layouts import Column, Field, PageLayout, PageSize
from gpconnect_messaging.documents.lettering import Line, lettering
from gpconnect_messaging.documents.pictures import scaled

_LINE_LIMITS = (18, 9, 5, 3)
"""How many lines a header value may take, the most generous first that leaves room for notes."""
_LEAST_NOTES = 180.0
_CELL_MARGIN = 3.0
_ROW_PADDING = 2.6
_ASCENT = 8.4
"""From the top of a line of notes to its baseline."""
_TEXT_WIDTH = layouts.TEXT_RIGHT - layouts.FIRST_PAGE.text_x
_TALLEST_PICTURE = 260.0
_POINTS_PER_PIXEL = 0.75
"""A small image is not blown up: 96 pixels are an inch."""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text on a page, from x at the baseline y."""

    line: Line
    style: str
    size: float
    x: float
    y: float
    colour: str = "#000000"


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
    """An image, scaled into its box."""

    content: bytes
    x: float
    y: float
    width: float
    height: float


Mark = Text | Box | Drawing


@dataclass(slots=True)
class Page:
    """What stands on one page, in reading order, and how far its header pushed the fixed parts down."""

    layout: PageLayout
    pushed_rule: float
    pushed_notes: float
    marks: list[Mark]
    header_marks: int
    """How many of the marks, the first ones, are the header's."""


@dataclass(frozen=True, slots=True)
class _Element:
    """A piece of the notes' right-hand column that no page break may split: marks relative to its top left corner."""

    height: float
    marks: tuple[Mark, ...]


_SPACE = _Element(4.0, ())


@dataclass(frozen=True, slots=True)
class _Header:
    """A header block as arranged, and the fields whose values had to be cut."""

    marks: tuple[Mark, ...]
    pushed_rule: float
    pushed_notes: float
    cut: tuple[Field, ...]


class Arranger:
    """Arranges reports for one paper size, with the deployer's fonts for what ours do not cover."""

    def __init__(self, size: PageSize = PageSize.LETTER, fonts: tuple[Path, ...] = ()) -> None:
        self.shift, self._first, self._continuation = layouts.page_layouts(size)
        self._regular, self._bold, self._italic = (lettering(each, fonts) for each in ("regular", "bold", "italic"))

    def pages(self, content: ReportContent) -> list[Page]:
        """Arrange the content; at least one page."""
        first = self._header(self._first, content)
        continued = self._header(self._continuation, content)
        cut = {each.name: each for each in (*continued.cut, *first.cut)}
        whole = [
            Note(f"{' '.join(each.label).removesuffix(':')} (in full)", (Paragraph(content.fields[each.name]),))
            for each in cut.values()
        ]
        flow = _Flow(self._first, first, self._continuation, continued)
        for note in (*whole, *content.notes):
            flow.add(self._titles(note), list(self._elements(note)))
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
        patient = self._rows(layout.patient, content, limit, 0.0, marks, cut)
        if layout.organisation:
            heading = self._bold.line("Consulting Organisation", layouts.LABEL)
            y = layout.organisation_heading_y + patient
            marks.append(Text(heading, "bold", layouts.LABEL, layouts.HEADING_X, y))
        pushed = self._rows(layout.organisation, content, limit, patient, marks, cut)
        return _Header(tuple(marks), patient, pushed, tuple(cut))

    def _rows(
        self,
        rows: Sequence[Sequence[Field]],
        content: ReportContent,
        limit: int,
        pushed: float,
        marks: list[Mark],
        cut: list[Field],
    ) -> float:
        """Arrange rows of fields; return how far what is below them must move down."""
        down = dict.fromkeys(Column, pushed)
        for row in rows:
            if any(each.column is Column.LEFT for each in row):
                down = dict.fromkeys(Column, max(down.values()))
            extra = dict.fromkeys(Column, 0.0)
            for each in row:
                value = content.fields.get(each.name, "")
                if not value and each.hidden_when_empty:
                    continue
                size, lines = self._value(each, value)
                if len(lines) > limit:
                    lines = [*lines[: limit - 1], self._bold.line("…", size)]
                    cut.append(each)
                marks += self._field(each, size, lines, down[each.column])
                extra[each.column] = max(extra[each.column], (len(lines) - each.room) * _leading(size))
            down = {column: down[column] + extra[column] for column in Column}
        return max(down.values())

    def _value(self, each: Field, value: str) -> tuple[float, list[Line]]:
        if not value:
            return each.size, []
        lines = self._bold.lines(value, each.size, each.width)
        if len(lines) > each.room and each.size > layouts.LABEL:  # GPCM-SD-CS-014: larger, space permitting
            return layouts.LABEL, self._bold.lines(value, layouts.LABEL, each.width)
        return each.size, lines

    def _field(self, each: Field, size: float, value: Sequence[Line], pushed: float) -> Iterator[Mark]:
        for place, label in enumerate(each.label):
            line = self._italic.line(label, layouts.LABEL)
            y = each.label_y + pushed + place * layouts.FIELD_LEADING
            yield Text(line, "italic", layouts.LABEL, each.label_right - line.width, y)
        for place, line in enumerate(value):
            yield Text(line, "bold", size, each.x, each.y + pushed + place * _leading(size))

    def _titles(self, note: Note) -> list[Line]:
        title = note.title if note.title.endswith((":", "?")) else f"{note.title}:"
        width = self._first.text_x - self._first.title_x - 6
        return self._bold.lines(title, layouts.NOTES, width)

    def _elements(self, note: Note) -> Iterator[_Element]:
        for place, block in enumerate(note.blocks):
            if place and Table in (type(block), type(note.blocks[place - 1])):
                yield _SPACE
            if isinstance(block, Paragraph):
                for line in self._regular.lines(block.text, layouts.NOTES, _TEXT_WIDTH):
                    yield _Element(layouts.NOTES_LEADING, (Text(line, "regular", layouts.NOTES, 0.0, _ASCENT),))
            elif isinstance(block, Table):
                yield from self._table(block)
            else:
                yield self._picture(block)

    def _table(self, table: Table) -> Iterator[_Element]:
        yield self._row(Row(table.headings), table.widths, layouts.TABLE_HEADING, "bold")
        for place, row in enumerate(table.rows):
            stripe = layouts.TABLE_STRIPE if place % 2 == 0 else None
            colour, style = (layouts.TABLE_ABNORMAL, "bold") if row.abnormal else (stripe, "regular")
            yield self._row(row, table.widths, colour, style)

    def _row(self, row: Row, widths: Sequence[float], colour: str | None, style: str) -> _Element:
        letters = self._bold if style == "bold" else self._regular
        texts: list[Mark] = []
        x, most = 0.0, 1
        for cell, share in zip(row.cells, widths, strict=True):
            width = share * _TEXT_WIDTH
            lines = letters.lines(cell, layouts.NOTES, width - 2 * _CELL_MARGIN)
            texts += [
                Text(line, style, layouts.NOTES, x + _CELL_MARGIN, _ASCENT + 1 + place * layouts.NOTES_LEADING)
                for place, line in enumerate(lines)
            ]
            x, most = x + width, max(most, len(lines))
        height = most * layouts.NOTES_LEADING + _ROW_PADDING
        ground = [Box(0.0, 0.0, _TEXT_WIDTH, height, colour)] if colour else []
        return _Element(height, (*ground, *texts))

    def _picture(self, picture: Picture) -> _Element:
        shown = scaled(picture.content)
        if shown is None:
            line = self._regular.line("[This image cannot be shown here: see the attached document]", layouts.NOTES)
            return _Element(layouts.NOTES_LEADING, (Text(line, "regular", layouts.NOTES, 0.0, _ASCENT),))
        factor = min(_TEXT_WIDTH / shown.width, _TALLEST_PICTURE / shown.height, _POINTS_PER_PIXEL)
        width, height = shown.width * factor, shown.height * factor
        return _Element(height + 6, (Drawing(shown.content, 0.0, 3.0, width, height),))


class _Flow:
    """Lets notes flow over pages."""

    def __init__(
        self, first: PageLayout, first_header: _Header, continuation: PageLayout, continued_header: _Header
    ) -> None:
        self._next = (continuation, continued_header)
        self.pages: list[Page] = []
        self._begin(first, first_header)

    def add(self, titles: Sequence[Line], elements: Sequence[_Element]) -> None:
        """Add a section: its title's lines on the left, its elements on the right, each pair on a row of its own."""
        rows = list(zip_longest(titles, elements))
        heights = [max(layouts.NOTES_LEADING if title else 0.0, body.height if body else 0.0) for title, body in rows]
        if self._y > self._top:
            self._y += layouts.SECTION_GAP
        if not self._fits(sum(heights[:2])):  # a title never stands alone at the foot of a page
            self._turn()
        left: list[Mark] = []
        right: list[Mark] = []
        for (title, body), height in zip(rows, heights, strict=True):
            if not self._fits(height):
                self._flush(left, right)
                self._turn()
            layout = self.pages[-1].layout
            if title:
                left.append(Text(title, "bold", layouts.NOTES, layout.title_x, self._y + _ASCENT))
            if body:
                right += [replace(mark, x=mark.x + layout.text_x, y=mark.y + self._y) for mark in body.marks]
            self._y += height
        self._flush(left, right)

    def _flush(self, left: list[Mark], right: list[Mark]) -> None:
        # The title whole, then its notes whole: the order in which a person, or a screen reader, reads.
        self.pages[-1].marks += [*left, *right]
        left.clear()
        right.clear()

    def _fits(self, height: float) -> bool:
        layout = self.pages[-1].layout
        return self._y == self._top or self._y + height <= layout.last_line + layouts.NOTES_LEADING - _ASCENT

    def _turn(self) -> None:
        self._begin(*self._next)

    def _begin(self, layout: PageLayout, header: _Header) -> None:
        self.pages.append(Page(layout, header.pushed_rule, header.pushed_notes, list(header.marks), len(header.marks)))
        self._y = self._top = layout.first_line - _ASCENT + header.pushed_notes


def _leading(size: float) -> float:
    return max(layouts.FIELD_LEADING, size)
