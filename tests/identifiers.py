"""The one secret that ids are derived with in tests."""

from gpconnect_messaging.derived_ids import EncounterIdentifiers, Identifiers

SECRET = "a secret for tests, which derives no id of a deployment"
IDENTIFIERS = Identifiers(SECRET.encode())


def ids_of(mailbox: str, encounter: str) -> EncounterIdentifiers:
    """What derives an encounter's ids."""
    return IDENTIFIERS.of_encounter(mailbox, encounter)


def key_of(mailbox: str, encounter: str) -> str:
    """The ledger's key of an encounter."""
    return ids_of(mailbox, encounter).key
