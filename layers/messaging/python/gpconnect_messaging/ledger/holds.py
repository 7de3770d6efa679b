"""The ledger's part of a legal hold: nothing that it has of a message expires."""

from collections.abc import Iterator
from dataclasses import dataclass

from gpconnect_messaging.ledger.lifecycle import FactKind
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


class HeldItems(LedgerTable):
    """Places and lifts holds on the items of a message."""

    def place(self, message_id: str) -> Held:
        """Keep everything of a message, and what is recorded of it later. Raises UnknownMessageError."""
        row = "SET legal_hold = :held REMOVE expires_at ADD revision :one"
        return self._change(message_id, row, {":held": True}, "REMOVE expires_at", {})

    def lift(self, message_id: str) -> Held:
        """Let a message's items expire again, counted from now. Raises UnknownMessageError."""
        expiry = {f":{name}": value for name, value in self._expiry(self._now()).items()}
        again = "SET expires_at = :expires_at" if expiry else ""
        return self._change(message_id, f"{again} REMOVE legal_hold ADD revision :one".strip(), expiry, again, expiry)

    def _change(self, message_id: str, row_change: str, row_values: Item, change: str, values: Item) -> Held:
        pk, there = f"MESSAGE#{message_id}", "attribute_exists(pk)"
        # The row first, as a revision of its own: whoever records a fact at the same time has to read it again.
        if not self._update(pk, "MESSAGE", row_change, there, {":one": 1, **row_values}):
            raise UnknownMessageError("the ledger has no such message")
        items = list(self._partition(pk))
        row = next(each for each in items if each["sk"] == "MESSAGE")
        came = tuple(sorted(set(_mesh_ids_of_answers(items))))
        others = [each for each in items if each["sk"] != "MESSAGE"]
        others += self._partition(f"REQUEST#{row['request_id']}")
        if row["request_id"] != message_id:  # a request that was held has a row of its own
            others += self._partition(f"MESSAGE#{row['request_id']}")
        places = [(str(each["pk"]), str(each["sk"])) for each in others]
        places += [(f"MESH#{each}", "MESH") for each in row["mesh_message_ids"]]
        places += [(f"RECEIVED#{row['mailbox']}#{each}", "RECEIVED") for each in came]
        places += [(f"MESH#{each}", "RECEIVED") for each in came]
        places += [(beginning(each), each) for each in {message_id, str(row["request_id"])}]
        for place in places if change else ():
            self._update(*place, change, there, values)
        encounter = self._query_index("by_encounter", "encounter_key", row["encounter_key"])
        ids = tuple(sorted(each["message_id"] for each in encounter))
        return Held(row["request_id"], row["mailbox"], came, ids)


def _mesh_ids_of_answers(items: list[Item]) -> Iterator[str]:
    for each in items:
        if each.get("kind") in (FactKind.RESPONSE.value, FactKind.REPORT.value):
            yield each["source"].removeprefix("MESH ")
