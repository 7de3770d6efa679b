"""Draws arranged pages as a PDF: embedded fonts, document properties, no scripts, no links.

The same pages give the same bytes (design: identity and idempotency).
"""

import io
from collections.abc import Sequence
from pathlib import Path

from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.pdfgen.textobject import PDFTextObject

from gpconnect_messaging.documents import report_designs
from gpconnect_messaging.documents.content import ReportContent
from gpconnect_messaging.documents.page_layout import Box, Drawing, Page, Text
from gpconnect_messaging.documents.report_designs import Design
from gpconnect_messaging.documents.text_shaping import Lettering, Line, lettering
from gpconnect_messaging.specification import PageSize

_PRODUCT = "GP Connect"
_WORDMARK = "NHS"
_WORDMARK_SIZE = 31.0
_SLANT = 0.2
_CREATOR = "gpconnect-messaging"


class Drawer:
    """Draws reports in one design for one paper size, with the deployer's logo and fonts."""

    def __init__(
        self, design: Design, size: PageSize, shift: float, logo: Path | None, fonts: tuple[Path, ...]
    ) -> None:
        self._design = design
        self._size, self._shift = size.points, shift
        self._logo = ImageReader(str(logo)) if logo else None
        self._letters = {style: lettering(style, fonts) for style in ("regular", "bold", "italic")}

    def draw(self, content: ReportContent, pages: Sequence[Page]) -> bytes:
        """Draw the pages of a report; return the PDF."""
        target = io.BytesIO()
        canvas = Canvas(
            target,
            pagesize=self._size,
            invariant=1,  # no clock, no random id
            pageCompression=1,
            lang="en-GB",
            # Otherwise every page would name Helvetica, which is not embedded.
            initialFontName=next(self._letters["regular"].runs(" "))[0],
        )
        canvas.setTitle(content.title.capitalize())
        canvas.setCreator(_CREATOR)
        canvas.setProducer(_CREATOR)
        canvas.setAuthor("")
        canvas.setSubject("")
        canvas.setViewerPreference("DisplayDocTitle", "true")
        for number, page in enumerate(pages, start=1):
            self._page(canvas, content, page, number, len(pages))
            canvas.showPage()
        canvas.save()
        return target.getvalue()

    def _page(self, canvas: Canvas, content: ReportContent, page: Page, number: int, total: int) -> None:
        canvas.translate(self._shift, 0)
        layout, design = page.layout, self._design
        if layout.title_bar:
            self._box(canvas, *layout.title_bar, report_designs.NHS_BLUE)
        self._box(canvas, *layout.version_bar, design.version_ground)
        for ground in page.marks:
            if not isinstance(ground, Text):
                self._ground(canvas, ground)
        self._strokes(canvas, page)
        if layout.title_bar:
            self._logo_or_wordmark(canvas)
        text = canvas.beginText()
        self._bars(text, content, page, number, total)
        for mark in page.marks:
            if isinstance(mark, Text):
                self._text(text, mark)
        footer = (design.footer, f"Page {number} of {total}")
        self._edges(text, footer, layout.footer_y, report_designs.FOOTER_GREY)
        canvas.drawText(text)

    def _strokes(self, canvas: Canvas, page: Page) -> None:
        layout, (colour, thickness) = page.layout, self._design.frame
        canvas.setLineWidth(thickness)
        canvas.setStrokeColor(HexColor(colour))
        canvas.rect(
            report_designs.LEFT,
            self._up(layout.bottom),
            report_designs.RIGHT - report_designs.LEFT,
            layout.bottom - layout.top,
            fill=0,
        )
        if layout.rule:
            colour, thickness, inset = self._design.rule
            canvas.setLineWidth(thickness)
            canvas.setStrokeColor(HexColor(colour))
            y = self._up(layout.rule + page.pushed_rule)
            canvas.line(report_designs.LEFT + inset, y, report_designs.RIGHT - inset, y)

    def _logo_or_wordmark(self, canvas: Canvas) -> None:
        left, top, right, bottom = report_designs.LOGO
        if self._logo:
            canvas.drawImage(
                self._logo, left, self._up(bottom), right - left, bottom - top,
                mask="auto", preserveAspectRatio=True, anchor="w",
            )  # fmt: skip
            return
        letters = self._letters["bold"]
        squeeze = (right - left - 5) / letters.width(_WORDMARK, _WORDMARK_SIZE)
        text = canvas.beginText()
        text.setFillColor(HexColor(report_designs.WHITE))
        text.setTextTransform(squeeze, 0, _SLANT, 1, left, self._up(bottom - 1))
        self._write(text, "bold", _WORDMARK_SIZE, Line(_WORDMARK, None, 0.0))
        canvas.drawText(text)

    def _bars(self, text: PDFTextObject, content: ReportContent, page: Page, number: int, total: int) -> None:
        design = self._design
        if page.layout.title_bar:
            for words, style, size, y in (
                (content.title, "bold", 12.96, report_designs.TITLE_Y),
                (design.confidentiality, design.confidentiality_style, 8.4, report_designs.SUBTITLE_Y),
            ):
                line = self._line(style, words, size)
                self._text(text, Text(line, style, size, design.centre - line.width / 2, y, report_designs.WHITE))
            text.setTextTransform(
                1, 0, design.product_slant, 1, report_designs.PRODUCT_X, self._up(report_designs.PRODUCT_Y)
            )
            self._write(text, "bold", 12, self._line("bold", _PRODUCT, 12))
        y, colour = page.layout.version_y, design.version_colour
        related = self._line(
            "regular", f"Number of related documents: {content.related_documents}", report_designs.SMALL
        )
        middle = design.centre - related.width / 2
        self._edge(text, f"Version {content.version}", report_designs.SMALL_LEFT, y, colour)
        self._text(text, Text(related, "regular", report_designs.SMALL, middle, y - 0.4, colour))
        self._edge(text, f"Page {number} of {total}", None, y, colour)

    def _edges(self, text: PDFTextObject, words: tuple[str, str], y: float, colour: str) -> None:
        self._edge(text, words[0], report_designs.SMALL_LEFT, y, colour)
        self._edge(text, words[1], None, y, colour)

    def _edge(self, text: PDFTextObject, words: str, x: float | None, y: float, colour: str) -> None:
        line = self._line("regular", words, report_designs.SMALL)
        at = report_designs.SMALL_RIGHT - line.width if x is None else x
        self._text(text, Text(line, "regular", report_designs.SMALL, at, y, colour))

    def _ground(self, canvas: Canvas, mark: Box | Drawing) -> None:
        if isinstance(mark, Box):
            canvas.setFillColor(HexColor(mark.colour))
            canvas.rect(mark.x, self._up(mark.y + mark.height), mark.width, mark.height, stroke=0, fill=1)
        else:
            picture = ImageReader(io.BytesIO(mark.content))
            canvas.drawImage(picture, mark.x, self._up(mark.y + mark.height), mark.width, mark.height)

    def _box(self, canvas: Canvas, top: float, bottom: float, colour: str) -> None:
        self._ground(
            canvas, Box(report_designs.LEFT, top, report_designs.RIGHT - report_designs.LEFT, bottom - top, colour)
        )

    def _text(self, text: PDFTextObject, mark: Text, *, y: float | None = None) -> None:
        if mark.line.drawn:
            text.setTextOrigin(mark.x, self._up(mark.y if y is None else y))
            text.setFillColor(HexColor(mark.colour))
            self._write(text, mark.style, mark.size, mark.line)

    def _write(self, text: PDFTextObject, style: str, size: float, line: Line) -> None:
        if line.source is not None:
            original = b"\xfe\xff" + line.source.encode("utf-16-be")
            # The library has no API for marked content: write the operators into the text object.
            text._code.append(f"/Span <</ActualText <{original.hex()}>>> BDC")  # noqa: SLF001
        for name, characters in self._letters[style].runs(line.drawn):
            text.setFont(name, size)
            text.textOut(characters)
        if line.source is not None:
            text._code.append("EMC")  # noqa: SLF001

    def _line(self, style: str, words: str, size: float) -> Line:
        letters: Lettering = self._letters[style]
        return letters.line(words, size)

    def _up(self, y: float) -> float:
        return self._size[1] - y
