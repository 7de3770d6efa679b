"""Renders an ITK3 message as an HTML page or as JSON, and extracts the documents.

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
from gpconnect_messaging.media_types import media_type

_ENDINGS = {
    "application/pdf": "pdf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "text/plain": "txt",
    "text/rtf": "rtf",
}


def extract(documents: Sequence[Document], folder: Path) -> dict[int, Path]:
    """Write the documents into a folder; return the files by the document's index.

    The function chooses the names, so that a message cannot choose where a file goes or which program opens it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for index, document in enumerate(documents):
        if document.content is not None:
            files[index] = folder / f"document-{index + 1}.{_ENDINGS.get(media_type(document.content_type), 'bin')}"
            _write(files[index], document.content)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Exit status 1: the file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m gpconnect_messaging.documents.render",
        description="Render an ITK3 message (FHIR STU3 XML) as an HTML page, and extract the documents.",
        epilog="The output holds personal data; the files are readable only by you.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the message")
    parser.add_argument(
        "--view",
        type=View,
        choices=list(View),
        default=View.ADMINISTRATIVE,
        help="administrative (the default) leaves clinical content out; clinical shows all",
    )
    parser.add_argument("--page", type=Path, metavar="PAGE", help="where to write the page (default: standard output)")
    parser.add_argument("--json", action="store_true", help="write JSON for a program instead of a page")
    parser.add_argument(
        "--extract", type=Path, metavar="FOLDER", help="where to write the documents (clinical view only)"
    )
    options = parser.parse_args(arguments)
    if options.extract and options.view is not View.CLINICAL:
        parser.error("documents are clinical content: --extract needs --view clinical")
    try:
        reading = read_message(options.file.read_bytes())
    except OSError as error:
        return _fail(f"the file cannot be read: {error.strerror}")
    except UnreadableMessageError as error:
        return _fail(f"the file is not an ITK3 message: {error}")
    _produce(reading, options)
    return 0


def _produce(reading: Reading, options: argparse.Namespace) -> None:
    files = extract(reading.documents, options.extract) if options.extract else {}
    beside = options.page.parent if options.page else Path()
    names = {index: Path(os.path.relpath(file, beside)).as_posix() for index, file in files.items()}
    write = _as_json if options.json else page
    written = write(reading, options.view, names)
    if options.page:
        _write(options.page, written.encode())
    else:
        sys.stdout.write(written)


def _as_json(reading: Reading, view: View, files: Mapping[int, str]) -> str:
    """The facts of the page as JSON; the administrative view leaves out the same ones."""
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
            **({"file": files[index]} if index in files else {}),
        }
        for index, document in enumerate(reading.documents)
    ]
    title = {"title": reading.title} if clinical else {}
    summary = {**title, "view": view, "groups": groups, "documents": documents}
    return json.dumps(summary, ensure_ascii=False, indent=2) + "\n"


def _write(target: Path, content: bytes) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _fail(reason: str) -> int:
    print(reason, file=sys.stderr)  # noqa: T201 - the command's error output
    return 1


if __name__ == "__main__":
    sys.exit(main())
