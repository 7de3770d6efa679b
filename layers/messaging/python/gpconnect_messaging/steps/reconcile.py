"""Reconcile: once a day, prove that nothing was lost, or tell what was (`reconciliation` has the reckoning).

The schedule comes several times a day, so that a run that failed is made up for; a day whose balance was made is left
alone. A day that is named is reckoned afresh.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from gpconnect_messaging.ledger.balances import Balances
from gpconnect_messaging.ledger.lifecycle import Patience, Status
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.mesh.errors import Gone, MeshError
from gpconnect_messaging.notices import Notifier
from gpconnect_messaging.reconciliation import Balance, Row, balance
from gpconnect_messaging.storage import Evidence

LOOKS_BACK = 7
"""How many days back the balance is looked for that left messages open."""


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The reconciliation step and what it works with. MESH is asked about `most_asked` messages at most."""

    evidence: Evidence
    balances: Balances
    mesh: MeshConnections
    notifier: Notifier
    patience: Patience
    most_asked: int = 100
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, day: date | None = None, time_left: Callable[[], bool] = lambda: True) -> Balance | None:
        """Make a day's balance (UTC); without a day, yesterday's, unless there is one: then None."""
        now = self.now()
        if day is None:
            day = now.date() - timedelta(days=1)
            if self.balances.evidence_key(day) is not None:
                return None
        rows = self._rows(datetime.combine(day, time(), UTC), {})
        left_open = self._left_open(day, rows)
        unknown, asked, not_asked = self._ask_mesh(rows, time_left)
        # After the rows: what came since has its row already, or is young.
        reckoned = partial(
            balance,
            day,
            receipts=list(self.evidence.receipts(day)),
            received_before=[each.request_id for each in self.evidence.receipts(day - timedelta(days=1))],
            left_open=left_open,
            unmatched=list(self.balances.unmatched(day)),
            unknown_to_mesh=unknown,
            now=now,
            settling=self.patience.stale,
            asked_of_mesh=asked,
            not_asked=not_asked,
            in_the_drop=self.balances.in_the_drop(day),
        )
        made = reckoned(rows=rows.values())
        if doubtful := [each for its in made.mailboxes.values() for each in its.doubtful]:
            # A row that changed its status while it was looked for can have been missed; hardly twice. And a request
            # that was held has a row of its own, maybe of long before.
            own = (self.balances.row(request_id) for request_id in doubtful)
            rows |= {row.message_id: row for row in own if row}
            self._rows(datetime.combine(day, time(), UTC), rows)
            made = reckoned(rows=rows.values())
        key = self.evidence.keep_balance(day, json.dumps(made.as_json(), indent=1).encode())
        self.notifier.tell(self.balances.store(made, key))
        return made

    def _rows(self, since: datetime, rows: dict[str, Row]) -> dict[str, Row]:
        """Add the ledger's rows to those known, and the messages that a held request became, however old.

        One that changed its status meanwhile is read twice and counts once.
        """
        for row in self.balances.rows(since):
            known = rows.get(row.message_id)
            if known is None or known.changed_at <= row.changed_at:
                rows[row.message_id] = row
        for message_id in {each for row in rows.values() for each in row.became} - rows.keys():
            if found := self.balances.row(message_id):
                rows[message_id] = found
        return rows

    def _left_open(self, day: date, rows: dict[str, Row]) -> dict[str, str]:
        """What the balance before left open, and its mailbox; what has moved on since is added to the rows."""
        for back in range(1, LOOKS_BACK + 1):
            if key := self.balances.evidence_key(day - timedelta(days=back)):
                before = json.loads(self.evidence.read_balance(key))
                left = {
                    message_id: mailbox
                    for mailbox, its in before["mailboxes"].items()
                    for message_id in its["open_messages"]
                }
                for message_id in left.keys() - rows.keys():
                    # An index may lag, or the row changed while it was read: the table itself has the last word.
                    if row := self.balances.row(message_id):
                        rows[message_id] = row
                return left
        return {}

    def _ask_mesh(self, rows: dict[str, Row], time_left: Callable[[], bool]) -> tuple[list[Row], int, int]:
        """Ask MESH for what is called sent and unanswered: what it does not know, how many were asked and not asked."""
        long_ago = self.now() - self.patience.uncertain
        sent = sorted(
            (row for row in rows.values() if row.status is Status.SENT and row.changed_at <= long_ago),
            key=lambda row: row.changed_at,
        )
        unknown: list[Row] = []
        asked = 0
        for row in sent[: self.most_asked]:
            if not time_left():
                break
            try:
                known = [self._known_to_mesh(row.mailbox, each) for each in row.mesh_message_ids]
            except (MeshError, CredentialsError):
                continue
            asked += 1
            if known and not any(known):
                unknown.append(row)
        return unknown, asked, len(sent) - asked

    def _known_to_mesh(self, mailbox: str, mesh_message_id: str) -> bool:
        try:
            self.mesh.authorised(mailbox, lambda client: client.tracking(mesh_message_id))
        except Gone:
            return False
        return True
