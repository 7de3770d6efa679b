"""Guards the secret that the ledger's ids are derived with: another secret would make every repeat a new message."""

from gpconnect_messaging.conflicts import tries
from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.ledger.table import LedgerTable

_KEY = ("DEPLOYMENT", "IDENTIFIERS")


class WrongSecretError(Exception):
    """The ledger's ids were derived with another secret: restore that one (docs/deploy.md)."""


class DerivationGuard(LedgerTable):
    """Compares the secret in use with the first secret that the table was used with."""

    def fingerprint(self) -> str | None:
        """Return the fingerprint of the first secret that the table was used with; None for an unused table."""
        known = self._get(*_KEY)
        return str(known["fingerprint"]) if known else None

    def check(self, identifiers: Identifiers) -> None:
        """Record the secret's fingerprint where the table has none. Raises WrongSecretError for another secret."""
        pk, sk = _KEY
        for _ in tries():
            if known := self._get(pk, sk):
                break
            item = {"pk": pk, "sk": sk, "fingerprint": identifiers.fingerprint}
            if self._write([self._put(item, "attribute_not_exists(pk)")]):
                return
        if not known or known["fingerprint"] != identifiers.fingerprint:
            raise WrongSecretError(
                "the ledger's ids were derived with another secret than the one that IDENTIFIERS_SECRET names: restore "
                "that secret; with this one every repeated request would become a new message"
            )
