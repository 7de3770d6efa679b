"""Draws an ITK3 message as a page for a person, or says what it holds as JSON, and extracts its documents.

python -m gpconnect_messaging.documents.render FILE --view clinical --extract FOLDER --page PAGE.html
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gpconnect_messaging.documents.page import View, page
from gpconnect_messaging.documents.reading import Document, Reading, UnreadableMessageError, read_message
from gpconnect_messaging.documents.types import media_type

_ENDINGS = {
    "application/pdf": "pdf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "text/plain": "txt",
    "text/rtf": "rtf",
}


def extract(documents: Sequence[Document], folder: Path) -> dict[int, Path]:
    """Write the documents into a folder; return their files by place.

    The names are ours, so that nothing in a message can choose where a file goes or what opens it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for place, document in enumerate(documents):
        if document.content is not None:
            files[place] = folder / f"document-{place + 1}.{_ENDINGS.get(media_type(document.content_type), 'bin')}"
            _write(files[place], document.content)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Exit status 1: the file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m gpconnect_messaging.documents.render",
        description="Draw an ITK3 message (FHIR STU3 XML) as an HTML page for a person, and extract its documents.",
        epilog="What is written holds personal data; only you may read it.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the message")
    parser.add_argument(
        "--view",
        type=View,
        choices=list(View),
        default=View.ADMINISTRATIVE,
        help="administrative (the default) leaves clinical content out; clinical shows all",
    )
    parser.add_argument("--page", type=Path, metavar="PAGE", help="where to write it; else it is printed")
    parser.add_argument("--json", action="store_true", help="write JSON for a program instead of a page")
    parser.add_argument(
        "--extract", type=Path, metavar="FOLDER", help="where to put the documents (clinical view only)"
    )
    options = parser.parse_args(arguments)
    if options.extract and options.view is not View.CLINICAL:
        parser.error("documents are clinical content: --extract needs --view clinical")
    try:
        reading = read_message(options.file.read_bytes())
    except OSError as error:
        return _fail(f"the file cannot be read: {error.strerror}")
    except UnreadableMessageError as error:
        return _fail(f"the file is no ITK3 message: {error}")
    _produce(reading, options)
    return 0


def _produce(reading: Reading, options: argparse.Namespace) -> None:
    files = extract(reading.documents, options.extract) if options.extract else {}
    beside = options.page.parent if options.page else Path()
    names = {place: Path(os.path.relpath(file, beside)).as_posix() for place, file in files.items()}
    write = _as_json if options.json else page
    written = write(reading, options.view, names)
    if options.page:
        _write(options.page, written.encode())
    else:
        sys.stdout.write(written)


def _as_json(reading: Reading, view: View, files: Mapping[int, str]) -> str:
    """The same facts as the page's, and no more of them in the administrative view."""
    clinical = view is View.CLINICAL
    groups = [
        {"heading": group.heading, "facts": [{"label": label, "value": value} for label, value in group.facts]}
        for group in reading.groups
        if clinical or not group.clinical
    ]
    documents = [
        {
            **({"title": document.title} if clinical else {}),
            "content_type": document.content_type,
            "size": None if document.content is None else len(document.content),
            **({"file": files[place]} if place in files else {}),
        }
        for place, document in enumerate(reading.documents)
    ]
    title = {"title": reading.title} if clinical else {}
    found = {**title, "view": view, "groups": groups, "documents": documents}
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _write(target: Path, content: bytes) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _fail(why: str) -> int:
    print(why, file=sys.stderr)  # noqa: T201 - a command speaks to its person
    return 1


if __name__ == "__main__":
    sys.exit(main())
