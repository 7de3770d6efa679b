"""Asking for messages: drop a request, write one, withdraw one."""

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

from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.ledger.records import Summary
from gpconnect_messaging.requests.drop_keys import is_request
from gpconnect_messaging.requests.models import Request, parse
from gpconnect_messaging.requests.nhs_number import is_nhs_number
from gpconnect_messaging.requests.refusal import RequestRefusedError
from infra.local.requests import REQUESTS, Dropped, drop, drop_folder, request_of
from infra.operations.command_line import CommandContext, ExitStatus, InputError, Panel, command
from infra.operations.commands.messages import Actor, MessageName
from infra.operations.environment import OperatorEnvironment
from infra.operations.messages import Mood, mood
from infra.operations.screen import arrived_shown, sentences, status_text
from infra.operations.wording import period

_FOLDER = "gpcm"
"""The folder that these requests go to: of the drop bucket, or of the mailbox's sender in it."""

_LOOKS_EVERY_SECONDS = 0.5

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether to do it.")]


@command(example="gpcm drop my-report/request.json my-report/report.pdf", panel=Panel.SEND, name="drop")
def drop_(
    context: CommandContext,
    request: Annotated[
        Path,
        typer.Argument(
            metavar="REQUEST",
            help="A folder with request.json and its documents; a request's file; or a sample's name.",
        ),
    ],
    documents: Annotated[
        list[Path] | None, typer.Argument(metavar="DOCUMENTS", help="Its documents, where REQUEST is a file.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="Follow what becomes of it so long; 0: do not.")
    ] = 60,
) -> int | None:
    """Drop a request and its documents, and follow what becomes of it."""
    environment = context.environment
    body, files = _read(request, documents or [])
    bucket = environment.output("DropBucketName")
    if body is None:
        file = _file(request)
        asked = file.read_bytes()
        _warn(context, asked, {beside.relative_to(file.parent).as_posix() for beside in file.parent.rglob("*")})
        into = _into(environment, asked)
        dropped = drop_folder(environment, bucket, file.parent, identifiers=environment.identifiers(), into=into)
    else:
        _warn(context, body, files)
        into = _into(environment, body)
        dropped = drop(environment, bucket, body, files, identifiers=environment.identifiers(), into=into)
    context.screen.say(f"Dropped as request {dropped.request_id}.")
    return _follow(context, environment, dropped, wait)


def _into(environment: OperatorEnvironment, request: bytes) -> str:
    """Choose the folder of the drop bucket: within the prefix of the sender whose mailbox the request names."""
    try:
        mailbox = json.loads(request)["mailbox"]
    except (ValueError, TypeError, KeyError):
        mailbox = ""  # the builder says what is wrong with it
    return environment.prefix_of(str(mailbox)) + _FOLDER


def _warn(context: CommandContext, request: bytes, files: Collection[str]) -> None:
    """Say which files a request names that are not dropped with it, by their fields: a key can name a patient."""
    try:
        asked = parse(request)
    except RequestRefusedError:
        return  # the builder says what is wrong with it
    wait = period(timedelta(seconds=context.environment.builder_settings.document_wait_seconds))
    for field, key in asked.files if isinstance(asked, Request) else ():
        if key not in files:
            context.screen.say(
                f"{field}.key: names no file that is dropped with the request. It waits {wait} for that file, and is "
                "refused then."
            )


def _read(request: Path, documents: Sequence[Path]) -> tuple[bytes | None, dict[str, bytes]]:
    """Read a request's file and its documents; None for a folder."""
    if not request.is_file():
        if documents:
            raise InputError("Documents are named only beside a request's file; of a folder all files are dropped.")
        return None, {}
    if not is_request(request.name):
        raise InputError("A request is named request.json: give that file, or its folder.")
    for number, each in enumerate(documents, 1):
        if not each.is_file():  # its name is not repeated: it can name a patient
            raise InputError(f"There is no such file as document {number}. Name files that are there.")
        if is_request(each.name):
            raise InputError(
                f"Document {number} would be taken for a request of its own: rename it, in the request too."
            )
    return request.read_bytes(), {each.name: each.read_bytes() for each in documents}


def _file(request: Path) -> Path:
    for folder in (request, REQUESTS / request):
        if file := request_of(folder):
            return file
    samples = ", ".join(sorted(each.name for each in REQUESTS.iterdir() if (each / "request.json").is_file()))
    there = request.exists() or (REQUESTS / request).exists()
    wrong = "There is not exactly one request.json in that folder" if there else "There is no such folder"
    raise InputError(f"{wrong}. Give a folder that has one, the file, or the name of a sample: {samples}.")


def _follow(context: CommandContext, environment: OperatorEnvironment, dropped: Dropped, wait: float) -> int | None:
    """Tell each change of a request's messages until all have come to rest, or the time is over."""
    deadline = time.monotonic() + wait
    found: list[Summary] = []
    shown: dict[str, Status] = {}
    while True:
        found = environment.search.named(dropped.request_id)
        for each in found:
            if shown.get(each.message_id) is not each.status:
                shown[each.message_id] = each.status
                context.screen.say(f"{each.message_id[:8]}  {each.status.value}")
        resting = [each for each in found if _rests(each.status)]
        at_rest = bool(found) and len(resting) == len(found)
        if at_rest or time.monotonic() >= deadline:
            break
        time.sleep(_LOOKS_EVERY_SECONDS)
    rows = environment.rows(found)
    messages = [environment.message(each) for each in found]
    value: dict[str, Any] = {
        "request_id": dropped.request_id,
        "messages": [
            each.row.as_json() | {"causes": list(each.explanation.causes), "what_to_do": list(each.explanation.todo)}
            for each in messages
        ],
    }
    arrived = None if found else environment.arrived(dropped.request_id)
    parts: list[Any] = []
    if arrived:
        known, sentence = arrived_shown(arrived)
        value |= known
        parts.append(sentence)
    for row, message in zip(rows, messages, strict=True):
        parts += [Text.assemble(row.short_id, "  ", status_text(row)), sentences(message.explanation.causes)]
        parts.append(Text(f"  All about it: gpcm show {row.short_id}", "dim"))
    if not found and not arrived:
        parts.append(Text(f"It is not taken in yet. Look again: gpcm show {dropped.request_id}", "dim"))
    context.screen.result(value, *parts)
    bad = any(mood(row.status) is Mood.BAD for row in rows) or (wait > 0 and not at_rest)
    return ExitStatus.THE_ANSWER_IS_NO if bad else None


def _rests(status: Status) -> bool:
    return status.settled or status in {Status.HELD, Status.TELL_PRACTICE}


@command(example="gpcm withdraw 1a2b3c4d", panel=Panel.ACT)
def withdraw(context: CommandContext, message: MessageName, yes: Yes = False, actor: Actor = None) -> int | None:
    """Withdraw the consultation of a message: what is held is stopped, for what was sent a warning is written."""
    environment = context.environment
    summary = environment.find(message)
    context.confirm("Withdraw all messages of this encounter?", yes=yes)
    environment.trail.record(context.actor(actor), "withdrawal asked for", message_id=summary.message_id)
    asked = {"kind": "withdraw", "mailbox": summary.mailbox, "encounter": summary.encounter}
    body = json.dumps(asked).encode()
    dropped = drop(
        environment,
        environment.output("DropBucketName"),
        body,
        {},
        identifiers=environment.identifiers(),
        into=_into(environment, body),
    )
    context.screen.say(f"Asked for as request {dropped.request_id}.")
    return _follow(context, environment, dropped, 60)


@command(example="gpcm new-request my-report", panel=Panel.SEND, placed=False)
def new_request(
    context: CommandContext,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write request.json; made if need be.")],
) -> None:
    """Ask for what a consultation report needs, and write the request: for `gpcm drop`.

    What is typed stays out of the shell's history, and the file is readable by you alone.
    """
    target = folder / "request.json"
    if target.exists():
        raise InputError("There is a request.json already. Name another folder, or remove it first.")
    asked = _ask()
    body = json.dumps(asked, indent=2, ensure_ascii=False).encode()
    try:
        parse(body)
    except RequestRefusedError as error:
        raise InputError(f"That makes no request: {'; '.join(str(each) for each in error.reasons)}.") from None
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body + b"\n")
    context.screen.result({"written": str(target)}, Text(f"Written: {target}. Send it: gpcm drop {folder}"))


def _ask() -> dict[str, Any]:
    """Ask the questions of a consultation report whose document is rendered from what is written here."""
    return {
        "use_case": "consultation_report",
        "mailbox": _one("Sending MESH mailbox", _word),
        "encounter": _one("Encounter (your own id of it, of no person)", str, default=str(uuid.uuid4())),
        "patient": {
            "nhs_number": _one("Patient's NHS number", _nhs_number),
            "name": {"given": _one("Forename(s)", str).split(), "family": _one("Family name", str)},
            "birth_date": _one("Date of birth (YYYY-MM-DD)", _day),
        },
        "practitioner": {
            "sds_user_id": _one("Clinician's SDS user id (12 digits)", _digits(12)),
            "name": {
                "given": _one("Clinician's forename(s)", str).split(),
                "family": _one("Clinician's family name", str),
            },
        },
        "organisation": {
            "ods_code": _one("Your organisation's ODS code", _word),
            "name": _one("Your organisation's name", str),
            "phone": _one("Your organisation's phone", str),
        },
        "registered_practice": {"ods_code": _one("ODS code of the patient's practice", _word)},
        "consultation": {
            "start": _one("When the consultation began (YYYY-MM-DDTHH:MM)", _time),
            "sections": [{"title": _one("Heading of what was found", str, default="Consultation"),
                          "text": _one("What was found and advised", str)}],
        },
    }  # fmt: skip


def _one(question: str, read: Callable[[str], str], default: str | None = None) -> str:
    """Ask until the answer can be read."""
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
            raise ValueError(f"It has {count} digits.")
        return typed

    return read


def _nhs_number(typed: str) -> str:
    number = typed.replace(" ", "").replace("-", "")
    if not is_nhs_number(number):
        raise ValueError("That is no NHS number: ten digits, the last of which fits the others.")
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
