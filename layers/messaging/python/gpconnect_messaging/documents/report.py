"""Renders the consultation report of a request that comes without a primary document (GPCM-SD-CS-001 … 016).

The rendering library is imported when the first report is rendered, and not before: most requests bring their own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gpconnect_messaging.documents.content import TooManyLinesError, needed_pictures, report_content
from gpconnect_messaging.documents.report_designs import PageSize, designed
from gpconnect_messaging.requests.models import Request, RequestedDocument
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.specification import ReportDesign
from gpconnect_messaging.usecases import USE_CASES

if TYPE_CHECKING:
    from gpconnect_messaging.documents.page_layout import Arranger
    from gpconnect_messaging.documents.pdf import Drawer

MOST_LINES = 20_000
"""The longest report, in lines: some four hundred pages, more than anybody reads, and 50 MB while it is drawn."""

_KEY = "consultation-report.pdf"
_CHUNK = 192 * 1024


@dataclass(frozen=True, slots=True)
class RenderedReport:
    """A report that was rendered here, to be sent as the primary document."""

    content: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        """Give the report piece by piece."""
        return (self.content[start : start + _CHUNK] for start in range(0, self.size, _CHUNK))


@dataclass(frozen=True)
class ReportRenderer:
    """Renders reports in one design on one paper size. `logo` and `fonts` are files that the deployer supplies.

    Without a logo a plain wordmark stands in its place; a character that no font covers is drawn in words.
    """

    design: ReportDesign
    page_size: PageSize = PageSize.LETTER
    logo: Path | None = None
    fonts: tuple[Path, ...] = ()

    def render(self, request: Request, version: int, read: Callable[[str], bytes]) -> RenderedReport:
        """Render a request's report; `read` gives an image of it by key. The same input gives the same bytes.

        Raises RequestRefusedError where it would be longer than MOST_LINES.
        """
        pictures = {key: read(key) for key in needed_pictures(request)}
        arranger, drawer = self._tools
        content = report_content(request, version, pictures, arranger.design)
        try:
            return RenderedReport(drawer.draw(content, arranger.pages(content, MOST_LINES)))
        except TooManyLinesError:
            rule = f"is too long to be rendered: at most {MOST_LINES} lines; send it as a document instead"
        raise RequestRefusedError.because("consultation", rule)

    @cached_property
    def _tools(self) -> "tuple[Arranger, Drawer]":
        from gpconnect_messaging.documents.page_layout import Arranger
        from gpconnect_messaging.documents.pdf import Drawer

        shift, design = designed(self.design, self.page_size)
        return Arranger(design, self.fonts), Drawer(design, self.page_size, shift, self.logo, self.fonts)


def as_carried(request: Request, content_types: Sequence[str]) -> Request:
    """Give the request's documents the content types that travel; both stand primary first."""
    documents = [
        document.model_copy(update={"content_type": content_type})
        for document, content_type in zip(request.documents_in_order, content_types, strict=True)
    ]
    return request.model_copy(update={"documents": documents})


def with_report(request: Request) -> Request:
    """Give the request the rendered report as its primary document; the sender's documents stay attachments."""
    title = USE_CASES[request.use_case].title
    if title is None:
        raise ValueError("only a use case with a title of its own is rendered")
    report = RequestedDocument(key=_KEY, content_type="application/pdf", title=title, primary=True)
    return request.model_copy(update={"documents": [report, *request.documents]})
