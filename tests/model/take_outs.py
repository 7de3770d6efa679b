"""Takes what keeps a promise out of the product, one at a time, and lets the story-teller look for it.

    make model-take-outs [SECONDS=600] [ONLY=slow] [SEED=1]

Each take-out puts the behaviour of an earlier release back, in a process of its own. The stories are those of
`make model`: they know nothing of it. One of them must break something that must hold, within the time; without a
take-out none may, for as long as the slowest took. Ends with status 1 otherwise, and with status 2 where a take-out
does not fit the product any more.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from inspect import signature
from typing import Any

from gpconnect_messaging.itk3.response_codes import REPLACEMENT_NOT_PROCESSED, Level
from gpconnect_messaging.itk3.responses import Response
from gpconnect_messaging.ledger import history, precedence
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.precedence import Precedence, RequestTimes
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.stored_names import EventType, Status, StoredName
from gpconnect_messaging.queues import Listed
from gpconnect_messaging.steps import named_files, poll
from gpconnect_messaging.steps.intake import Intake
from gpconnect_messaging.steps.list_drop import ListDrop
from gpconnect_messaging.steps.poll import Poller, Taken
from tests.model.stories import tell
from tests.model.world import World, composed_once, few_shards

STORIES_A_ROUND = 20
STEPS = 60
LEAST_SECONDS = 60
"""For how long, at least, nothing may break where nothing is taken out."""


class DoesNotFitError(Exception):
    """The product has not got any more what a take-out replaces, or has it otherwise."""


@dataclass(frozen=True)
class Replacement:
    """What an attribute of a module or a class is replaced by."""

    owner: Any
    name: str
    by: Any

    def require_fit(self) -> None:
        """Raise DoesNotFitError unless the product has something of this name, kind and number of parameters."""
        original = vars(self.owner).get(self.name)
        fits = type(original) is type(self.by)
        if fits and callable(original):
            fits = len(signature(original).parameters) == len(signature(self.by).parameters)
        if not fits:
            raise DoesNotFitError(f"{self.owner.__name__}.{self.name} is not what it was")

    def apply(self) -> None:
        """Replace it in this process. Raises DoesNotFitError."""
        self.require_fit()
        if isinstance(self.by, cached_property):
            self.by.__set_name__(self.owner, self.name)
        setattr(self.owner, self.name, self.by)


@dataclass(frozen=True)
class TakeOut:
    """What is taken out of the product, by the row of the issue's table that it had been put in for."""

    row: int
    name: str
    what: str
    replacements: tuple[Replacement, ...]


def _suspicious(history: MessageHistory, *, before_a_copy: bool, unknown_destination: bool) -> tuple[LedgerEvent, ...]:
    """Which responses do not count, where one of these two is no reason."""
    accepted = {event.details["mesh_message_id"] for event in history.of(EventType.RESPONSE_ACCEPTED)}

    def elsewhere(response: LedgerEvent) -> bool:
        mailbox, organisation = (
            str(response.details[name] or "").strip().upper() for name in ("from_mailbox", "from_organisation")
        )
        known = bool(history.destinations) or unknown_destination
        return (known and mailbox not in history.destinations) or (
            bool(history.organisations and organisation) and organisation not in history.organisations
        )

    return tuple(
        event
        for event in history.of(EventType.RESPONSE)
        if (before_a_copy and event in history.answers_nothing)
        or (event.details["mesh_message_id"] not in accepted and elsewhere(event))
    )


def _answers_before_a_copy_count() -> tuple[Replacement, ...]:
    def suspicious(history: MessageHistory) -> tuple[LedgerEvent, ...]:
        return _suspicious(history, before_a_copy=False, unknown_destination=bool(history.possible_copies))

    return (Replacement(MessageHistory, "suspicious", cached_property(suspicious)),)


def _no_answer_is_too_early() -> tuple[Replacement, ...]:
    return (Replacement(MessageHistory, "answers_nothing", cached_property(lambda _history: ())),)


def _a_reference_names_any_open_message() -> tuple[Replacement, ...]:
    def original(poller: Poller, mailbox: str, response: Response) -> MessageRecord | None:
        if response.identifier and (record := poller.ledger.find(response.identifier)) and record.version:
            return record
        if response.sender_reference:
            encounter = poller.identifiers.of_encounter(mailbox, response.sender_reference)
            candidates = poller.ledger.find_by_encounter(encounter.key)
            closed = {Status.DELIVERED, Status.REJECTED}
            still_open = [record for record in candidates if record.version and record.status not in closed]
            if len(still_open) == 1:
                return still_open[0]
        return None

    return (Replacement(Poller, "_original", original),)


def _an_answer_by_reference_is_of_any_time() -> tuple[Replacement, ...]:
    return (Replacement(poll, "_may_answer", lambda _written, _history: True),)


def _an_uncertain_upload_awaits() -> tuple[Replacement, ...]:
    def awaits(history: MessageHistory, level: Level) -> bool:
        if not history.possible_copies or history.negative or history.void:
            return False
        came = {
            Level.INFRASTRUCTURE: history.infrastructure_positive,
            Level.BUSINESS: history.business_positive,
        }
        return not came.get(level, all(came.values()))

    return (Replacement(MessageHistory, "awaits", awaits),)


def _any_20014_voids() -> tuple[Replacement, ...]:
    def voids_replaced_document(response: LedgerEvent, _record: MessageRecord) -> bool:
        return response.kind is EventType.RESPONSE and response.details["code"] == REPLACEMENT_NOT_PROCESSED

    return (Replacement(poll, "voids_replaced_document", voids_replaced_document),)


def _silence_is_remembered() -> tuple[Replacement, ...]:
    def suspicious(history: MessageHistory) -> tuple[LedgerEvent, ...]:
        return _suspicious(history, before_a_copy=True, unknown_destination=False)

    def lost_sight_of_at(history: MessageHistory) -> str | None:
        known = history.destinations or history.mesh_message_ids or history.of(EventType.ROUTED)
        return None if known or not history.possible_copies else next(iter(sorted(history.organisations)), None)

    return (
        Replacement(history, "MOST_ROUTING_QUESTIONS", 1),
        Replacement(MessageHistory, "lost_sight_of_at", property(lost_sight_of_at)),
        Replacement(MessageHistory, "suspicious", cached_property(suspicious)),
    )


def _the_drop_is_not_looked_through() -> tuple[Replacement, ...]:
    return (Replacement(ListDrop, "_announce", lambda _step, _listed: False),)


def _the_stated_time_alone_decides() -> tuple[Replacement, ...]:
    decided = RequestTimes.beside

    def beside(asked: RequestTimes, newest: RequestTimes | None) -> Precedence:
        if newest is None or (asked.s3_object == newest.s3_object and asked.sequencer and newest.sequencer):
            return decided(asked, newest)
        older = (asked.stated, asked.arrived) < (newest.stated, newest.arrived)
        return Precedence.OLDER if older else Precedence.NEWER

    return (Replacement(RequestTimes, "beside", beside),)


def _a_slow_clock_is_known_in_one_order() -> tuple[Replacement, ...]:
    decided = RequestTimes.beside

    def beside(asked: RequestTimes, newest: RequestTimes | None) -> Precedence:
        if newest is not None and asked.stated > newest.stated:
            return Precedence.NEWER
        return decided(asked, newest)

    return (Replacement(RequestTimes, "beside", beside),)


def _sequencers_are_not_looked_at() -> tuple[Replacement, ...]:
    return (Replacement(precedence, "put_before", lambda _sequencer, _other: False),)


def _a_copy_is_a_new_version() -> tuple[Replacement, ...]:
    def content(_intake: Intake, _received: Any, _digests: Any) -> tuple[None, str]:
        return None, ""

    return (Replacement(Intake, "_drop_content", content),)


def _no_document_is_waited_for() -> tuple[Replacement, ...]:
    return (Replacement(named_files, "require_ready", lambda _what, _waited, _patience: None),)


def _a_try_counts_before_it_is_made() -> tuple[Replacement, ...]:
    collect = Poller.collect

    def together(poller: Poller, entry: Listed, time_left: Callable[[], bool] = lambda: True) -> Counter[Taken]:
        return collect(poller, replace(entry, alone=True), time_left)

    return (Replacement(Poller, "collect", together),)


def _an_unknown_event_is_an_error() -> tuple[Replacement, ...]:
    return (Replacement(StoredName, "_missing_", classmethod(lambda _cls, _value: None)),)


TAKE_OUTS = (
    TakeOut(1, "no copy", "an answer counts although MESH has no copy", _answers_before_a_copy_count()),
    TakeOut(1, "too early", "an answer that came before the first upload counts after it", _no_answer_is_too_early()),
    TakeOut(2, "reference", "a SenderReference names any open message", _a_reference_names_any_open_message()),
    TakeOut(2, "uncertain", "a SenderReference names an upload whose answer was lost", _an_uncertain_upload_awaits()),
    TakeOut(
        2,
        "old answer",
        "when an answer by reference was written is not looked at",
        _an_answer_by_reference_is_of_any_time(),
    ),
    TakeOut(3, "void", "a 20014 voids that does not count", _any_20014_voids()),
    TakeOut(4, "silence", "MESH is asked once where it routed a copy", _silence_is_remembered()),
    TakeOut(5, "unannounced", "nobody looks for requests that S3 did not announce", _the_drop_is_not_looked_through()),
    TakeOut(7, "slow clock", "the stated time alone says which request is newer", _the_stated_time_alone_decides()),
    TakeOut(7, "events reversed", "a slow clock is known only in order", _a_slow_clock_is_known_in_one_order()),
    TakeOut(8, "reversed", "the order of S3's events is not looked at", _sequencers_are_not_looked_at()),
    TakeOut(9, "killed", "a try counts before it is made", _a_try_counts_before_it_is_made()),
    TakeOut(11, "copies", "a copy of a request in place is a new version", _a_copy_is_a_new_version()),
    TakeOut(12, "late documents", "a request does not wait for its documents", _no_document_is_waited_for()),
    TakeOut(10, "newer release", "a kind of event that is not known is an error", _an_unknown_event_is_an_error()),
)


@dataclass(frozen=True)
class Told:
    """What the stories came to: what broke, if anything, after how many seconds and stories."""

    broken: str | None
    seconds: float
    stories: int


def tell_stories(seconds: float, first: int) -> Told:
    """Tell stories for so long, or until one breaks what must hold. `first` is the number of the first round."""
    begun = time.monotonic()
    number = first
    with composed_once(), few_shards():
        while (passed := time.monotonic() - begun) < seconds:
            try:
                tell(number, stories=STORIES_A_ROUND, steps=STEPS, shorten=False)
            except Exception as error:  # noqa: BLE001 - whatever a story brought to light
                name = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
                return Told(f"{name}{error}".splitlines()[0], time.monotonic() - begun, World.told)
            number += 1
    return Told(None, passed, World.told)


def _in_a_process(name: str, seconds: float, first: int) -> Told | str:
    """Take out what is named, if anything, and tell stories in another process; return why it could not, else."""
    command = [sys.executable, "-m", "tests.model.take_outs", "--child", name, "--seconds", str(seconds), "--seed"]
    done = subprocess.run([*command, str(first)], capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"
    return Told(**json.loads(done.stdout.splitlines()[-1]))


def _child(name: str, seconds: float, first: int) -> None:
    for take_out in TAKE_OUTS:
        if take_out.name == name:
            for replacement in take_out.replacements:
                replacement.apply()
    print(json.dumps(asdict(tell_stories(seconds, first))))


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all take-outs, print what became of each, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.model.take_outs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long to look for one, at most")
    parser.add_argument("--only", default="", help="take-outs with this in their name")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first round of stories")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child is not None:
        _child(given.child, given.seconds, given.seed)
        return 0
    chosen = [each for each in TAKE_OUTS if given.only in each.name]
    status, slowest = 0 if chosen else 2, 0.0
    for take_out in chosen:
        found = _in_a_process(take_out.name, given.seconds, given.seed)
        if isinstance(found, str):
            status, outcome = 2, f"does not fit: {found}"
        elif found.broken is None:
            status = max(status, 1)
            outcome = f"NOT FOUND in {found.seconds:.0f} s, {found.stories} stories"
        else:
            slowest = max(slowest, found.seconds)
            outcome = f"found in {found.seconds:.1f} s, {found.stories} stories: {found.broken}"
        print(f"row {take_out.row:2}  {take_out.name:14} {take_out.what}\n        {outcome}", flush=True)
    nothing = _in_a_process("", max(slowest, min(given.seconds, LEAST_SECONDS)), given.seed)
    if isinstance(nothing, str) or nothing.broken is not None:
        status = max(status, 1)
        print(f"nothing taken out: {nothing if isinstance(nothing, str) else nothing.broken}")
    else:
        print(f"nothing taken out: {nothing.stories} stories in {nothing.seconds:.0f} s, and nothing broke")
    return status


if __name__ == "__main__":
    sys.exit(main())
