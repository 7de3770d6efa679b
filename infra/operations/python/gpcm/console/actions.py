"""The actions of an operator on a message. The page of an action says what will happen, and asks for confirmation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gpcm.console.answering import Form, back_to
from gpcm.console.context import ConsoleContext
from gpcm.console.reading import find_record
from gpcm.console.screens import Screens
from gpcm.console.security import operator_of
from gpcm.environment import OperatorEnvironment, OperatorEnvironmentError
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.operators import ReasonError, checked_reason
from gpconnect_messaging.replay.policy import ResendAction, ResendMode, line_for
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.replay.resend import Choice
from gpconnect_messaging.steps.operator_actions import NotPossibleError


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action would do, in sentences. `stopped` says why it cannot be done.

    A confirmed action is done only while the plan has the `kind` that was shown.
    """

    will: Sequence[str]
    stopped: str | None = None
    kind: str = "as shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action on a message."""

    path: str
    """The last segment of the page's address, after the message's."""
    name: str
    """The text of the button."""
    question: str
    sure: str
    """The text of the confirmation."""
    done: str
    applies: Callable[[MessageRecord], bool]
    plan: Callable[[OperatorEnvironment, MessageRecord], Plan]
    do: Callable[[OperatorEnvironment, MessageRecord, str, str], object]
    """Does the action, for an actor and a reason. Raises NotPossibleError."""
    wants_reason: bool = False
    grave: bool = False
    """Whether the action can reach a practice."""


def _release_plan(_environment: OperatorEnvironment, record: MessageRecord) -> Plan:
    differs = sorted(record.history.undecided_differences)
    return Plan(
        [
            "The request is released. When the hold window is over, or at once if it is, it becomes a message and is "
            "sent to the patient’s registered practice.",
            *([f"PDS differs in {', '.join(differs)}. Compare both values first: it may be another patient."]
              if differs else []),
            "Your id is recorded with the release.",
        ]
    )  # fmt: skip


_RELEASE = Action(
    path="release",
    name="Release it",
    question="Release this request?",
    sure="I have looked at the request, and it may be sent as it is",
    done="The request is released. It is sent when the hold window is over.",
    applies=lambda record: record.status is Status.HELD and record.history.waits_for_a_person,
    plan=_release_plan,
    do=lambda environment, record, actor, _reason: environment.operator_actions.release(record.message_id, actor),
    grave=True,
)
_PRACTICE_NOTIFIED = Action(
    path="practice-told",
    name="Record that the practice was told",
    question="Was the practice told?",
    sure="I have told the practice, or know who has, that the consultation was deleted",
    done="It is recorded that the practice was told.",
    applies=lambda record: record.history.practice_to_tell,
    plan=lambda _environment, _record: Plan(
        ["Your id is recorded, and that the practice knows of the deleted consultation.", "Nothing is sent."]
    ),
    do=lambda environment, record, actor, _reason: environment.operator_actions.practice_told(record.message_id, actor),
)


def _accept_all(environment: OperatorEnvironment, record: MessageRecord, actor: str, _reason: str) -> None:
    for mesh_message_id in sorted({response.details["mesh_message_id"] for response in record.history.suspicious}):
        environment.operator_actions.accept_response(record.message_id, mesh_message_id, actor)


_ACCEPT = Action(
    path="accept-answer",
    name="Accept the suspicious response",
    question="Accept the suspicious response?",
    sure="I have made sure that the response is genuine",
    done="The response is accepted.",
    applies=lambda record: bool(record.history.suspicious),
    plan=lambda _environment, record: Plan(
        [
            *(
                f"The response {event.details['mesh_message_id']} counts as if it came from the message’s recipient: "
                f"{event.details['verdict']} {event.details['level']} acknowledgement, code {event.details['code']}."
                for event in record.history.suspicious
            ),
            "Your id is recorded. If the response is not genuine, report it as a security incident instead.",
        ]
    ),
    do=_accept_all,
)


def _resend_plan(mode: ResendMode) -> Callable[[OperatorEnvironment, MessageRecord], Plan]:
    def plan(environment: OperatorEnvironment, record: MessageRecord) -> Plan:
        [proposal] = environment.resend.plan(Choice(ids=(record.message_id,)), mode)
        if proposal.action is ResendAction.NONE:
            return Plan((), proposal.why)
        subject = "request" if record.version == 0 or proposal.action is ResendAction.RESUBMIT else "message"
        return Plan(
            [
                f"The {subject} is {proposal.action.value}.",
                proposal.why,
                *([f"It becomes request {proposal.becomes}."] if proposal.becomes else []),
                f"Your id and the reason are recorded. The {subject} is checked again at that moment, and not changed "
                "if the status no longer allows it.",
            ],
            kind=proposal.action.value,
        )

    return plan


def _resend(mode: ResendMode) -> Callable[[OperatorEnvironment, MessageRecord, str, str], None]:
    def do(environment: OperatorEnvironment, record: MessageRecord, actor: str, reason: str) -> None:
        tool = environment.resend
        planned = list(tool.plan(Choice(ids=(record.message_id,)), mode))
        [done] = tool.carry_out(planned, mode, actor=actor, reason=reason, pace=RateLimiter(1))
        if done.action is ResendAction.NONE:
            raise NotPossibleError(done.why)

    return do


_RESEND = Action(
    path="resend",
    name="Send it again",
    question="Send this again, unchanged?",
    sure="I know why it did not arrive, and it may be sent again",
    done="The message is queued. It is sent within a minute or two.",
    applies=lambda record: (
        line_for(record.status, ResendMode.UNCHANGED).action not in {ResendAction.NONE, ResendAction.RESUBMIT}
        and not record.history.waits_for_a_person
    ),
    plan=_resend_plan(ResendMode.UNCHANGED),
    do=_resend(ResendMode.UNCHANGED),
    wants_reason=True,
    grave=True,
)
_RESUBMIT = Action(
    path="resubmit",
    name="Resubmit the request",
    question="Resubmit the request?",
    sure="The cause of the refusal is fixed",
    done="The request is resubmitted. The list shows it under a new id in a moment.",
    applies=lambda record: line_for(record.status, ResendMode.REBUILT).action is ResendAction.RESUBMIT,
    plan=_resend_plan(ResendMode.REBUILT),
    do=_resend(ResendMode.REBUILT),
    wants_reason=True,
    grave=True,
)

ACTIONS = (_RELEASE, _PRACTICE_NOTIFIED, _ACCEPT, _RESEND, _RESUBMIT)
DONE = {action.path: action.done for action in ACTIONS}


def actions_for(record: MessageRecord) -> list[Action]:
    """Return the actions that a message's status allows."""
    return [action for action in ACTIONS if action.applies(record)]


class ActionPages:
    """The pages of the actions."""

    def __init__(self, context: ConsoleContext, screens: Screens) -> None:
        self._context = context
        self._screens = screens

    def ask(self, request: Request) -> Response:
        """Show the plan, and ask for confirmation."""
        return self._ask(request, _action(request), find_record(self._context, request), {})

    def do(self, request: Request, form: Form) -> Response:
        """Do a confirmed action."""
        action, record = _action(request), find_record(self._context, request)
        problems: dict[str, str] = {}
        plan = self._plan(action, record)
        if plan.stopped:
            return self._ask(request, action, record, problems)
        if form.get("kind") != plan.kind:
            problems["sure"] = (
                "The message has changed since you opened this page: read the plan again, then confirm it"
            )
        reason = form.get("reason", "")
        if action.wants_reason:
            try:
                reason = checked_reason(reason)
            except ReasonError as error:
                problems["reason"], reason = str(error), ""
        if form.get("sure") != "yes":
            problems["sure"] = "Confirm it, or go back to the message"
        if problems:
            return self._ask(request, action, record, problems, reason)
        try:
            action.do(self._context.environment, record, operator_of(request).actor, reason)
        except NotPossibleError as error:
            raise OperatorEnvironmentError(
                f"The action is no longer possible. {_sentence(str(error))} Look at the message again."
            ) from None
        self._context.cache.look_again()
        return back_to(request, f"/messages/{record.message_id}?done={action.path}")

    def _plan(self, action: Action, record: MessageRecord) -> Plan:
        return action.plan(self._context.environment, record) if action.applies(record) else Plan((), _STATUS_CHANGED)

    def _ask(
        self, request: Request, action: Action, record: MessageRecord, problems: Mapping[str, str], reason: str = ""
    ) -> Response:
        plan = self._plan(action, record)
        return self._screens.page(
            request,
            "action.html",
            code=422 if problems else 409 if plan.stopped else 200,
            section="messages",
            action=action,
            plan=plan,
            message_id=record.message_id,
            reason=reason,
            errors=problems,
        )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}".rstrip(".") + "."


_STATUS_CHANGED = "The message’s status no longer allows this action. Look at the message again."


def _action(request: Request) -> Action:
    for action in ACTIONS:
        if action.path == request.path_params["action"]:
            return action
    raise HTTPException(404)
