"""Writes a message as one HTML page: no script, no external resources, readable without colour and on a phone."""

from collections.abc import Mapping
from enum import StrEnum
from html import escape

from gpconnect_messaging.documents import wording
from gpconnect_messaging.documents.reading import Document, Facts, Reading
from gpconnect_messaging.media_types import media_type


class View(StrEnum):
    """The view of a message; the administrative view leaves clinical content out."""

    ADMINISTRATIVE = "administrative"
    CLINICAL = "clinical"


_STYLE = """
body { margin: 0; color: #212b32; background: #f0f4f5; font: 1rem/1.5 Arial, sans-serif; }
header { padding: 1rem; color: #fff; background: #005eb8; border-bottom: .5rem solid #41b6e6; }
header h1, header p { max-width: 60rem; margin: 0 auto; overflow-wrap: anywhere; }
main { max-width: 60rem; margin: 0 auto; padding: 0 1rem 2rem; }
section { margin-top: 1rem; padding: .75rem 1rem; background: #fff; border: 1px solid #4c6272; }
h2 { margin: 0 0 .5rem; font-size: 1.2rem; }
dl { margin: 0; }
dl div { display: grid; grid-template-columns: 12rem 1fr; gap: 0 1rem; }
dl div { padding: .25rem 0; border-top: 1px solid #d8dde0; }
dt { font-weight: bold; }
dd { margin: 0; overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; }
@media (max-width: 40rem) { dl div { grid-template-columns: 1fr; } }
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""
_TITLE = "ITK3 message"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:; base-uri 'none'; form-action 'none'"


def page(reading: Reading, view: View, files: Mapping[int, str]) -> str:
    """Write the page. `files` are the paths of extracted documents by index, relative to the page."""
    clinical = view is View.CLINICAL
    groups = [group for group in reading.groups if clinical or not group.clinical]
    body = "".join(map(_group, groups))
    documents = "".join(
        _document(index, document, files.get(index), clinical) for index, document in enumerate(reading.documents)
    )
    note = "" if clinical else " – clinical content is left out"
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        # Not the document's title: a browser shows this in tabs and keeps it in the history.
        f"<title>{_TITLE}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(reading.title if clinical else _TITLE)}</h1>"
        f"<p>Confidential: personal data. {view.capitalize()} view{note}.</p></header>\n"
        f"<main>\n{body}{documents}</main>\n</body>\n</html>\n"
    )


def _group(group: Facts) -> str:
    return _section(group.heading, group.facts)


def _section(heading: str, facts: tuple[tuple[str, str], ...], more: str = "") -> str:
    rows = "".join(f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>" for label, value in facts)
    return f"<section><h2>{escape(heading)}</h2><dl>{rows}</dl>{more}</section>\n"


def _document(index: int, document: Document, file: str | None, clinical: bool) -> str:
    content = document.content
    facts = [("Type", document.content_type or "not given")]
    facts.append(("Size", "cannot be decoded" if content is None else wording.size(len(content))))
    if clinical and document.title:
        facts.insert(0, ("Title", document.title))
    more = ""
    if clinical and content is not None and media_type(document.content_type) == "text/plain":
        facts.append(("Text", content.decode("utf-8", "replace")))
    if clinical and file:
        name = escape(file)
        more = f'<p><a href="{name}">Open {name}</a></p>'
        if media_type(document.content_type) in {"image/png", "image/jpeg"}:
            more += f'<p><img src="{name}" alt="{escape(document.title or "Image")}"></p>'
    return _section(f"Attachment {index + 1}", tuple(facts), more)
