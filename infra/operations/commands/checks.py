"""Checking: a request or a message against its rules, a message as a page, and the whole environment."""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from gpconnect_messaging.documents.gate import DocumentGate
from gpconnect_messaging.json_reading import JsonError, read_json
from gpconnect_messaging.ledger.lifecycle import EventType
from gpconnect_messaging.requests.drop_keys import is_request
from gpconnect_messaging.requests.models import DEEPEST, Request, parse
from gpconnect_messaging.requests.plausibility import implausible_withdrawal
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.storage import NotThereError
from infra.operations.command_line import CommandContext, ExitStatus, InputError, Panel, command
from infra.operations.commands.messages import Actor
from infra.operations.doctor import examined
from infra.operations.environment import EnvironmentRef, OperatorEnvironment, UnknownMessageError
from infra.operations.personal_data import Personal, reveal
from infra.operations.screen import plain_table, sentences

MessageOrFile = Annotated[
    str,
    typer.Argument(
        metavar="MESSAGE|FILE",
        help="A message by its id, as `gpcm show` takes it; or a file of yours, or a request's folder.",
    ),
]


@command(example="gpcm validate my-report/request.json", panel=Panel.CHECK)
def validate(
    context: CommandContext,
    what: MessageOrFile,
    envelope: Annotated[
        Path | None, typer.Option("--envelope", metavar="FILE", help="The MESH headers of a message's file.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what holds and what does not apply.")] = False,
    allow_active: Annotated[
        bool, typer.Option("--allow-active-content", help="As an environment that sends PDFs with active content.")
    ] = False,
) -> int | None:
    """A request with its documents, or a message or response, held to its rules; nothing that is printed repeats it."""
    from gpconnect_messaging.conformance.headers import Headers, read_headers

    file = _named(Path(what))
    content = _content(file)
    if content is not None:
        if _is_request(content):
            if context.where != EnvironmentRef():
                raise InputError(
                    "A request's file is held to what holds in every environment: leave out which one is meant. "
                    "`gpcm drop` says what an environment refuses."
                )
            return _validate_request(context, content, file.parent, DocumentGate(allow_active=allow_active))
        headers = read_headers(envelope.read_bytes()) if envelope else None
    else:
        _no_such_file(what)
        message_id = context.environment.find(what).message_id
        content = _stored(context.environment, message_id)
        headers = Headers.of(context.environment.outbox.envelope(message_id))
    return _validate_message(context, content, headers, everything=everything)


def _validate_message(context: CommandContext, content: bytes, headers: Any, *, everything: bool) -> int | None:
    # Only here: it reads all tables of requirements.
    from gpconnect_messaging.conformance.__main__ import as_json, as_text
    from gpconnect_messaging.conformance.tree import UnreadableMessageError
    from gpconnect_messaging.conformance.validation import validate_bytes

    try:
        transmission, findings = validate_bytes(content, headers)
    except UnreadableMessageError as unreadable:
        raise InputError(f"It cannot be checked: {unreadable}.") from None
    text = Text(as_text(transmission, findings, everything=everything))
    context.screen.result(json.loads(as_json(transmission, findings)), text)
    return ExitStatus.THE_ANSWER_IS_NO if any(each.is_broken_must for each in findings) else None


def _is_request(content: bytes) -> bool:
    """A message is XML, or JSON that names its resource type; of all else the reader of requests says what is wrong.

    Where JSON is broken the beginning tells: further in, the type can be that of a ready resource.
    """
    try:
        found = read_json(content, largest=len(content), deepest=DEEPEST)
    except JsonError:
        return _BEGINS_A_MESSAGE.match(content) is None
    return not isinstance(found, dict) or "resourceType" not in found


_BEGINS_A_MESSAGE = re.compile(rb'[\s\x00\xef\xbb\xbf\xfe\xff]*(?:<|\{\s*"resourceType")')


def _validate_request(context: CommandContext, content: bytes, folder: Path, gate: DocumentGate) -> int | None:
    """Hold a request to the rules that it can be held to by itself, and open the files that lie beside it.

    The mailbox's own rules are the builder's.
    """
    from gpconnect_messaging.draft_messages import require_in_order

    not_opened: list[str] = []
    try:
        asked = parse(content)
        if isinstance(asked, Request):
            not_opened = require_in_order(asked, lambda key: _content(folder / key), gate=gate)
        elif broken := list(implausible_withdrawal(asked, datetime.now(UTC))):
            raise RequestRefusedError(broken)
    except RequestRefusedError as refused:
        reasons = [str(each) for each in refused.reasons]
        context.screen.result(
            {"kind": "request", "valid": False, "reasons": reasons},
            Text("The request would be refused:", "bold red"),
            sentences(reasons, mark="·"),
        )
        return ExitStatus.THE_ANSWER_IS_NO
    context.screen.result(
        {"kind": "request", "valid": True, "reasons": [], "not_opened": not_opened},
        Text(
            "The request is in order, as far as it can say by itself. The rules of its mailbox, the size limit and the "
            "range of NHS numbers are the environment's: `gpcm drop` says what they refuse."
        ),
        sentences(
            [
                f"{field}: no such file is beside the request (letter case counts), so it was not opened; if it is "
                "not in the drop either, the request is refused"
                for field in not_opened
            ],
            mark="·",
        ),
    )
    return None


def _named(path: Path) -> Path:
    """Give the file of that name, or the request in the folder of that name."""
    try:
        requests = [file for file in path.iterdir() if is_request(file.name)]
    except (OSError, ValueError):
        return path
    if len(requests) != 1:
        raise InputError("There is not exactly one request.json in that folder. Give the file that is meant.")
    return requests[0]


def _content(file: Path) -> bytes | None:
    """Read a file; None where there is none, or where none can have that name."""
    try:
        return file.read_bytes()
    except (OSError, ValueError):
        return None


@command(example="gpcm render 1a2b3c4d --reveal --page report.html", panel=Panel.CHECK)
def render(
    context: CommandContext,
    what: MessageOrFile,
    page: Annotated[Path, typer.Option("--page", metavar="FILE", help="Where to write the page: HTML, for you alone.")],
    clinical: Annotated[
        bool, typer.Option("--clinical", help="All of it; otherwise clinical content is left out.")
    ] = False,
    extract: Annotated[
        Path | None, typer.Option("--extract", metavar="FOLDER", help="Write the documents there, too (--clinical).")
    ] = None,
    reveal_: Annotated[
        bool, typer.Option("--reveal", help="The page names the patient: needed for a stored message, and recorded.")
    ] = False,
    actor: Actor = None,
) -> None:
    """A message as a page for a person. The page holds personal data: mind where it goes."""
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
            raise InputError("The page names the patient. Add --reveal to have it; that is recorded.")
        content = reveal(
            environment.trail, actor=context.actor(actor), message_id=message_id, what=Personal.DOCUMENT,
            read=lambda: _stored(environment, message_id),
        )  # fmt: skip
    try:
        reading = read_message(content)
    except UnreadableMessageError as error:
        raise InputError(f"That is no ITK3 message: {error}.") from None
    files = drawing.extract(reading.documents, extract) if extract else {}
    names = {each: Path(os.path.relpath(file, page.parent)).as_posix() for each, file in files.items()}
    written = drawn(reading, View.CLINICAL if clinical else View.ADMINISTRATIVE, names)
    descriptor = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(written.encode())
    documents = [str(each) for each in files.values()]
    context.screen.result(
        {"page": str(page), "documents": documents}, Text("\n".join(f"Written: {each}" for each in (page, *documents)))
    )


def _stored(environment: OperatorEnvironment, message_id: str) -> bytes:
    record = environment.ledger.find(message_id)
    built = record.history.of(EventType.BUILT) if record else []
    if not built:
        raise UnknownMessageError("That is a request of which no message was made: there is nothing to read.")
    try:
        return b"".join(environment.outbox.read(message_id, 0, int(built[0].details["size"])))
    except NotThereError:
        raise UnknownMessageError("The message is not kept any more; its retention has passed.") from None


def _no_such_file(what: str) -> None:
    if "/" in what or what.endswith((".xml", ".json")):
        raise InputError("There is no such file.")


@command(example="gpcm doctor --environment int", panel=Panel.CHECK)
def doctor(context: CommandContext) -> int | None:
    """Is everything in order: stack, functions, queues, what can be switched off, the drop, secrets, mailboxes, PDS."""
    found = list(examined(context.environment))
    table = plain_table("", "what", "how it is")
    for each in found:
        mark = Text("✓", "green") if each.well else Text("✗", "bold red")
        table.add_row(mark, each.what, Text(each.words))
    wrong = [each for each in found if not each.well]
    verdict = "All is in order." if not wrong else f"{len(wrong)} of {len(found)} need somebody."
    context.screen.result(
        [{"what": each.what, "well": each.well, "words": each.words} for each in found], table, Text(f"\n{verdict}")
    )
    return ExitStatus.THE_ANSWER_IS_NO if wrong else None
