"""Decides whether a valid request is sent at once, held, or not required. Pure; every reason names a source.

| question, in this order | answer | source |
|---|---|---|
| is it clinically relevant? | no: not required | GPCM-SD-CS-073 |
| is the patient registered with the sender? | yes: not required | GPCM-SD-CS-071 |
| must a person release it? | yes: held until a person has, and until the window has passed | GPCM-SD-CS-074 |
| has the hold window passed since the consultation's last update? | no: held until then | GPCM-SD-CS-075, CS-076 |

A request that must not be sent at all (a confidential consultation in 2.0) was refused before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gpconnect_messaging.mailboxes.settings import LONGEST_HOLD, MailboxSettings, Release
from gpconnect_messaging.requests.models import Request

TIME_TO_BUILD = timedelta(minutes=2)
"""How long a held request may take to become a message after the hold window, before a person is notified."""


class Course(StrEnum):
    """The outcome for a request."""

    SEND = "send"
    HOLD = "hold"
    NOT_REQUIRED = "not required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A course, the requirement behind it, and the reason in words without personal data.

    `release_at` (UTC) is when a held request may be sent. With `by_a_person` it also waits for a person's release.
    """

    course: Course
    requirement: str
    why: str
    release_at: datetime
    by_a_person: bool = False


def decide(
    request: Request, mailbox: MailboxSettings, *, practice: str | None, arrived: datetime, now: datetime
) -> Decision:
    """Decide on a request that breaks no rule.

    `practice` is the ODS code of the registered practice, if known (from PDS, or else the request's
    `registered_practice`). `arrived` is when the request came (UTC): the window counts from it where the request does
    not state when the consultation was last updated.
    """
    release_at = (request.consultation.updated or arrived) + timedelta(seconds=mailbox.hold_window_seconds)
    if not request.clinically_relevant:
        return _not_required("GPCM-SD-CS-073", "the request says that it is not clinically relevant", release_at)
    # Other recipients get it wherever the patient is registered.
    if practice in mailbox.own_ods_codes and not request.others:
        return _not_required("GPCM-SD-CS-071", "the patient is registered with the sending organisation", release_at)
    if mailbox.release is Release.BY_A_PERSON:
        return Decision(
            course=Course.HOLD,
            requirement="GPCM-SD-CS-074",
            why="a person must release it",
            release_at=release_at,
            by_a_person=True,
        )
    if release_at > now:
        return Decision(
            course=Course.HOLD,
            requirement="GPCM-SD-CS-076",
            why="the hold window is open: an update may still replace it",
            release_at=release_at,
        )
    return Decision(
        course=Course.SEND, requirement="GPCM-SD-CS-075", why="the hold window is over", release_at=release_at
    )


def warn_at(request: Request, mailbox: MailboxSettings, *, arrived: datetime, now: datetime) -> datetime | None:
    """Return when to warn a person that a report was not sent, so that the three hours of GPCM-SD-CS-075 can be met.

    None where that time has already passed: a person is notified if the late report fails. `arrived` is as in `decide`.
    """
    updated = request.consultation.updated or arrived
    warned_at = updated + timedelta(seconds=LONGEST_HOLD - mailbox.warn_before_seconds)
    released = updated + timedelta(seconds=mailbox.hold_window_seconds) + TIME_TO_BUILD
    return max(warned_at, released) if warned_at > now else None


def known_practice(request: Request) -> str | None:
    """Return the ODS code of the registered practice that the request states, for use without PDS."""
    return request.registered_practice.ods_code if request.registered_practice else None


def _not_required(requirement: str, why: str, release_at: datetime) -> Decision:
    return Decision(course=Course.NOT_REQUIRED, requirement=requirement, why=why, release_at=release_at)
