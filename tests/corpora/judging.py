"""Offers every file below a folder to the gate, and asks two judges about each PDF: pikepdf (qpdf) and pypdf.

pypdf is also one of the gate's two readers, PDFium being the other: pikepdf is the judge that the gate does not use.
The files stay where they are; their names are printed, so this is for public ones.
"""

import logging
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gpconnect_messaging.documents.gate import REFUSING, limits

TYPES = {
    ".pdf": "application/pdf",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".rtf": "text/rtf",
}
_MARKUP = rb"\s*<(?:!doctype|[a-z?/%])"
OTHER_KINDS = {
    ".doc": rb"\xd0\xcf\x11\xe0",
    ".docx": rb"PK\x03\x04",
    ".exe": rb"MZ",
    ".htm": _MARKUP,
    ".html": _MARKUP,
    ".svg": _MARKUP,
    ".zip": rb"PK\x03\x04",
}
"""What is offered as a PDF and as text, and must not pass as either where it begins as its ending says.

Collections hold files of these names that are something else: their own readers' tests.
"""
RULES = {
    "parts that cannot be read": "parts that cannot be read",
    "active content": "which may not be sent: save it without",
    "another format in front": "is not a PDF that begins with %PDF-",
    "another format beside it": "some programs would open it as that",
    "two values for one entry": "gives one entry two values",
    "a page that is not there for all": "some cannot open a page",
    "user password": "needs a password",
    "time limit": limits.TOO_LONG,
    "memory limit": limits.TOO_LARGE,
}
"""Why the gate may refuse what both judges can open, and the words of its refusal."""


@dataclass(frozen=True)
class Found:
    """One file as it was offered: the gate's refusal, None where it passed.

    `pages` says of a PDF how many pages the judges find that can open it; `other` that it is of another kind.
    """

    name: str
    offered_as: str
    refusal: str | None
    pages: dict[str, int] | None = None
    other: bool = False


def _pikepdf(path: Path) -> int:
    import pikepdf

    with pikepdf.open(path) as opened:
        return len(opened.pages)


def _pypdf(path: Path) -> int:
    import pypdf

    reader = pypdf.PdfReader(path)
    return 0 if reader.is_encrypted and not reader.decrypt("") else len(reader.pages)


JUDGES: dict[str, Callable[[Path], int]] = {"pikepdf": _pikepdf, "pypdf": _pypdf}


def _pages(judge: Callable[[Path], int], path: Path) -> int:
    try:
        return judge(path)
    except Exception:  # noqa: BLE001 - of broken files a judge raises anything
        return 0


def look(path: Path, folder: Path) -> list[Found]:
    """Offer one file to the gate, and to the judges where it is a PDF."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(_looked_at(path, folder))


def be_quiet() -> None:
    """Log nothing in a process of the judges' own: they log a line for most files."""
    logging.disable()


def _looked_at(path: Path, folder: Path) -> Iterator[Found]:
    name, ending = str(path.relative_to(folder)), path.suffix.lower()
    content = path.read_bytes()
    offers = [TYPES[ending]] if ending in TYPES else ["application/pdf", "text/plain"]
    for offered in offers:
        refusal = REFUSING.examine(offered, [content]).refusal
        judged = None
        if ending == ".pdf":
            judged = {who: pages for who, judge in JUDGES.items() if (pages := _pages(judge, path))}
        mark = OTHER_KINDS.get(ending)
        other = mark is not None and re.match(mark, content, re.IGNORECASE) is not None
        yield Found(name, offered, refusal, judged, other)


def reason(refusal: str) -> str:
    """Name the rule that a refusal is about; the refusal itself where it is none of RULES."""
    return next((rule for rule, words in RULES.items() if words in refusal), refusal)


@dataclass(frozen=True)
class Report:
    """What all files together show."""

    files: int
    accepted: Counter[str]
    refused: Counter[tuple[str, str]]
    accepted_unopened: list[str]
    accepted_uncertain: list[str]
    refused_opened: dict[str, list[str]]
    other_kinds_accepted: list[str]

    @classmethod
    def of(cls, found: list[Found]) -> "Report":
        """Sum up."""
        accepted = Counter(each.offered_as for each in found if each.refusal is None)
        refused = Counter((each.offered_as, reason(each.refusal)) for each in found if each.refusal is not None)
        unopened = [
            f"{each.name}: not {', '.join(sorted(JUDGES.keys() - each.pages.keys()))}"
            for each in found
            if each.refusal is None and each.pages is not None and len(each.pages) < len(JUDGES)
        ]
        uncertain = [
            f"{each.name}: {', '.join(f'{who} {pages}' for who, pages in sorted(each.pages.items()))}"
            for each in found
            if each.refusal is None and each.pages and len(set(each.pages.values())) > 1
        ]
        opened: dict[str, list[str]] = {}
        for each in found:
            if each.refusal is not None and each.pages is not None and len(each.pages) == len(JUDGES):
                opened.setdefault(reason(each.refusal), []).append(each.name)
        others = [f"{each.name} as {each.offered_as}" for each in found if each.refusal is None and each.other]
        return cls(len({each.name for each in found}), accepted, refused, unopened, uncertain, opened, others)

    def failures(self, least: int) -> list[str]:
        """Say what is wrong."""
        return [
            *([f"only {self.files} files, where {least} were asked for"] if self.files < least else []),
            *(f"accepted, and a judge cannot open it: {each}" for each in self.accepted_unopened),
            *(f"accepted, and the judges count other pages: {each}" for each in self.accepted_uncertain),
            *(
                f"refused, and both judges open it ({why}): {name}"
                for why, names in self.refused_opened.items()
                if why not in RULES
                for name in names
            ),
            *(f"accepted, though it is of another kind: {each}" for each in self.other_kinds_accepted),
        ]

    def text(self) -> str:
        """Write the counts for a person."""
        lines = [f"{self.files} files", "", "accepted"]
        lines += [f"  {count:6}  {kind}" for kind, count in sorted(self.accepted.items())]
        lines += ["", "refused"]
        lines += [f"  {count:6}  {kind}: {why}" for (kind, why), count in sorted(self.refused.items())]
        lines += ["", f"accepted PDFs that a judge cannot open: {len(self.accepted_unopened)}"]
        lines += [f"refused PDFs that both judges open: {sum(map(len, self.refused_opened.values()))}"]
        lines += [f"  {len(names):6}  {why}" for why, names in sorted(self.refused_opened.items())]
        return "\n".join(lines)
