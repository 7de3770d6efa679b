"""Legal holds in the ledger: the items of a held message do not expire."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.ledger.table import Item, LedgerTable, beginning


class UnknownMessageError(Exception):
    """The ledger has no such message."""


@dataclass(frozen=True, slots=True)
class Held:
    """The ids under which S3 has objects of a message.

    `came` are the MESH ids of responses and reports. `encounter` are the message ids of all rows of the encounter,
    including any withdrawal.
    """

    request_id: str
    mailbox: str
    came: tuple[str, ...]
    encounter: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lifted:
    """The ids of a message whose hold was lifted, and those of the encounter's messages that are still held, by id."""

    freed: Held
    still_held: Mapping[str, Held]


class HeldItems(LedgerTable):
    """Applies and lifts holds on the items of a message.

    Messages of an encounter share items: the request, where a document has several recipients, and the withdrawal.
    Lifting a hold does not free items that another held message needs.
    """

    def apply(self, message_id: str) -> Held:
        """Keep all items of a message, including later ones. Raises UnknownMessageError."""
        row = "SET legal_hold = :held REMOVE expires_at ADD revision :one"
        held, keys = self._change_row(message_id, row, {":held": True})
        self._change(keys, "REMOVE expires_at", {})
        return held

    def lift(self, message_id: str) -> Lifted:
        """Let a message's items expire again, counted from now. Raises UnknownMessageError."""
        expiry = {f":{name}": value for name, value in self._expiry(self._now()).items()}
        held, keys = self._change_row(message_id, "REMOVE legal_hold ADD revision :one", {})
        others: dict[str, Held] = {}
        shared: set[tuple[str, str]] = set()
        for other_id in held.encounter:
            row = self._get(f"MESSAGE#{other_id}", "MESSAGE") if other_id != message_id else None
            if row and "legal_hold" in row:
                others[other_id], other_keys = self._related(row)
                shared |= {(f"MESSAGE#{other_id}", "MESSAGE"), *other_keys}
        if expiry:
            own = {(f"MESSAGE#{message_id}", "MESSAGE"), *keys}
            self._change(own - shared, "SET expires_at = :expires_at", expiry)
        return Lifted(held, others)

    def _change_row(self, message_id: str, change: str, values: Item) -> tuple[Held, set[tuple[str, str]]]:
        """Change the row first, with a new revision, so that a concurrent writer of an event must read again."""
        pk = f"MESSAGE#{message_id}"
        if not self._update(pk, "MESSAGE", change, "attribute_exists(pk)", {":one": 1, **values}):
            raise UnknownMessageError("the ledger has no such message")
        return self._related(self._get(pk, "MESSAGE") or {})

    def _change(self, keys: set[tuple[str, str]], change: str, values: Item) -> None:
        for key in sorted(keys):
            self._update(*key, change, "attribute_exists(pk)", values)

    def _related(self, row: Item) -> tuple[Held, set[tuple[str, str]]]:
        """Return a message's ids in S3, and the keys of the ledger items of the message except the row."""
        message_id, request_id, mailbox = row["message_id"], row["request_id"], row["mailbox"]
        items = [item for item in self._partition(f"MESSAGE#{message_id}") if item["sk"] != "MESSAGE"]
        came = tuple(sorted(set(_mesh_ids_of_responses(items))))
        items += self._partition(f"REQUEST#{request_id}")
        if request_id != message_id:  # a request that was held has a row, too
            items += self._partition(f"MESSAGE#{request_id}")
        keys = {(str(item["pk"]), str(item["sk"])) for item in items}
        keys |= {(f"MESH#{mesh_id}", "MESH") for mesh_id in row["mesh_message_ids"]}
        keys |= {(f"RECEIVED#{mailbox}#{mesh_id}", "RECEIVED") for mesh_id in came}
        keys |= {(f"MESH#{mesh_id}", "RECEIVED") for mesh_id in came}
        keys |= {(beginning(own_id), own_id) for own_id in {str(message_id), str(request_id)}}
        encounter = self._query_index("by_encounter", "encounter_key", row["encounter_key"])
        ids = tuple(sorted(other["message_id"] for other in encounter))
        return Held(request_id, mailbox, came, ids), keys


def _mesh_ids_of_responses(items: list[Item]) -> Iterator[str]:
    for item in items:
        if item.get("kind") in (EventType.RESPONSE.value, EventType.REPORT.value):
            yield item["source"].removeprefix("MESH ")
