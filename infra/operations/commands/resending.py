"""Sending again: messages, dead letters, and what was never taken in. What would happen is shown before it is done."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.replay.backfill import BackfillError
from gpconnect_messaging.replay.policy import ResendAction, ResendMode
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.replay.redrive import DeadLetter, Lane
from gpconnect_messaging.replay.resend import Choice, ChoiceError, Proposal
from infra.operations.command_line import CommandContext, ExitStatus, InputError, Panel, command
from infra.operations.commands.messages import Actor, Mailbox
from infra.operations.commands.requests import Yes
from infra.operations.environment import OperatorEnvironment
from infra.operations.screen import moment, plain_table
from infra.operations.times import FORMS, MomentError, moment_of

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would happen, and why or why not.")]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="WORDS", help="Why; is recorded, and needed. Name no patient.")
]
Rate = Annotated[float, typer.Option("--rate", min=0.01, max=100, metavar="NUMBER", help="How many a second at most.")]


@command(example="gpcm resend 1a2b3c4d --reason 'the practice has no such document'", panel=Panel.ACT)
def resend(
    context: CommandContext,
    messages: Annotated[
        list[str] | None, typer.Argument(metavar="MESSAGES", help="Messages by their ids, as `gpcm show` takes them.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option("--status", case_sensitive=False, metavar="STATUS", help="What is in a status.")
    ] = None,
    mailbox: Mailbox = None,
    encounter: Annotated[
        str | None, typer.Option("--encounter", metavar="ID|-", help="Of one encounter of --mailbox; - asks for it.")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help=f"In a time, from: {FORMS}.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="And until; now, if not said.")] = None,
    rebuilt: Annotated[
        bool,
        typer.Option("--rebuilt", help="Take the kept request in again, as the next version; else the same bytes."),
    ] = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    rate: Rate = 5,
    yes: Yes = False,
    actor: Actor = None,
) -> int | None:
    """Send messages again, or take refused requests in again. docs/resend.md says what each status allows."""
    environment = context.environment
    if encounter == "-":
        encounter = typer.prompt("Encounter, in the sender's words", hide_input=True, err=True)
    try:
        choice = Choice(
            ids=tuple(environment.find(each).message_id for each in messages or ()),
            mailbox=mailbox, encounter=encounter, status=status, **_window(environment, since, until),
        )  # fmt: skip
    except ChoiceError as error:
        raise InputError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    way = ResendMode.REBUILT if rebuilt else ResendMode.UNCHANGED
    plan = list(environment.replay.resend.plan(choice, way))
    doable = [each for each in plan if each.action is not ResendAction.NONE]
    if dry_run or not doable:
        context.screen.result([_proposal(each) for each in plan], *_proposals(plan))
        return None if doable else ExitStatus.NOT_POSSIBLE
    why = context.reason(reason)
    context.screen.say(*(f"{each.message_id[:8]}  {each.action.value}. {each.why}" for each in plan))
    context.confirm(f"Do this to {len(doable)} of {len(plan)}?", yes=yes)
    done = list(
        environment.replay.resend.carry_out(plan, way, actor=context.actor(actor), reason=why, pace=RateLimiter(rate))
    )
    context.screen.result([_proposal(each) for each in done], *_proposals(done))
    return None if any(each.action is not ResendAction.NONE for each in done) else ExitStatus.NOT_POSSIBLE


def _window(environment: OperatorEnvironment, since: str | None, until: str | None) -> dict[str, datetime]:
    if since is None and until is None:
        return {}
    if since is None:
        raise InputError("A time window begins somewhere: add --since.")
    try:
        begin = moment_of(since, environment.now())
        return {"since": begin, "until": moment_of(until, environment.now()) if until else environment.now()}
    except MomentError as error:
        raise InputError(str(error)) from None


def _proposal(each: Proposal) -> dict[str, Any]:
    return {
        "message_id": each.message_id,
        "status": each.status.value if each.status else None,
        "action": each.action.value,
        "why": each.why,
        "becomes": each.becomes,
    }


def _proposals(plan: Sequence[Proposal]) -> list[Any]:
    if not plan:
        return [Text("No such messages.")]
    table = plain_table("message", "status", "what", "why, or why not")
    for each in plan:
        becomes = f" It is request {each.becomes} now." if each.becomes else ""
        status = each.status.value if each.status else "unknown"
        table.add_row(each.message_id[:8], status, each.action.value, Text(f"{each.why}{becomes}"))
    return [table]


class Lanes(StrEnum):
    """Which dead letters are meant."""

    INTAKE = "intake"
    SEND = "send"
    BOTH = "both"


@command(example="gpcm redrive --dry-run", panel=Panel.ACT)
def redrive(
    context: CommandContext,
    lane: Annotated[Lanes, typer.Argument(metavar="LANE", help="intake, send, or both.")] = Lanes.BOTH,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="Only this one, by SQS's id or ours; repeat it.")
    ] = None,
    dry_run: DryRun = False,
    reason: Reason = None,
    rate: Rate = 5,
    yes: Yes = False,
    actor: Actor = None,
) -> int | None:
    """Put dead letters back on the queue that they came from, once what stood in their way is mended."""
    chosen = [Lane(lane.value)] if lane is not Lanes.BOTH else list(Lane)
    tools = context.environment.replay.redrives
    there = {each: tools[each].look() for each in chosen}
    wanted = {
        each: [letter for letter in found if not only or letter.id in only or letter.subject in only]
        for each, found in there.items()
    }
    count = sum(letter.moves for found in wanted.values() for letter in found)
    if dry_run or not count:
        context.screen.result(_letters_as_json(wanted.items()), *_letters(wanted.items()))
        return None
    why = context.reason(reason)
    context.confirm(f"Move {count} dead letters back?", yes=yes)
    who = context.actor(actor)
    moved = {
        each: list(tools[each].run(actor=who, reason=why, pace=RateLimiter(rate), chosen=set(only) if only else None))
        for each in chosen
    }
    context.screen.result(_letters_as_json(moved.items()), *_letters(moved.items()))
    return None


def _letters_as_json(found: Iterable[tuple[Lane, Sequence[DeadLetter]]]) -> list[dict[str, Any]]:
    return [
        {
            "lane": lane.value,
            "id": letter.id,
            "kind": letter.kind.value,
            "subject": letter.subject,
            "queued_at": letter.queued_at.isoformat(),
            "status": letter.status.value if letter.status else None,
            "moves": letter.moves,
            "moved": letter.moved,
            "why": letter.why,
        }
        for lane, letters in found
        for letter in letters
    ]


def _letters(found: Iterable[tuple[Lane, Sequence[DeadLetter]]]) -> list[Any]:
    table = plain_table("queue", "what", "since (UTC)", "status", "moved", "what becomes of it, or why not")
    for lane, letters in found:
        for letter in letters:
            about = f"{letter.kind.value} {(letter.subject or '')[:8]}".strip()
            cells = (lane.value, about, moment(letter.queued_at), letter.status.value if letter.status else "")
            table.add_row(*cells, "yes" if letter.moved else "no", Text(letter.why or letter.error or ""))
    return [table] if table.row_count else [Text("No dead letters.")]


@command(example="gpcm backfill 2026/11/22/ --reason 'the rule was off that day'", panel=Panel.ACT)
def backfill(
    context: CommandContext,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="How the keys in the drop bucket begin.")],
    dry_run: DryRun = False,
    reason: Reason = None,
    yes: Yes = False,
    actor: Actor = None,
) -> int | None:
    """Take in the requests that lie in the drop bucket, each once, at the environment's rate. See docs/backfill.md."""
    tool = context.environment.replay.backfill
    if tool is None:
        raise InputError("This environment has no backfill: set `backfill` in its configuration, and deploy.")
    count = tool.count(prefix)
    if dry_run or not count:
        context.screen.result({"requests": count, "started": False}, Text(f"{count} requests lie there."))
        return None
    why = context.reason(reason)
    context.confirm(f"Take in {count} requests, as far as they were not before?", yes=yes)
    try:
        execution = tool.start(prefix, actor=context.actor(actor), reason=why)
        context.screen.say(f"Started: {execution}")
        tool.follow(execution)
    except BackfillError as error:
        context.screen.say(str(error))
        return ExitStatus.NOT_POSSIBLE
    context.screen.result({"requests": count, "started": True}, Text(f"{count} requests are on the intake queue."))
    return None
