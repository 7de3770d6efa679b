"""Ids stay the same for ever, differ where anything differs, and say nothing to anybody without the secret."""

import json
from uuid import RFC_4122, UUID, uuid5

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gpconnect_messaging.derived_ids import (
    SHORTEST_SECRET,
    EncounterIdentifiers,
    Identifiers,
    ShortSecretError,
    encounter_key_of,
    request_again_id,
    resource_id,
)

IDENTIFIERS = Identifiers(b"a secret of thirty-two bytes, no less")
OTHERS = Identifiers(b"another secret of thirty-two bytes, too")
ENCOUNTER = IDENTIFIERS.of_encounter("Y90001OT001", "encounter-1")

# Half a surrogate pair is no character, but a response in JSON can quote one as its SenderReference.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
SECRETS = st.binary(min_size=SHORTEST_SECRET, max_size=80)
ENCOUNTERS = st.builds(EncounterIdentifiers, st.builds(Identifiers, SECRETS), TEXTS, TEXTS)
VERSIONS = st.integers(min_value=1, max_value=10_000)

KNOWN = {
    "message": "429e1098-3057-822b-ab22-e5927852df51",
    "version 2": "2c48a805-60c1-822b-ab22-e5927852df51",
    "copy": "b1e226bb-1889-822b-ab22-e5927852df51",
    "document": "e9ab05b6-ada1-822b-ab22-e5927852df51",
    "encounter": "822b-ab22-e5927852df51",
    "dropped": "8e46485f-a07d-803d-a6ee-1466fcbadd94",
    "queued": "3304fd48-9052-8a26-94c2-a09f71bd1c48",
    "again": "38a5402e-38be-590d-861a-e64781af0e7b",
    "fingerprint": "dca3092095ef32b0",
}


def test_ids_are_derived_and_stay_the_same_for_ever() -> None:
    """A change here would resend every message under a new id."""
    assert {
        "message": str(ENCOUNTER.message_id(1)),
        "version 2": str(ENCOUNTER.message_id(2)),
        "copy": str(ENCOUNTER.message_id(1, "A20047")),
        "document": str(ENCOUNTER.document_id(1)),
        "encounter": ENCOUNTER.key,
        "dropped": str(IDENTIFIERS.dropped_request_id("drop", "folder/request.json", "v1")),
        "queued": str(IDENTIFIERS.queued_request_id(b"{}")),
        "again": str(request_again_id("5a4e0a52-0f0a-8a4a-9c1e-3a3c1d1f0b11")),
        "fingerprint": IDENTIFIERS.fingerprint[:16],
    } == KNOWN


@given(ENCOUNTERS, VERSIONS, TEXTS)
def test_message_and_document_ids_carry_the_key_of_their_encounter(
    encounter: EncounterIdentifiers, version: int, recipient: str
) -> None:
    for id_ in (encounter.message_id(version, recipient), encounter.document_id(version)):
        assert encounter_key_of(id_) == encounter_key_of(str(id_)) == encounter.key


@given(ENCOUNTERS, VERSIONS, TEXTS, st.binary())
def test_all_ids_are_uuids_of_version_8(
    encounter: EncounterIdentifiers, version: int, recipient: str, raw: bytes
) -> None:
    identifiers = encounter.identifiers
    for id_ in (
        encounter.message_id(version, recipient),
        encounter.document_id(version),
        identifiers.dropped_request_id(encounter.mailbox, encounter.encounter, recipient),
        identifiers.queued_request_id(raw),
    ):
        assert (id_.version, id_.variant) == (8, RFC_4122)
        assert UUID(str(id_)) == id_


@given(ENCOUNTERS, VERSIONS, TEXTS)
def test_the_same_parts_give_the_same_id(encounter: EncounterIdentifiers, version: int, recipient: str) -> None:
    again = Identifiers(bytes(encounter.identifiers.secret)).of_encounter(encounter.mailbox, encounter.encounter)
    assert again.message_id(version, recipient) == encounter.message_id(version, recipient)
    assert again.document_id(version) == encounter.document_id(version)


@given(st.lists(st.tuples(TEXTS, TEXTS, VERSIONS, TEXTS), min_size=2, max_size=8, unique=True))
def test_no_two_lists_of_parts_give_one_id(parts: list[tuple[str, str, int, str]]) -> None:
    messages = {
        IDENTIFIERS.of_encounter(mailbox, name).message_id(version, recipient)
        for mailbox, name, version, recipient in parts
    }
    assert len(messages) == len(parts)
    encounters = {(mailbox, name) for mailbox, name, *_ in parts}
    assert len({IDENTIFIERS.of_encounter(*parts).key for parts in encounters}) == len(encounters)


def test_different_messages_have_different_ids() -> None:
    """A part is not mistaken for the end of the one before it, nor one kind of id for another."""
    assert IDENTIFIERS.of_encounter("ab", "c").message_id(1) != IDENTIFIERS.of_encounter("a", "bc").message_id(1)
    assert IDENTIFIERS.dropped_request_id("a", "b/c", "") != IDENTIFIERS.dropped_request_id("a", "b", "/c")
    assert ENCOUNTER.message_id(1) != ENCOUNTER.document_id(1)
    assert ENCOUNTER.message_id(1) != ENCOUNTER.message_id(1, "A20047")
    assert request_again_id(str(ENCOUNTER.message_id(1))) != request_again_id(str(ENCOUNTER.message_id(2)))
    assert resource_id(ENCOUNTER.document_id(1), "Patient") != resource_id(ENCOUNTER.document_id(1), "Composition")


def test_versions_of_an_encounter_differ_in_their_first_eight_characters() -> None:
    """By these operators name a message."""
    beginnings = {str(ENCOUNTER.message_id(version))[:8] for version in range(1, 200)}
    assert len(beginnings) == 199


@given(SECRETS, SECRETS, TEXTS, TEXTS, VERSIONS)
def test_two_secrets_give_ids_that_have_nothing_in_common(
    one: bytes, other: bytes, mailbox: str, name: str, version: int
) -> None:
    # HMAC fills a short key up with zeros, so that one that only adds some is the same key.
    assume(one.ljust(80, b"\0") != other.ljust(80, b"\0"))
    first, second = (Identifiers(secret).of_encounter(mailbox, name) for secret in (one, other))
    ids = [str(encounter.message_id(version)) for encounter in (first, second)]
    assert ids[0][:8] != ids[1][:8]
    assert first.key != second.key
    assert first.identifiers.fingerprint != second.identifiers.fingerprint


def test_nothing_that_is_published_computes_an_id_without_the_secret() -> None:
    """What everybody could do until now: hash the parts with the namespace of the source."""
    namespace = UUID("6d1f8a44-93a5-5f0e-9b1c-2f4a6c1f7b70")
    parts = ["message", "Y90001OT001", "encounter-1", 1, "registered-practice"]
    known_to_all = uuid5(namespace, json.dumps(parts))
    elsewhere = OTHERS.of_encounter("Y90001OT001", "encounter-1")
    assert len({known_to_all, ENCOUNTER.message_id(1), elsewhere.message_id(1)}) == 3
    assert elsewhere.key != ENCOUNTER.key


def test_neither_the_secret_nor_the_encounter_shows_itself() -> None:
    encounter = IDENTIFIERS.of_encounter("Y90001OT001", "WRIGHT-19331114")
    assert "secret of" not in repr(encounter) + str(IDENTIFIERS)
    assert "WRIGHT" not in repr(encounter) + encounter.key
    assert encounter.key not in IDENTIFIERS.fingerprint


@pytest.mark.parametrize("secret", [b"", b"short", b"x" * (SHORTEST_SECRET - 1)])
def test_a_secret_that_can_be_guessed_is_refused(secret: bytes) -> None:
    with pytest.raises(ShortSecretError, match="shorter than 32 bytes") as caught:
        Identifiers(secret)
    assert "xx" not in str(caught.value)
