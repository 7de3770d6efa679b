"""Commands for requests: drop one, write one, withdraw a consultation."""

import json
import os
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from gpcm.command_line import CommandContext, ExitStatus, InputError, Panel, command
from gpcm.commands.messages import Actor, MessageName
from gpcm.dropping import Dropped, drop, drop_folder, request_of
from gpcm.environment import OperatorEnvironment
from gpcm.messages import Mood, mood
from gpcm.screen import arrived_shown, sentences, status_text
from gpcm.wording import period
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.identifiers import is_nhs_number
from gpconnect_messaging.ledger.records import Summary
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.requests.refusal import RequestRefusedError

_SAMPLES = Path(__file__).parents[5] / "events" / "requests"
"""The sample requests of a checkout. An installed `gpcm` has none."""

_FOLDER = "gpcm"
"""The folder for these requests, in the drop bucket or below the prefix of the sender."""

_POLL_SECONDS = 0.5

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


@command(example="gpcm drop my-report/request.json my-report/report.pdf", panel=Panel.SEND, name="drop")
def drop_(
    context: CommandContext,
    request: Annotated[
        Path,
        typer.Argument(
            metavar="REQUEST",
            help="A folder with request.json and the documents; the file of a request; or the name of a sample.",
        ),
    ],
    documents: Annotated[
        list[Path] | None, typer.Argument(metavar="DOCUMENTS", help="The documents, if REQUEST is a file.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="Seconds to follow the messages; 0: none.")
    ] = 60,
) -> int | None:
    """Drop a request with documents, and follow the messages."""
    environment = context.environment
    body, files = _read(request, documents or [])
    bucket = environment.output("DropBucketName")
    if body is None:
        file = _file(request)
        request_body = file.read_bytes()
        _warn(context, request_body, {beside.relative_to(file.parent).as_posix() for beside in file.parent.rglob("*")})
        into = _drop_folder_for(environment, request_body)
        dropped = drop_folder(environment, bucket, file.parent, identifiers=environment.identifiers, into=into)
    else:
        _warn(context, body, files)
        into = _drop_folder_for(environment, body)
        dropped = drop(environment, bucket, body, files, identifiers=environment.identifiers, into=into)
    context.screen.say(f"Dropped as request {dropped.request_id}.")
    return _follow(context, environment, dropped, wait)


def _drop_folder_for(environment: OperatorEnvironment, request: bytes) -> str:
    """Return the folder in the drop bucket, below the prefix of the sender whose mailbox the request names."""
    try:
        mailbox = json.loads(request)["mailbox"]
    except (ValueError, TypeError, KeyError):
        mailbox = ""  # the builder reports the error
    return environment.prefix_of(str(mailbox)) + _FOLDER


def _warn(context: CommandContext, request: bytes, files: Collection[str]) -> None:
    """Warn of files that a request names and that are not dropped. Shows fields, not keys: a key can name a patient."""
    from gpconnect_messaging.requests.models import parse

    try:
        parsed = parse(request)
    except RequestRefusedError:
        return  # the builder reports the error
    wait = period(timedelta(seconds=context.environment.builder_settings.document_wait_seconds))
    for field, key in parsed.files:
        if key not in files:
            context.screen.say(
                f"{field}.key: the file is not dropped with the request. The request waits {wait} for the file, and is "
                "then refused."
            )


def _read(request: Path, documents: Sequence[Path]) -> tuple[bytes | None, dict[str, bytes]]:
    """Read the files of a request and the documents. The request is None for a folder."""
    if not request.is_file():
        if documents:
            raise InputError("Name documents only after a request's file; a folder is dropped with all its files.")
        return None, {}
    if not is_request(request.name):
        raise InputError("A request is named request.json: give that file, or the folder.")
    for number, document in enumerate(documents, 1):
        if not document.is_file():  # the message leaves the name out: it can name a patient
            raise InputError(f"Document {number} does not exist. Name existing files.")
        if is_request(document.name):
            raise InputError(f"Document {number} has the name of a request: rename it, in the request too.")
    return request.read_bytes(), {document.name: document.read_bytes() for document in documents}


def _file(request: Path) -> Path:
    for folder in (request, _SAMPLES / request):
        if file := request_of(folder):
            return file
    samples = ", ".join(sorted(sample.parent.name for sample in _SAMPLES.glob("*/request.json"))) or "none here"
    exists = request.exists() or (_SAMPLES / request).exists()
    problem = "The folder has no request.json, or several" if exists else "The folder does not exist"
    raise InputError(f"{problem}. Give a folder with one, the file, or the name of a sample: {samples}.")


def _follow(context: CommandContext, environment: OperatorEnvironment, dropped: Dropped, wait: float) -> int | None:
    """Report the changes of a request's messages until all are at rest, or the time is over."""
    deadline = time.monotonic() + wait
    summaries: list[Summary] = []
    shown: dict[str, Status] = {}
    while True:
        summaries = environment.search.named(dropped.request_id)
        for summary in summaries:
            if shown.get(summary.message_id) is not summary.status:
                shown[summary.message_id] = summary.status
                context.screen.say(f"{summary.message_id}  {summary.status.value}")
        at_rest = bool(summaries) and all(_rests(summary.status) for summary in summaries)
        if at_rest or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    rows = environment.rows(summaries)
    messages = [environment.message(summary) for summary in summaries]
    value: dict[str, Any] = {
        "request_id": dropped.request_id,
        "messages": [
            message.row.as_json()
            | {"causes": list(message.explanation.causes), "what_to_do": list(message.explanation.todo)}
            for message in messages
        ],
    }
    arrived = None if summaries else environment.arrived(dropped.request_id)
    parts: list[Any] = []
    if arrived:
        fields, sentence = arrived_shown(arrived)
        value |= fields
        parts.append(sentence)
    for row, message in zip(rows, messages, strict=True):
        parts += [Text.assemble(row.message_id, "  ", status_text(row)), sentences(message.explanation.causes)]
        parts.append(Text(f"  Details: gpcm show {row.message_id}", "dim"))
    if not summaries and not arrived:
        parts.append(Text(f"The request is not received yet. Look again: gpcm show {dropped.request_id}", "dim"))
    context.screen.result(value, *parts)
    bad = any(mood(row.status) is Mood.BAD for row in rows) or (wait > 0 and not at_rest)
    return ExitStatus.PROBLEM_FOUND if bad else None


def _rests(status: Status) -> bool:
    return status.settled or status in {Status.HELD, Status.TELL_PRACTICE}


@command(example="gpcm withdraw 1a2b3c4d-…", panel=Panel.ACT)
def withdraw(context: CommandContext, message: MessageName, yes: Yes = False, actor: Actor = None) -> int | None:
    """Withdraw the consultation of a message: held reports are stopped, and sent ones lead to a warning."""
    environment = context.environment
    summary = environment.find(message)
    context.confirm("Withdraw all messages of this encounter?", yes=yes)
    environment.trail.record(context.actor(actor), "withdrawal asked for", message_id=summary.message_id)
    withdrawal = {"kind": "withdraw", "mailbox": summary.mailbox, "encounter": summary.encounter}
    body = json.dumps(withdrawal).encode()
    dropped = drop(
        environment,
        environment.output("DropBucketName"),
        body,
        {},
        identifiers=environment.identifiers,
        into=_drop_folder_for(environment, body),
    )
    context.screen.say(f"Dropped as request {dropped.request_id}.")
    return _follow(context, environment, dropped, 60)


@command(example="gpcm new-request my-report", panel=Panel.SEND, needs_environment=False)
def new_request(
    context: CommandContext,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder for request.json; created if it does not exist.")
    ],
) -> None:
    """Ask for the content of a consultation report, and write the request for `gpcm drop`.

    The answers stay out of the shell's history. Only you can read the file.
    """
    from gpconnect_messaging.requests.models import parse

    target = folder / "request.json"
    if target.exists():
        raise InputError("The folder has a request.json already. Name another folder, or remove the file first.")
    body = json.dumps(_ask(), indent=2, ensure_ascii=False).encode()
    try:
        parse(body)
    except RequestRefusedError as error:
        raise InputError(
            f"The request would be refused: {'; '.join(str(reason) for reason in error.reasons)}."
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body + b"\n")
    context.screen.result({"written": str(target)}, Text(f"Written: {target}. Send it: gpcm drop {folder}"))


def _ask() -> dict[str, Any]:
    """Ask for the content of a consultation report. The product renders the document from the answers."""
    return {
        "use_case": "consultation_report",
        "mailbox": _prompt("Sending MESH mailbox", _word),
        "encounter": _prompt("Encounter (your system's id of it, not a person's)", str, default=str(uuid.uuid4())),
        "patient": {
            "nhs_number": _prompt("Patient's NHS number", _nhs_number),
            "name": {"given": _prompt("Forename(s)", str).split(), "family": _prompt("Family name", str)},
            "birth_date": _prompt("Date of birth (YYYY-MM-DD)", _day),
            "gender": _prompt("Gender (male, female, other, unknown)", str, default="unknown"),
            "address": {"lines": [_prompt("Address, without postcode", str)], "postcode": _prompt("Postcode", str)},
        },
        "practitioner": {
            "sds_user_id": _prompt("Clinician's SDS user id (12 digits)", _digits(12)),
            "name": {
                "given": _prompt("Clinician's forename(s)", str).split(),
                "family": _prompt("Clinician's family name", str),
            },
        },
        "organisation": {
            "ods_code": _prompt("Your organisation's ODS code", _word),
            "name": _prompt("Your organisation's name", str),
            "phone": _prompt("Your organisation's phone", str),
        },
        "registered_practice": {"ods_code": _prompt("ODS code of the patient's practice", _word)},
        "consultation": {
            "start": _prompt("When the consultation began (YYYY-MM-DDTHH:MM)", _time),
            "sections": [{"title": _prompt("Heading of what was found", str, default="Consultation"),
                          "text": _prompt("What was found and advised", str)}],
        },
    }  # fmt: skip


def _prompt(question: str, read: Callable[[str], str], default: str | None = None) -> str:
    """Ask until the answer is valid."""
    while True:
        answer: str = typer.prompt(question, default=default, err=True)
        try:
            return read(answer.strip())
        except ValueError as error:
            typer.echo(f"  {error}", err=True)


def _word(typed: str) -> str:
    if not typed.isascii() or not typed.isalnum():
        raise ValueError("Letters and digits only.")
    return typed.upper()


def _digits(count: int) -> Callable[[str], str]:
    def read(typed: str) -> str:
        if len(typed) != count or not typed.isascii() or not typed.isdecimal():
            raise ValueError(f"Give {count} digits.")
        return typed

    return read


def _nhs_number(typed: str) -> str:
    number = typed.replace(" ", "").replace("-", "")
    if not is_nhs_number(number):
        raise ValueError("That is not an NHS number: it has ten digits, and the last one is a check digit.")
    return number


def _day(typed: str) -> str:
    try:
        return date.fromisoformat(typed).isoformat()
    except ValueError:
        raise ValueError("Give it as 1933-11-14.") from None


def _time(typed: str) -> str:
    try:
        read = datetime.fromisoformat(typed)
    except ValueError:
        raise ValueError("Give it as 2026-11-22T14:30.") from None
    return (read if read.tzinfo else read.astimezone()).astimezone(UTC).isoformat()
