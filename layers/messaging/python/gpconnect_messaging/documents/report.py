"""Renders the consultation report of a request without a primary document (GPCM-SD-CS-001 … 016).

The rendering library is imported for the first report and not before: most requests have a primary document.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gpconnect_messaging.documents.content import TooManyLinesError, needed_pictures, report_content
from gpconnect_messaging.documents.report_designs import designed
from gpconnect_messaging.requests.models import Request, RequestedDocument
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.specification import PageSize, ReportDesign
from gpconnect_messaging.usecases import USE_CASES

if TYPE_CHECKING:
    from gpconnect_messaging.documents.page_layout import Arranger
    from gpconnect_messaging.documents.pdf import Drawer

MOST_LINES = 20_000
"""Maximum lines of a report: some four hundred pages, and 50 MB of memory during rendering."""

_KEY = "consultation-report.pdf"


@dataclass(frozen=True)
class ReportRenderer:
    """Renders reports in one design on one paper size. `logo` and `fonts` are files that the deployer supplies.

    Without a logo a plain wordmark is drawn; a character that no font covers is drawn in words.
    """

    design: ReportDesign
    page_size: PageSize = PageSize.LETTER
    logo: Path | None = None
    fonts: tuple[Path, ...] = ()

    def render(self, request: Request, version: int, read: Callable[[str], bytes]) -> bytes:
        """Render a request's report as a PDF; `read` returns an image by key. The same input gives the same bytes.

        Raises RequestRefusedError if the report would be longer than MOST_LINES.
        """
        pictures = {key: read(key) for key in needed_pictures(request)}
        arranger, drawer = self._tools
        content = report_content(request, version, pictures, arranger.design)
        try:
            return drawer.draw(content, arranger.pages(content, MOST_LINES))
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
    """Set the content types that are sent on the request's documents; both lists start with the primary document."""
    documents = [
        document.model_copy(update={"content_type": content_type})
        for document, content_type in zip(request.documents_in_order, content_types, strict=True)
    ]
    return request.model_copy(update={"documents": documents})


def with_report(request: Request) -> Request:
    """Add the rendered report as the request's primary document; the sender's documents stay attachments."""
    title = USE_CASES[request.use_case].title
    if title is None:
        raise ValueError("only a use case with a fixed title is rendered")
    report = RequestedDocument(key=_KEY, content_type="application/pdf", title=title, primary=True)
    return request.model_copy(update={"documents": [report, *request.documents]})
