"""Commands that check: validate a request or a message, render a message as a page, examine the environment."""

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from gpcm.command_line import CommandContext, ExitStatus, InputError, Panel, command
from gpcm.commands.messages import Actor
from gpcm.environment import EnvironmentRef, OperatorEnvironment, UnknownMessageError
from gpcm.personal_data import Personal, reveal
from gpcm.screen import plain_table, sentences
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.json_reading import JsonError, read_json
from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.specification import UseCase, Version
from gpconnect_messaging.storage import DamagedMessageError, NotThereError

MessageOrFile = Annotated[
    str,
    typer.Argument(
        metavar="MESSAGE|FILE",
        help="A message id, as for `gpcm show`; or a file, or the folder of a request.",
    ),
]


@command(example="gpcm validate my-report/request.json", panel=Panel.CHECK)
def validate(
    context: CommandContext,
    what: MessageOrFile,
    envelope: Annotated[
        Path | None, typer.Option("--envelope", metavar="FILE", help="File with the message's MESH headers.")
    ] = None,
    specification: Annotated[
        Version | None, typer.Option("--specification", help="Version of a message; detected if left out.")
    ] = None,
    use_case: Annotated[
        UseCase | None, typer.Option("--use-case", help="Use case of a message; detected if left out.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show the checks that pass or do not apply.")] = False,
    allow_active: Annotated[
        bool, typer.Option("--allow-active-content", help="Accept PDFs with active content, as some environments do.")
    ] = False,
) -> int | None:
    """Check a request and the documents, a message, or a response. The output quotes none of the content."""
    from gpconnect_messaging.conformance.headers import Headers, read_headers

    file = _request_file(Path(what))
    content = _content(file)
    if content is not None:
        if _is_request(content):
            if context.where != EnvironmentRef():
                raise InputError(
                    "A request's file is checked against the rules of all environments: leave the environment out. "
                    "`gpcm drop` says what an environment refuses."
                )
            return _validate_request(context, content, file.parent, allow_active=allow_active)
        headers = read_headers(envelope.read_bytes()) if envelope else None
    else:
        _no_such_file(what)
        message_id = context.environment.find(what).message_id
        content = _stored(context.environment, message_id)
        headers = Headers.of(context.environment.outbox.envelope(message_id))
    return _validate_message(context, content, headers, specification, use_case, everything=everything)


def _validate_message(
    context: CommandContext,
    content: bytes,
    headers: Any,
    specification: Version | None,
    use_case: UseCase | None,
    *,
    everything: bool,
) -> int | None:
    # Imported late: it reads all tables of requirements.
    from gpconnect_messaging.conformance.__main__ import as_json, as_text
    from gpconnect_messaging.conformance.tree import UnreadableMessageError
    from gpconnect_messaging.conformance.validation import validate_bytes

    try:
        transmission, findings = validate_bytes(content, headers, specification, use_case)
    except UnreadableMessageError as unreadable:
        raise InputError(f"The message cannot be checked: {unreadable}.") from None
    text = Text(as_text(transmission, findings, everything=everything))
    context.screen.result(json.loads(as_json(transmission, findings)), text)
    return ExitStatus.PROBLEM_FOUND if any(finding.is_broken_must for finding in findings) else None


def _is_request(content: bytes) -> bool:
    """Whether the content is a request. A message is XML, or JSON with a resource type.

    Broken JSON is judged by how it begins: further in, the resource type can belong to a resource in a request.
    """
    from gpconnect_messaging.requests.models import DEEPEST

    try:
        value = read_json(content, largest=len(content), deepest=DEEPEST)
    except JsonError:
        return _BEGINS_A_MESSAGE.match(content) is None
    return not isinstance(value, dict) or "resourceType" not in value


_BEGINS_A_MESSAGE = re.compile(rb'[\s\x00\xef\xbb\xbf\xfe\xff]*(?:<|\{\s*"resourceType")')


def _validate_request(context: CommandContext, content: bytes, folder: Path, *, allow_active: bool) -> int | None:
    """Check a request against the rules that need no environment, and open the files beside it.

    The builder checks the rules of the mailbox.
    """
    if sys.platform == "win32":
        raise InputError("Windows lacks the limits within which documents are opened: use Linux, macOS or WSL.")
    from gpconnect_messaging.documents.gate import DocumentGate
    from gpconnect_messaging.drafts import require_in_order
    from gpconnect_messaging.requests.models import Request, parse
    from gpconnect_messaging.requests.plausibility import implausible_withdrawal

    not_opened: list[str] = []
    warnings: tuple[str, ...] = ()
    try:
        request = parse(content)
        if isinstance(request, Request):
            gate = DocumentGate(allow_active=allow_active)
            not_opened, warnings = require_in_order(request, lambda key: _content(folder / key), gate=gate)
        elif broken := list(implausible_withdrawal(request, datetime.now(UTC))):
            raise RequestRefusedError(broken)
    except RequestRefusedError as refused:
        reasons = [str(reason) for reason in refused.reasons]
        context.screen.result(
            {"kind": "request", "valid": False, "reasons": reasons},
            Text("The request would be refused:", "bold red"),
            sentences(reasons, mark="·"),
        )
        return ExitStatus.PROBLEM_FOUND
    context.screen.result(
        {"kind": "request", "valid": True, "reasons": [], "not_opened": not_opened, "warnings": list(warnings)},
        Text(
            "The request is valid. The rules of the mailbox, the size limit and the range of NHS numbers depend on the "
            "environment: `gpcm drop` says what they refuse."
        ),
        sentences(
            [
                f"{field}: the file is not beside the request (letter case counts), so it was not opened; if it is "
                "not in the drop either, the request is refused"
                for field in not_opened
            ]
            + [f"warning: it is advised against, and sent: {warning}" for warning in warnings],
            mark="·",
        ),
    )
    return None


def _request_file(path: Path) -> Path:
    """Return the path, or the request file in it if the path is a folder."""
    try:
        requests = [file for file in path.iterdir() if is_request(file.name)]
    except (OSError, ValueError):
        return path
    if len(requests) != 1:
        raise InputError("The folder has no request.json, or several. Give the file.")
    return requests[0]


def _content(file: Path) -> bytes | None:
    """Read a file. None if it does not exist, or if the name is impossible."""
    try:
        return file.read_bytes()
    except (OSError, ValueError):
        return None


@command(example="gpcm render 1a2b3c4d-… --reveal --page report.html", panel=Panel.CHECK)
def render(
    context: CommandContext,
    what: MessageOrFile,
    page: Annotated[
        Path, typer.Option("--page", metavar="FILE", help="Write the page (HTML) to this file, readable by you alone.")
    ],
    clinical: Annotated[bool, typer.Option("--clinical", help="Include clinical content.")] = False,
    extract: Annotated[
        Path | None,
        typer.Option("--extract", metavar="FOLDER", help="Write the documents to this folder (needs --clinical)."),
    ] = None,
    reveal_: Annotated[
        bool, typer.Option("--reveal", help="Needed for a stored message, which names the patient. This is recorded.")
    ] = False,
    actor: Actor = None,
) -> None:
    """Write a message as an HTML page. The page has personal data: keep it safe."""
    from gpconnect_messaging.documents import render as drawing
    from gpconnect_messaging.documents.page import View
    from gpconnect_messaging.documents.page import page as drawn
    from gpconnect_messaging.documents.reading import UnreadableMessageError, read_message

    if extract and not clinical:
        raise InputError("Documents are clinical content: add --clinical to extract them.")
    content = _content(Path(what))
    if content is None:
        _no_such_file(what)
        environment, message_id = context.environment, context.environment.find(what).message_id
        if not reveal_:
            raise InputError("The page names the patient. Add --reveal to write it; that is recorded.")
        content = reveal(
            environment.trail, actor=context.actor(actor), message_id=message_id, what=Personal.DOCUMENT,
            read=lambda: _stored(environment, message_id),
        )  # fmt: skip
    try:
        reading = read_message(content)
    except UnreadableMessageError as error:
        raise InputError(f"That is no ITK3 message: {error}.") from None
    files = drawing.extract(reading.documents, extract) if extract else {}
    names = {document: Path(os.path.relpath(file, page.parent)).as_posix() for document, file in files.items()}
    written = drawn(reading, View.CLINICAL if clinical else View.ADMINISTRATIVE, names)
    descriptor = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(written.encode())
    documents = [str(file) for file in files.values()]
    context.screen.result(
        {"page": str(page), "documents": documents}, Text("\n".join(f"Written: {path}" for path in (page, *documents)))
    )


def _stored(environment: OperatorEnvironment, message_id: str) -> bytes:
    record = environment.ledger.find(message_id)
    built = record.history.of(EventType.BUILT) if record else []
    if not built:
        raise UnknownMessageError("No message was built from that request: there is nothing to read.")
    try:
        return environment.outbox.whole(message_id, built[0].details["sha256"])
    except NotThereError:
        raise UnknownMessageError("The message was deleted when its retention ended.") from None
    except DamagedMessageError as error:
        raise InputError(f"The message cannot be read: {error}.") from None


def _no_such_file(what: str) -> None:
    if "/" in what or what.endswith((".xml", ".json")):
        raise InputError("The file does not exist.")


@command(example="gpcm doctor --environment int", panel=Panel.CHECK)
def doctor(context: CommandContext) -> int | None:
    """Check the environment: functions, queues, parts that can be disabled, the drop, secrets, mailboxes, PDS."""
    from gpcm.doctor import examined

    findings = list(examined(context.environment))
    table = plain_table("", "what", "how it is")
    for finding in findings:
        mark = Text("✓", "green") if finding.well else Text("✗", "bold red")
        table.add_row(mark, finding.what, Text(finding.words))
    wrong = [finding for finding in findings if not finding.well]
    verdict = "All is in order." if not wrong else f"{len(wrong)} of {len(findings)} need attention."
    context.screen.result(
        [{"what": finding.what, "well": finding.well, "words": finding.words} for finding in findings],
        table,
        Text(f"\n{verdict}"),
    )
    return ExitStatus.PROBLEM_FOUND if wrong else None
