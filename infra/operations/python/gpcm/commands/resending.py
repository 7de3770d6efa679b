"""Commands that send again: resend messages, redrive dead letters, backfill requests. All show their plan first."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from gpcm.command_line import CommandContext, ExitStatus, InputError, Panel, command
from gpcm.commands.messages import Actor, Mailbox
from gpcm.commands.requests import Yes
from gpcm.environment import OperatorEnvironment
from gpcm.screen import moment, sentences
from gpcm.times import FORMS, MomentError, moment_of
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.replay.backfill import BackfillError
from gpconnect_messaging.replay.policy import ResendAction, ResendMode
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.replay.redrive import DeadLetter, Lane
from gpconnect_messaging.replay.resend import Choice, ChoiceError, Proposal

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the plan and the reasons.")]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="WORDS", help="Why. Required, and recorded: name no patient.")
]
Rate = Annotated[float, typer.Option("--rate", min=0.01, max=100, metavar="NUMBER", help="Maximum number per second.")]


@command(example="gpcm resend 1a2b3c4d-… --reason 'the practice has no such document'", panel=Panel.ACT)
def resend(
    context: CommandContext,
    messages: Annotated[
        list[str] | None, typer.Argument(metavar="MESSAGES", help="Message ids, as for `gpcm show`.")
    ] = None,
    status: Annotated[
        Status | None, typer.Option("--status", case_sensitive=False, metavar="STATUS", help="Messages in this status.")
    ] = None,
    mailbox: Mailbox = None,
    encounter: Annotated[
        str | None,
        typer.Option("--encounter", metavar="ID|-", help="Messages of this encounter of --mailbox; - prompts for it."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help=f"Messages from this time on: {FORMS}.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Messages until this time (default: now).")
    ] = None,
    rebuilt: Annotated[
        bool,
        typer.Option(
            "--rebuilt", help="Resubmit the kept request, as the next version; otherwise the same bytes are sent."
        ),
    ] = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    rate: Rate = 5,
    yes: Yes = False,
    actor: Actor = None,
) -> int | None:
    """Resend messages, or resubmit refused requests. docs/resend.md lists the statuses that allow it."""
    environment = context.environment
    if encounter == "-":
        encounter = typer.prompt("Encounter, in the sender's words", hide_input=True, err=True)
    try:
        choice = Choice(
            ids=tuple(environment.find(name).message_id for name in messages or ()),
            mailbox=mailbox, encounter=encounter, status=status, **_window(environment, since, until),
        )  # fmt: skip
    except ChoiceError as error:
        raise InputError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None
    mode = ResendMode.REBUILT if rebuilt else ResendMode.UNCHANGED
    plan = list(environment.resend.plan(choice, mode))
    doable = [proposal for proposal in plan if proposal.action is not ResendAction.NONE]
    if dry_run or not doable:
        context.screen.result([_proposal(proposal) for proposal in plan], *_proposals(plan))
        return None if doable else ExitStatus.NOT_POSSIBLE
    why = context.reason(reason)
    context.screen.say(*(f"{proposal.message_id}  {proposal.action.value}. {proposal.why}" for proposal in plan))
    context.confirm(f"Do this to {len(doable)} of {len(plan)}?", yes=yes)
    done = list(
        environment.resend.carry_out(plan, mode, actor=context.actor(actor), reason=why, pace=RateLimiter(rate))
    )
    context.screen.result([_proposal(proposal) for proposal in done], *_proposals(done))
    return None if any(proposal.action is not ResendAction.NONE for proposal in done) else ExitStatus.NOT_POSSIBLE


def _window(environment: OperatorEnvironment, since: str | None, until: str | None) -> dict[str, datetime]:
    if since is None and until is None:
        return {}
    if since is None:
        raise InputError("--until needs a beginning: add --since.")
    try:
        begin = moment_of(since, environment.now())
        return {"since": begin, "until": moment_of(until, environment.now()) if until else environment.now()}
    except MomentError as error:
        raise InputError(str(error)) from None


def _proposal(proposal: Proposal) -> dict[str, Any]:
    return {
        "message_id": proposal.message_id,
        "status": proposal.status.value if proposal.status else None,
        "action": proposal.action.value,
        "why": proposal.why,
        "becomes": proposal.becomes,
    }


def _proposals(plan: Sequence[Proposal]) -> list[Any]:
    if not plan:
        return [Text("No such messages.")]
    shown: list[Any] = []
    for proposal in plan:
        becomes = f" It is now request {proposal.becomes}." if proposal.becomes else ""
        status = proposal.status.value if proposal.status else "unknown"
        shown += [
            Text.assemble((proposal.message_id, "bold"), f"  {status}  {proposal.action.value}"),
            sentences([f"{proposal.why}{becomes}"]),
        ]
    return shown


class Lanes(StrEnum):
    """The dead-letter queues to redrive."""

    INTAKE = "intake"
    SEND = "send"
    INBOX = "inbox"
    ALL = "all"


@command(example="gpcm redrive --dry-run", panel=Panel.ACT)
def redrive(
    context: CommandContext,
    lane: Annotated[Lanes, typer.Argument(metavar="QUEUES", help="intake, send, inbox, or all.")] = Lanes.ALL,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="ID", help="Only this dead letter, by SQS id, message id or request id; can be repeated."
        ),
    ] = None,
    dry_run: DryRun = False,
    reason: Reason = None,
    rate: Rate = 5,
    yes: Yes = False,
    actor: Actor = None,
) -> int | None:
    """Put dead letters back on their queue, once the cause is fixed."""
    chosen = [Lane(lane.value)] if lane is not Lanes.ALL else list(Lane)
    tools = context.environment.redrives
    letters = {queue: tools[queue].look() for queue in chosen}
    wanted = {
        queue: [letter for letter in waiting if not only or letter.id in only or letter.subject in only]
        for queue, waiting in letters.items()
    }
    count = sum(letter.moves for selected in wanted.values() for letter in selected)
    if dry_run or not count:
        context.screen.result(_letters_as_json(wanted.items()), *_letters_shown(wanted.items()))
        return None
    why = context.reason(reason)
    context.confirm(f"Move {count} dead letters back?", yes=yes)
    who = context.actor(actor)
    moved = {
        queue: list(tools[queue].run(actor=who, reason=why, pace=RateLimiter(rate), chosen=set(only) if only else None))
        for queue in chosen
    }
    context.screen.result(_letters_as_json(moved.items()), *_letters_shown(moved.items()))
    return None


def _letters_as_json(by_lane: Iterable[tuple[Lane, Sequence[DeadLetter]]]) -> list[dict[str, Any]]:
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
        for lane, letters in by_lane
        for letter in letters
    ]


def _letters_shown(by_lane: Iterable[tuple[Lane, Sequence[DeadLetter]]]) -> list[Any]:
    shown: list[Any] = []
    for lane, letters in by_lane:
        for letter in letters:
            about = f"{letter.kind.value} {letter.subject or ''}".strip()
            status, moved = letter.status.value if letter.status else "", "moved" if letter.moved else "not moved"
            queued = f"{lane.value} queue, since {moment(letter.queued_at)} UTC: {moved}"
            shown += [
                Text.assemble((about, "bold"), f"  {status}".rstrip()),
                sentences([queued, *filter(None, [letter.why or letter.error])]),
            ]
    return shown or [Text("No dead letters.")]


@command(example="gpcm backfill 2026/11/22/ --reason 'the rule was off that day'", panel=Panel.ACT)
def backfill(
    context: CommandContext,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="Beginning of the keys in the drop bucket.")],
    dry_run: DryRun = False,
    reason: Reason = None,
    yes: Yes = False,
    actor: Actor = None,
) -> int | None:
    """Submit the requests in the drop bucket, once only, at the environment's rate. See docs/backfill.md."""
    tool = context.environment.backfill
    if tool is None:
        raise InputError("This environment has no backfill: set `backfill` in the configuration, and deploy.")
    count = tool.count(prefix)
    if dry_run or not count:
        context.screen.result({"requests": count, "started": False}, Text(f"{count} requests are in the drop bucket."))
        return None
    why = context.reason(reason)
    context.confirm(f"Submit {count} requests? Those received before are skipped.", yes=yes)
    try:
        execution = tool.start(prefix, actor=context.actor(actor), reason=why)
        context.screen.say(f"Started: {execution}")
        tool.follow(execution)
    except BackfillError as error:
        context.screen.say(str(error))
        return ExitStatus.NOT_POSSIBLE
    context.screen.result({"requests": count, "started": True}, Text(f"{count} requests are on the intake queue."))
    return None
