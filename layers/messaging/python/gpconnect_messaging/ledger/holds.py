"""The ledger's part of a legal hold: nothing that it has of a message expires."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gpconnect_messaging.ledger.lifecycle import EventType
from gpconnect_messaging.ledger.table import Item, LedgerTable, beginning


class UnknownMessageError(Exception):
    """The ledger has no such message."""


@dataclass(frozen=True, slots=True)
class Held:
    """What belongs to a message elsewhere: its request's id, its mailbox, and MESH's ids of what came about it.

    `encounter` has the ids of all rows of its encounter: if it was withdrawn, the withdrawal is one of them.
    """

    request_id: str
    mailbox: str
    came: tuple[str, ...]
    encounter: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lifted:
    """What belonged to a message whose hold was lifted, and to those of its encounter that are still held, by id."""

    freed: Held
    still_held: Mapping[str, Held]


class HeldItems(LedgerTable):
    """Places and lifts holds on the items of a message.

    Messages of an encounter share some: copies have one request, and every version the encounter's withdrawal. What
    another held message needs is not freed with this one.
    """

    def apply(self, message_id: str) -> Held:
        """Keep everything of a message, and what is recorded of it later. Raises UnknownMessageError."""
        row = "SET legal_hold = :held REMOVE expires_at ADD revision :one"
        held, places = self._change_row(message_id, row, {":held": True})
        self._change(places, "REMOVE expires_at", {})
        return held

    def lift(self, message_id: str) -> Lifted:
        """Let a message's items expire again, counted from now. Raises UnknownMessageError."""
        expiry = {f":{name}": value for name, value in self._expiry(self._now()).items()}
        held, places = self._change_row(message_id, "REMOVE legal_hold ADD revision :one", {})
        others: dict[str, Held] = {}
        shared: set[tuple[str, str]] = set()
        for each in held.encounter:
            row = self._get(f"MESSAGE#{each}", "MESSAGE") if each != message_id else None
            if row and "legal_hold" in row:
                others[each], needs = self._belongings(row)
                shared |= {(f"MESSAGE#{each}", "MESSAGE"), *needs}
        if expiry:
            own = {(f"MESSAGE#{message_id}", "MESSAGE"), *places}
            self._change(own - shared, "SET expires_at = :expires_at", expiry)
        return Lifted(held, others)

    def _change_row(self, message_id: str, change: str, values: Item) -> tuple[Held, set[tuple[str, str]]]:
        """Change the row first, as a revision of its own: whoever records a fact at the same time must read again."""
        pk = f"MESSAGE#{message_id}"
        if not self._update(pk, "MESSAGE", change, "attribute_exists(pk)", {":one": 1, **values}):
            raise UnknownMessageError("the ledger has no such message")
        return self._belongings(self._get(pk, "MESSAGE") or {})

    def _change(self, places: set[tuple[str, str]], change: str, values: Item) -> None:
        for place in sorted(places):
            self._update(*place, change, "attribute_exists(pk)", values)

    def _belongings(self, row: Item) -> tuple[Held, set[tuple[str, str]]]:
        """What belongs to a message beside its row, elsewhere and in the ledger."""
        message_id, request_id, mailbox = row["message_id"], row["request_id"], row["mailbox"]
        items = [each for each in self._partition(f"MESSAGE#{message_id}") if each["sk"] != "MESSAGE"]
        came = tuple(sorted(set(_mesh_ids_of_answers(items))))
        items += self._partition(f"REQUEST#{request_id}")
        if request_id != message_id:  # a request that was held has a row of its own
            items += self._partition(f"MESSAGE#{request_id}")
        places = {(str(each["pk"]), str(each["sk"])) for each in items}
        places |= {(f"MESH#{each}", "MESH") for each in row["mesh_message_ids"]}
        places |= {(f"RECEIVED#{mailbox}#{each}", "RECEIVED") for each in came}
        places |= {(f"MESH#{each}", "RECEIVED") for each in came}
        places |= {(beginning(each), each) for each in {str(message_id), str(request_id)}}
        encounter = self._query_index("by_encounter", "encounter_key", row["encounter_key"])
        ids = tuple(sorted(each["message_id"] for each in encounter))
        return Held(request_id, mailbox, came, ids), places


def _mesh_ids_of_answers(items: list[Item]) -> Iterator[str]:
    for each in items:
        if each.get("kind") in (EventType.RESPONSE.value, EventType.REPORT.value):
            yield each["source"].removeprefix("MESH ")
