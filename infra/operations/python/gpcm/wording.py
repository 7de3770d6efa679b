"""The sentences for the events of a message, the same in the command line and the console.

Events have no personal data, and neither do the sentences.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.quoting import mailbox_id, ods_code

Details = Mapping[str, Any]


def in_words(event: LedgerEvent) -> str:
    """Describe an event in a sentence without a full stop."""
    words = _WORDS.get(event.kind)
    return words(event.details) if words else "an event of a newer release, unknown to this one"


def code_in_words(code: str | None) -> str:
    """Describe a response code, from the table of ITK3 response codes."""
    if not code:
        return "no code"
    entry = RESPONSE_CODES.get(code)
    return f"{code}, {entry.meaning}" if entry else f"{code}, which is not in the table of response codes"


def period(time: timedelta) -> str:
    """Write a duration in the two largest units: `2 h 45 min`, `40 s`, `3 days 4 h`."""
    seconds = max(0, int(time.total_seconds()))
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} day{'s' if days > 1 else ''}" + (f" {hours} h" if hours else "")
    if hours:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    return f"{minutes} min" if minutes else f"{seconds} s"


def plural(number: int, thing: str) -> str:
    """Write a number with a noun, in the plural if needed."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _clock(written: str) -> str:
    return f"{datetime.fromisoformat(written):%d %b %H:%M} UTC"


def _held(details: Details) -> str:
    person = ", and for a person to release it" if details["by_a_person"] else ""
    return f"checked and held until {_clock(details['release_at'])}{person}: {details['why']}"


def _withdrawal(details: Details) -> str:
    effects = [
        f"{plural(len(details[name]), 'message')} {words}"
        for name, words in (("stopped", "stopped"), ("sent", "sent before"))
        if details[name]
    ]
    return f"the consultation was deleted: {', '.join(effects) or 'there was nothing to stop'}"


def _built(details: Details) -> str:
    registration = details.get("registration", {})
    practice = (
        f" for {registration['ods_code']} (says {registration['source']})" if registration.get("ods_code") else ""
    )
    advice = f"; {plural(len(details['advice']), 'warning')}" if details.get("advice") else ""
    return f"the message was built and stored{practice}, {details['size']:,} bytes{advice}"


def _response(details: Details) -> str:
    sender = ods_code(details["from_organisation"]) or mailbox_id(details["from_mailbox"]) or "an unknown mailbox"
    level = "" if details["level"] == "unknown" else f"{details['level']} "
    doubt = f"; checksum {details['checksum']}" if details.get("checksum") else ""
    return f"{details['verdict']} {level}acknowledgement from {sender}: {code_in_words(details['code'])}{doubt}"


def _refused(details: Details) -> str:
    return f"MESH refused the upload: {details['http_status']} {details['error']}".rstrip()


def _postponed(details: Details) -> str:
    later = f", and MESH accepts no upload before {_clock(details['not_before'])}" if details.get("not_before") else ""
    return f"the upload is postponed: {details['why']}{later}"


def _report(details: Details) -> str:
    code = str(details["code"]).removeprefix("EPL-")
    return f"MESH reports EPL-{code}: {details['description']}".rstrip(": ")


def _released_by(details: Details) -> str:
    despite = f", although PDS differs in: {', '.join(details['despite'])}" if details.get("despite") else ""
    return f"released by {details['actor']}{despite}"


def _accepted(details: Details) -> str:
    resolved = f", for mailbox {details['resolved_mailbox']}" if details.get("resolved_mailbox") else ""
    return f"MESH took the message{resolved} and calls it {details['mesh_message_id']}"


def _superseded(details: Details) -> str:
    if details.get("actor"):
        return f"skipped by {details['actor']}, so that a newer version can be sent: {details['by_request_id']}"
    return f"replaced by a newer request: {details['by_request_id']}"


def _routed(details: Details) -> str:
    if details["mailbox"] and details["mesh_message_id"]:
        return f"MESH says that it routed the message to mailbox {details['mailbox']}"
    if details["mailbox"]:
        return f"MESH lists mailbox {details['mailbox']} for the practice; a copy without an id must have gone there"
    return "MESH did not say to which mailbox it routed the message"


def _unresolved(details: Details) -> str:
    return f"MESH names {plural(details['mailboxes'], 'mailbox').replace('xs', 'xes')} for {details['organisation']}"


def _upload(details: Details) -> str:
    chunks = f", in {details['chunks']} chunks" if details.get("chunks", 1) > 1 else ""
    return f"upload {details['attempt']} began{chunks}"


_WORDS: dict[EventType, Callable[[Details], str]] = {
    EventType.REQUEST_REFUSED: lambda details: f"the request was refused: {'; '.join(details['reasons'])}",
    EventType.NOT_REQUIRED: lambda details: f"no message is needed: {details['why']} ({details['requirement']})",
    EventType.HELD: _held,
    EventType.RELEASED_BY_A_PERSON: _released_by,
    EventType.RELEASE_STARTED: lambda details: f"the hold is over: it becomes version {details['version']}",
    EventType.RELEASED: lambda details: f"it became {plural(len(details['message_ids']), 'message')}",
    EventType.SUPERSEDED: _superseded,
    EventType.WAITS_NO_LONGER: lambda details: (
        f"{details['actor']} let it skip {plural(len(details['given_up']), 'earlier version')}"
    ),
    EventType.RUNNING_LATE: lambda _details: "the message is not sent, and the three hours are nearly over",
    EventType.DIFFERS: lambda details: f"PDS differs in: {', '.join(details['fields'])}",
    EventType.LOOKUP_UNANSWERED: lambda details: f"PDS did not answer: {details['why']}",
    EventType.WITHDRAWAL: _withdrawal,
    EventType.WITHDRAWN: lambda details: f"withdrawn, since the consultation was deleted: {details['by_request_id']}",
    EventType.PRACTICE_TOLD: lambda details: f"{details['actor']} told the practice that the consultation was deleted",
    EventType.BUILT: _built,
    EventType.UPLOAD_STARTED: _upload,
    EventType.CHUNK_ACCEPTED: lambda details: f"MESH took chunk {details['number']} of {details['chunks']}",
    EventType.UPLOAD_TRACKED: lambda details: (
        f"MESH was asked about upload {details['attempt']}: {details['mesh_status']}"
    ),
    EventType.UPLOAD_ACCEPTED: _accepted,
    EventType.ROUTED: _routed,
    EventType.UPLOAD_REFUSED: _refused,
    EventType.UPLOAD_POSTPONED: _postponed,
    EventType.UPLOAD_UNCERTAIN: lambda details: f"it is unknown whether the upload arrived: {details['why']}",
    EventType.RECIPIENT_UNRESOLVED: _unresolved,
    EventType.QUEUED_AGAIN: lambda details: f"queued again: {details['why']}",
    EventType.RESEND_ORDERED: lambda details: f"{details['actor']} ordered a resend with identical bytes",
    EventType.RESPONSE: _response,
    EventType.RESPONSE_ACCEPTED: lambda details: (
        f"{details['actor']} accepted response {details['mesh_message_id']} as genuine"
    ),
    EventType.REPORT: _report,
    EventType.ACKNOWLEDGEMENT_OVERDUE: lambda details: (
        f"no {' and no '.join(details['missing'])} acknowledgement in time"
    ),
    EventType.VOIDED: lambda details: (
        f"void, since the replacement could not be processed (20014): {details['by_message_id']}"
    ),
}
