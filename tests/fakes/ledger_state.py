"""What the ledger's table in memory holds, for tests to look behind the store."""

from collections.abc import Callable
from typing import Any

from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.encounter_table import STATE, EncounterTable, key_of
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.records import MessageRecord, RaisedNotification
from gpconnect_messaging.ledger.table import item, plain
from tests.fakes.dynamodb import Table


class LedgerState:
    """Reads all encounters of a table; each is read once as long as it does not change."""

    def __init__(self, table: Table) -> None:
        self._table = table
        client: Any = table
        self._reader = EncounterTable(client, "ledger")
        self._known: dict[str, tuple[str, Encounter]] = {}

    def encounters(self) -> list[Encounter]:
        """Every encounter, and other subject of notifications."""
        return [self._read(pk) for pk, sk in sorted(self._table.item_keys()) if sk == STATE]

    def records(self) -> list[MessageRecord]:
        """Every message, and request that became none."""
        return [record for encounter in self.encounters() for record in encounter.records.values()]

    def notifications(self, subject_key: str | None = None) -> list[RaisedNotification]:
        """Every notification, or those of a subject."""
        found = [raised for encounter in self.encounters() for raised in encounter.notifications.values()]
        return [raised for raised in found if subject_key in (None, raised.notification.subject_key)]

    def kinds(self, subject_key: str) -> list[str]:
        """The kinds of the notifications of a subject, with the occasion."""
        notifications = (raised.notification for raised in self.notifications(subject_key))
        return sorted(f"{entry.kind.value}{entry.occasion and '#'}{entry.occasion}" for entry in notifications)

    def change_body(self, pk: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the stored body of an encounter, as a newer release would."""
        values = plain(self._table.get_item(Key=item({"pk": pk, "sk": STATE}))["Item"])
        body = encounter_format.unpack(values["body"], int(values["v"]))
        change(body)
        written = {**values, "revision": int(values["revision"]) + 1, "body": encounter_format.pack(body)}
        self._table.put_item(Item=item(written))

    def body(self, pk: str) -> dict[str, Any]:
        """The stored body of an encounter."""
        values = plain(self._table.get_item(Key=item({"pk": pk, "sk": STATE}))["Item"])
        return encounter_format.unpack(values["body"], int(values["v"]))

    def _read(self, pk: str) -> Encounter:
        values = self._table.get_item(Key=item({"pk": pk, "sk": STATE}))["Item"]
        revision, encounter = self._known.get(pk, ("", Encounter(key=key_of(pk))))
        if values["revision"]["N"] != revision:
            encounter = self._reader.from_item(plain(values))
            self._known[pk] = values["revision"]["N"], encounter
        return encounter
