"""A fact of a message in a person's words: one table, so that no two screens tell the same thing differently.

Facts hold no personal data, and neither do these words.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES
from gpconnect_messaging.ledger.lifecycle import EventType, LedgerEvent
from gpconnect_messaging.quoting import mailbox_id, ods_code

Details = Mapping[str, Any]


def in_words(event: LedgerEvent) -> str:
    """Say what happened, in one sentence without a full stop."""
    words = _WORDS.get(event.kind)
    return words(event.details) if words else "an event of a newer release, which this one does not know"


def code_in_words(code: str | None) -> str:
    """Say what a response code means, by the table of ITK3 response codes."""
    if not code:
        return "no code"
    known = RESPONSE_CODES.get(code)
    return f"{code}, {known.meaning}" if known else f"{code}, which is not in the table of response codes"


def period(time: timedelta) -> str:
    """Write a span of time in its largest unit, and the next below: `2 h 45 min`, `40 s`, `3 days 4 h`."""
    seconds = max(0, int(time.total_seconds()))
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} day{'s' if days > 1 else ''}" + (f" {hours} h" if hours else "")
    if hours:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    return f"{minutes} min" if minutes else f"{seconds} s"


def plural(number: int, thing: str) -> str:
    """Write a number of things."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _clock(written: str) -> str:
    return f"{datetime.fromisoformat(written):%d %b %H:%M} UTC"


def _held(details: Details) -> str:
    person = ", and for a person to release it" if details["by_a_person"] else ""
    return f"checked and held until {_clock(details['release_at'])}{person}: {details['why']}"


def _withdrawal(details: Details) -> str:
    did = [
        f"{plural(len(details[name]), 'message')} {words}"
        for name, words in (("stopped", "stopped"), ("sent", "sent before"))
        if details[name]
    ]
    return f"the consultation was deleted: {', '.join(did) or 'nothing was there to stop'}"


def _built(details: Details) -> str:
    known = details.get("registration", {})
    practice = f" for {known['ods_code']} (says {known['source']})" if known.get("ods_code") else ""
    advice = f"; advised against: {'; '.join(details['advice'])}" if details.get("advice") else ""
    return f"the message was made and stored{practice}, {details['size']:,} bytes{advice}"


def _response(details: Details) -> str:
    sender = ods_code(details["from_organisation"]) or mailbox_id(details["from_mailbox"]) or "an unknown mailbox"
    level = "" if details["level"] == "unknown" else f"{details['level']} "
    doubt = f"; its checksum {details['checksum']}" if details.get("checksum") else ""
    return f"{details['verdict']} {level}acknowledgement from {sender}: {code_in_words(details['code'])}{doubt}"


def _refused(details: Details) -> str:
    return f"MESH answered no: {details['http_status']} {details['error']}".rstrip()


def _postponed(details: Details) -> str:
    later = f", and asked to be left alone until {_clock(details['not_before'])}" if details.get("not_before") else ""
    return f"the upload is put off: {details['why']}{later}"


def _report(details: Details) -> str:
    code = str(details["code"]).removeprefix("EPL-")
    return f"MESH reports EPL-{code}: {details['description']}".rstrip(": ")


def _released_by(details: Details) -> str:
    known = f", knowing that PDS has otherwise: {', '.join(details['despite'])}" if details.get("despite") else ""
    return f"released by {details['actor']}{known}"


def _accepted(details: Details) -> str:
    resolved = f", for mailbox {details['resolved_mailbox']}" if details.get("resolved_mailbox") else ""
    return f"MESH took the message{resolved} and calls it {details['mesh_message_id']}"


def _superseded(details: Details) -> str:
    if details.get("actor"):
        return f"{details['actor']} gave it up, so that a newer version can pass: {details['by_request_id']}"
    return f"a newer request took its place: {details['by_request_id']}"


def _routed(details: Details) -> str:
    if details["mailbox"] and details["mesh_message_id"]:
        return f"MESH says that it took the message to mailbox {details['mailbox']}"
    if details["mailbox"]:
        return f"MESH lists the practice at mailbox {details['mailbox']}, where a copy without an id must have gone"
    return "MESH was asked which mailbox it took the message to, and does not say"


def _unresolved(details: Details) -> str:
    return f"MESH names {plural(details['mailboxes'], 'mailbox').replace('xs', 'xes')} for {details['organisation']}"


def _upload(details: Details) -> str:
    chunks = f", in {details['chunks']} chunks" if details.get("chunks", 1) > 1 else ""
    return f"upload {details['attempt']} began{chunks}"


_WORDS: dict[EventType, Callable[[Details], str]] = {
    EventType.REQUEST_REFUSED: lambda it: f"the request was refused: {'; '.join(it['reasons'])}",
    EventType.NOT_REQUIRED: lambda it: f"no message is needed: {it['why']} ({it['requirement']})",
    EventType.HELD: _held,
    EventType.RELEASED_BY_A_PERSON: _released_by,
    EventType.RELEASE_STARTED: lambda it: f"the hold is over: it becomes version {it['version']}",
    EventType.RELEASED: lambda it: f"it became {plural(len(it['message_ids']), 'message')}",
    EventType.SUPERSEDED: _superseded,
    EventType.WAITS_NO_LONGER: lambda it: f"{it['actor']} let it pass {plural(len(it['given_up']), 'earlier version')}",
    EventType.RUNNING_LATE: lambda _it: "it has not left, and its three hours are nearly over",
    EventType.DIFFERS: lambda it: f"PDS has otherwise: {', '.join(it['fields'])}",
    EventType.LOOKUP_UNANSWERED: lambda it: f"PDS gave no answer: {it['why']}",
    EventType.WITHDRAWAL: _withdrawal,
    EventType.WITHDRAWN: lambda it: f"withdrawn, since its consultation was deleted: {it['by_request_id']}",
    EventType.PRACTICE_TOLD: lambda it: f"{it['actor']} told the practice that the consultation was deleted",
    EventType.BUILT: _built,
    EventType.UPLOAD_STARTED: _upload,
    EventType.CHUNK_ACCEPTED: lambda it: f"MESH took chunk {it['number']} of {it['chunks']}",
    EventType.UPLOAD_TRACKED: lambda it: f"MESH was asked about upload {it['attempt']}: {it['mesh_status']}",
    EventType.UPLOAD_ACCEPTED: _accepted,
    EventType.ROUTED: _routed,
    EventType.UPLOAD_REFUSED: _refused,
    EventType.UPLOAD_POSTPONED: _postponed,
    EventType.UPLOAD_UNCERTAIN: lambda it: f"nobody knows whether the upload arrived: {it['why']}",
    EventType.RECIPIENT_UNRESOLVED: _unresolved,
    EventType.QUEUED_AGAIN: lambda it: f"put on the queue once more: {it['why']}",
    EventType.RESEND_ORDERED: lambda it: f"{it['actor']} ordered it to be sent again, with identical bytes",
    EventType.RESPONSE: _response,
    EventType.RESPONSE_ACCEPTED: lambda it: f"{it['actor']} made sure that answer {it['mesh_message_id']} is genuine",
    EventType.REPORT: _report,
    EventType.ACKNOWLEDGEMENT_OVERDUE: lambda it: f"no {' and no '.join(it['missing'])} acknowledgement in time",
    EventType.VOIDED: lambda it: f"void, since its replacement could not be processed (20014): {it['by_message_id']}",
}
