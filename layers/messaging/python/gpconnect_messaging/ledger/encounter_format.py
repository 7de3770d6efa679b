"""The stored form of an encounter: readable JSON, compressed with a dictionary of the words that it repeats.

| attribute | meaning |
|---|---|
| `pk`, `sk` | `ENCOUNTER#{key}`, or the key of another subject; `STATE`, or `PART#{name}` |
| `v` | the version of this format |
| `revision`, `written_by` | counts the changes; marks the last one |
| `body` | the JSON below, compressed by zlib with the version's dictionary |

    {"mailbox": "…", "encounter": "…", "held": request id,
     "newest": {"request": id, "stated": time, "arrived": time, "object": "…", "sequencer": "…", …},
     "requests": {request id: {"claim": {…}, "origin": {…}}},
     "versions": {number: {"request": id, "messages": [ids], "recipients": [keys]}},
     "messages": {id: {"request": id, "version": 1, …, "events": [[kind, identity, time, source, details]]}},
     "notifications": {id: {"subject": key, "kind": "…", "raised": time, "due": time, "told": time, …}}}

Empty values are left out. Values of an encounter or a message that this release does not know are kept as they are, so
that a newer release finds them after a release that was rolled back. Anything else that is new needs a new version.

Where a body would become longer than `LARGEST_BODY`, the requests, versions, messages and notifications that are stored
already move into a part: an item of the same form that never changes. Everything has an id, so that an encounter is the
union of the parts and the state, in which the newest value of an id counts. The body names the parts in their order;
one that was written in vain is not named.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.orders import origin_item, read_origin
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.records import (
    Claim,
    MessageRecord,
    Notification,
    RaisedNotification,
    Received,
    Version,
)
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType
from gpconnect_messaging.ledger.table import text, time

VERSION = 1
LARGEST_BODY = 48 * 1024
"""In bytes, compressed: DynamoDB's largest item is 400 kB, and every change writes the whole body."""

Json = dict[str, Any]

# Never changed: what was compressed with it could not be read any more. The words that are used most come last.
_DICTIONARY_1 = (
    b'"acknowledged_by":"","reason":"","given_up":[""],"http_status":400,"error":"EPL-","why":"not_before"'
    b'["upload postponed","upload-postponed-1","upload uncertain","upload-uncertain-1","upload refused"'
    b'["acknowledgement overdue","acknowledgement-overdue","poller",{"missing":["infrastructure","business"]}]'
    b'["report","report-","code":"14","description":"","linked_mesh_message_id":"'
    b'["request refused","request-refused","builder",{"reasons":["'
    b'["superseded","superseded","builder",{"by_request_id":"","arrived_later":true}]'
    b'["withdrawn","withdrawn",["not required","not-required","builder",{"requirement":"GPCM-SD-CS-071","why":"'
    b'"notifications":[{"subject":"MESSAGE#","kind":"rejected","raised":"","due":"","told":"","escalated":"","details":{'
    b'"message_id":"","mailbox":"","status":"","codes":"","practice":" (says PDS)"'
    b'{"mailbox":"Y90001OT001","encounter":"","held":"","newest":{"request":"","stated":"2026-11-20T22:00:00.000000Z",'
    b'"arrived":"2026-11-20T22:00:00.000000Z","object":"","sequencer":"0065'
    b'"undated":true,"deletion":true},"requests":{"","origin":{"folder":"","document_versions":["'
    b'"arrived":"2026-"queue_of":""}},"claim":{"version":1,"created_at":"2026-11-20T22:00:00.000000Z",'
    b'"document_versions":[""],"registration":{"source":"the request","source":"PDS","ods_code":"A20047","name":"'
    b'"deceased":true}}},"versions":[{"request":"","messages":[""],"recipients":["registered-practice"]}],'
    b'"messages":{"":{"request":"","version":1,"created_at":"2026-11-20T22:00:00.000000Z","changed_at":"'
    b'"events":[["held","held","2026-11-20T22:00:00.000000Z","builder",{"release_at":"2026-11-20T22:00:00+00:00",'
    b'"by_a_person":false,"requirement":"GPCM-SD-CS-075","why":"the hold window of the organisation",'
    b'"warn_at":"2026-11-20T22:00:00.000000+00:00"}],["queued again","queued-again-1","2026-11-20T22:00:00.000000Z",'
    b'"poller",{"why":"HELD"}],["release started","release-started","2026-11-20T22:00:00.000000Z","builder",'
    b'{"version":1}],["released","released","2026-11-20T22:00:00.000000Z","builder",{"message_ids":[""]}],'
    b'["built","built","2026-11-20T22:00:00.000000Z","builder",{"sha256":"","size":100000,'
    b'"infrastructure_seconds":86400,"business_seconds":432000,"to_organisation":"A20047","registration":{"ods_code":"'
    b'"source":"PDS"},"arrived":"2026-11-20T22:00:00+00:00","warn_at":"2026-11-20T22:00:00+00:00"}],["upload started",'
    b'"upload-1","2026-11-20T22:00:00.000000Z","sender",{"attempt":1,"lease_until":"2026-11-20T22:00:00.000000+00:00",'
    b'"chunks":1}],["upload accepted","upload-accepted-1","2026-11-20T22:00:00.000000Z","sender",{"attempt":1,'
    b'"mesh_message_id":"20261120220000000000_"}],["routed","routed-20261120220000000000_","2026-11-20T22:00:00.000000Z",'
    b'"poller",{"mesh_message_id":"20261120220000000000_","mailbox":"X26'
    b'"}],["response","response-20261120220000000000_-30001","2026-11-20T22:00:00.000000Z","MESH 2026112022",'
    b'{"mesh_message_id":"20261120220000000000_","code":"20013","level":"infrastructure","verdict":"positive",'
    b'"from_mailbox":"X26","from_organisation":"A20047"}],["response","response-20261120220000000000_-20013",'
    b'"2026-11-20T22:00:00.000000Z","MESH 20261120220000000000_",{"mesh_message_id":"20261120220000000000_",'
    b'"code":"30001","level":"business","verdict":"positive","from_mailbox":"X26","from_organisation":"A20047"}]]}}}'
)
_DICTIONARIES = {1: _DICTIONARY_1}


class UnreadableEncounterError(Exception):
    """An encounter that this release cannot read."""


class UnknownFormatError(UnreadableEncounterError):
    """A newer release stored the encounter in a form that this one cannot read: deploy the newer release again."""


class MissingPartError(UnreadableEncounterError):
    """A part of an encounter is not in the table: restore the item from a backup of the table."""


def pack(body: Json, version: int = VERSION) -> bytes:
    """Compress a body."""
    return compress(json.dumps(body, separators=(",", ":")).encode(), version)


def compress(written: bytes, version: int = VERSION) -> bytes:
    """Compress a body that is written as JSON."""
    packing = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_DEFAULT_STRATEGY, _DICTIONARIES[version])
    return packing.compress(written) + packing.flush()


def unpack(packed: bytes, version: int) -> Json:
    """Read the result of `pack`. Raises UnknownFormatError."""
    if version not in _DICTIONARIES:
        raise UnknownFormatError(f"the ledger has an encounter in format {version}, which this release cannot read")
    body: Json = json.loads(zlib.decompressobj(zdict=_DICTIONARIES[version]).decompress(packed))
    return body


def encode(encounter: Encounter, apart: Json) -> Json:
    """Return the body of an encounter, without what the parts hold."""
    newest, received = encounter.newest, encounter.received
    request_ids = dict.fromkeys((*encounter.origins, *encounter.claims))
    return _without_empty(
        {
            **encounter.carried,
            "mailbox": encounter.mailbox,
            "encounter": encounter.encounter,
            "held": encounter.held_request_id,
            "newest": newest and {"request": encounter.newest_request_id, **_times(newest)},
            "requests": _beyond(
                {request_id: _request(encounter, request_id) for request_id in request_ids}, apart["requests"]
            ),
            "versions": _beyond({str(version.number): _version(version) for version in encounter.versions},
                                apart["versions"]),
            "messages": _messages_beyond(
                {message_id: _message(record) for message_id, record in encounter.records.items()}, apart["messages"]
            ),
            "notifications": _beyond(
                {own_id: _raised(raised) for own_id, raised in encounter.notifications.items()}, apart["notifications"]
            ),
            "received": received and written_received(received),
            "parts": list(encounter.parts),
        }
    )  # fmt: skip


def decode(key: str, body: Json, revision: int, apart: Json) -> Encounter:
    """Read an encounter from the body and what the parts hold."""
    rest = dict(body)
    mailbox, encounter, newest = rest.pop("mailbox", ""), rest.pop("encounter", ""), rest.pop("newest", None)
    whole = union(apart, {name: rest.pop(name, {}) for name in _DIVIDED})
    versions = tuple(_read_version(int(number), values) for number, values in whole["versions"].items())
    raised = [_read_raised(values) for values in whole["notifications"].values()]
    received = rest.pop("received", None)
    return Encounter(
        key=key,
        mailbox=mailbox,
        encounter=encounter,
        newest=newest and _read_times(newest),
        newest_request_id=newest["request"] if newest else "",
        held_request_id=rest.pop("held", ""),
        claims={
            request_id: _read_claim(request_id, values["claim"], versions)
            for request_id, values in whole["requests"].items()
            if "claim" in values
        },
        origins={
            request_id: origin
            for request_id, values in whole["requests"].items()
            if "origin" in values and (origin := read_origin(values["origin"]))
        },
        versions=versions,
        records={
            message_id: _record(key, mailbox, encounter, message_id, message)
            for message_id, message in whole["messages"].items()
        },
        notifications={state.notification.id: state for state in raised},
        received=received and read_received(received),
        parts=tuple(rest.pop("parts", ())),
        carried=rest,
        revision=revision,
    )


_DIVIDED = ("requests", "versions", "messages", "notifications")
"""The values that move into parts."""

NO_PARTS: Json = {name: {} for name in _DIVIDED}


def part_of(body: Json) -> Json:
    """Return the part that holds what a stored body has by id."""
    return {name: body.get(name, {}) for name in _DIVIDED}


def divided(part: Json) -> list[Json]:
    """Divide a part into parts of which none is longer than `LARGEST_BODY`, unless it holds one message alone."""
    if len(pack(part)) <= LARGEST_BODY or len(part["messages"]) < 2:
        return [part]
    entries = {name: list(part[name].items()) for name in _DIVIDED}
    halves = (slice(None, len(part["messages"]) // 2), slice(len(part["messages"]) // 2, None))
    return [less for half in halves for less in divided({name: dict(found[half]) for name, found in entries.items()})]


def union(older: Json, newer: Json) -> Json:
    """Join two parts; the newer values count, and the events of both."""
    joined: Json = {name: {**older[name], **newer[name]} for name in _DIVIDED}
    for message_id, message in newer["messages"].items():
        if message_id in older["messages"]:
            events = {event[1]: event for event in (*older["messages"][message_id]["events"], *message["events"])}
            joined["messages"][message_id] = {**message, "events": list(events.values())}
    return joined


def written_received(received: Received) -> Json:
    """Return a received MESH message as JSON values."""
    return {**asdict(received), "at": text(received.at)}


def read_received(values: Json) -> Received:
    """Read the result of `written_received`."""
    return Received(**{**values, "at": time(values["at"])})


def _beyond(values: Json, apart: Json) -> Json:
    return {own_id: value for own_id, value in values.items() if apart.get(own_id) != value}


def _messages_beyond(messages: Json, apart: Json) -> Json:
    """Return the messages of which the parts do not hold everything, with the events that they do not hold."""
    beyond: Json = {}
    for message_id, message in messages.items():
        known = apart.get(message_id, {"events": ()})
        held = {event[1] for event in known["events"]}
        events = [event for event in message["events"] if event[1] not in held]
        if events or {**message, "events": known["events"]} != known:
            beyond[message_id] = {**message, "events": events}
    return beyond


def _version(version: Version) -> Json:
    return {
        "request": version.request_id,
        "messages": list(version.message_ids),
        "recipients": list(version.recipients),
    }


def _read_version(number: int, values: Json) -> Version:
    return Version(
        number=number,
        request_id=values["request"],
        message_ids=tuple(values["messages"]),
        recipients=tuple(values["recipients"]),
    )


def _request(encounter: Encounter, request_id: str) -> Json:
    origin, claim = encounter.origins.get(request_id), encounter.claims.get(request_id)
    return _without_empty({"origin": origin and origin_item(origin), "claim": claim and _claim(claim)})


def _times(times: RequestTimes) -> Json:
    return _without_empty(
        {
            "stated": text(times.stated),
            "arrived": text(times.arrived),
            "object": times.s3_object,
            "sequencer": times.sequencer,
            "deletion": times.deletion,
            "undated": times.undated,
        }
    )


def _message(record: MessageRecord) -> Json:
    return {
        **record.carried,
        **_without_empty(
            {
                "request": record.request_id,
                "version": record.version,
                "recipient": record.recipient if record.recipient != REGISTERED_PRACTICE else "",
                "created_at": text(record.created_at),
                "changed_at": record.changed_at and text(record.changed_at),
                "messages": record.messages if record.messages != 1 else 0,
                "legal_hold": record.legal_hold,
            }
        ),
        "events": [
            [event.kind.value, event.identity, text(event.at), event.source, dict(event.details)]
            for event in record.history.events
        ],
    }


def _record(key: str, mailbox: str, encounter: str, message_id: str, message: Json) -> MessageRecord:
    rest = dict(message)
    changed_at = rest.pop("changed_at", None)
    return MessageRecord(
        message_id=message_id,
        request_id=rest.pop("request"),
        mailbox=mailbox,
        encounter=encounter,
        encounter_key=key,
        version=rest.pop("version", 0),
        recipient=rest.pop("recipient", REGISTERED_PRACTICE),
        created_at=time(rest.pop("created_at")),
        changed_at=changed_at and time(changed_at),
        messages=rest.pop("messages", 1),
        legal_hold=rest.pop("legal_hold", False),
        history=MessageHistory(tuple(map(_event, rest.pop("events")))),
        carried=rest,
    )


def _event(values: list[Any]) -> LedgerEvent:
    kind, identity, at, source, details = values
    return LedgerEvent(kind=EventType(kind), identity=identity, at=time(at), source=source, details=details)


def _claim(claim: Claim) -> Json:
    return _without_empty(
        {
            "version": claim.version,
            "created_at": text(claim.created_at),
            "document_versions": list(claim.document_versions),
            "registration": dict(claim.registration),
        }
    )


def _read_claim(request_id: str, values: Json, versions: tuple[Version, ...]) -> Claim:
    return Claim(
        request_id=request_id,
        version=values["version"],
        created_at=time(values["created_at"]),
        document_versions=tuple(values.get("document_versions", ())),
        registration=values.get("registration", {}),
        message_ids=versions[values["version"] - 1].message_ids,
    )


def _read_times(values: Json) -> RequestTimes:
    return RequestTimes(
        stated=time(values["stated"]),
        arrived=time(values["arrived"]),
        s3_object=values.get("object", ""),
        sequencer=values.get("sequencer", ""),
        deletion=values.get("deletion", False),
        undated=values.get("undated", False),
    )


def _raised(raised: RaisedNotification) -> Json:
    notification = raised.notification
    return _without_empty(
        {
            "subject": notification.subject_key,
            "kind": notification.kind.value,
            "occasion": notification.occasion,
            "raised": text(notification.raised_at),
            "due": raised.due_at and text(raised.due_at),
            "told": raised.told_at and text(raised.told_at),
            "escalated": raised.escalated_at and text(raised.escalated_at),
            "acknowledged": raised.acknowledged_at and text(raised.acknowledged_at),
            "acknowledged_by": raised.acknowledged_by,
            "details": dict(notification.details),
        }
    )


def _read_raised(values: Mapping[str, Any]) -> RaisedNotification:
    def when(name: str) -> datetime | None:
        return time(values[name]) if name in values else None

    return RaisedNotification(
        notification=Notification(
            subject_key=values["subject"],
            kind=NotificationType(values["kind"]),
            raised_at=time(values["raised"]),
            details=values.get("details", {}),
            occasion=values.get("occasion", ""),
        ),
        due_at=when("due"),
        told_at=when("told"),
        escalated_at=when("escalated"),
        acknowledged_at=when("acknowledged"),
        acknowledged_by=values.get("acknowledged_by", ""),
    )


def _without_empty(values: Json) -> Json:
    return {name: value for name, value in values.items() if value not in ("", None, 0, [], {})}
