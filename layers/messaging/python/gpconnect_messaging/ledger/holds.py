"""Legal holds in the ledger: the items of an encounter do not expire while one of the messages is held."""

from collections.abc import Mapping
from dataclasses import dataclass

from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger


class UnknownMessageError(Exception):
    """The ledger has no such message."""


@dataclass(frozen=True, slots=True)
class Held:
    """The ids under which S3 has objects of a message.

    `came` are the MESH ids of responses and reports. `encounter` are the message ids of all records of the encounter,
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


class HeldItems(Ledger):
    """Applies and lifts holds on the items of a message."""

    def apply(self, message_id: str) -> Held:
        """Keep all items of a message's encounter, including later ones. Raises UnknownMessageError."""
        encounter = self._set(message_id, on=True)
        # The encounter's own item is written with the hold; of the actions, those there are.
        actions = {(found["pk"], found["sk"]) for own_id in encounter.records
                   for found in self._partition(f"ACTIONS#{own_id}")}  # fmt: skip
        for pk, sk in sorted(self.item_keys(encounter) | actions):
            self._update(pk, sk, "REMOVE expires_at", "attribute_exists(pk)", {})
        return _held(encounter, encounter.records[message_id])

    def lift(self, message_id: str) -> Lifted:
        """Let the archiver, which looks at the encounter again, let a message's items expire.

        Raises UnknownMessageError.
        """
        encounter = self._set(message_id, on=False)
        still = {own_id: _held(encounter, record) for own_id, record in encounter.records.items() if record.legal_hold}
        return Lifted(_held(encounter, encounter.records[message_id]), still)

    def _set(self, message_id: str, *, on: bool) -> Encounter:
        encounter = self.set_legal_hold(message_id, on=on)
        if encounter is None:
            raise UnknownMessageError("the ledger has no such message")
        return encounter


def _held(encounter: Encounter, record: MessageRecord) -> Held:
    return Held(record.request_id, record.mailbox, record.history.came, tuple(sorted(encounter.records)))
