"""The ids of a real run cannot be computed from the request without the deployment's secret."""

import json
from typing import Any
from uuid import UUID, uuid5

from gpconnect_messaging.derived_ids import Identifiers, encounter_key_of
from infra.local.run import LocalRun
from tests.e2e.conftest import DeployedProduct

NAMESPACE = UUID("6d1f8a44-93a5-5f0e-9b1c-2f4a6c1f7b70")
"""What ids were derived with before there was a secret: it is in the published history."""
ELSEWHERE = Identifiers(b"the secret of another deployment, of which an attacker may have one")


def _rows(run: LocalRun) -> list[dict[str, Any]]:
    names = ("message_id", "request_id", "encounter_key", "mailbox", "encounter", "recipient", "version")
    ledger = DeployedProduct(run).ledger
    records = [ledger.find(message.message_id) for message in run.messages()]
    return [{name: getattr(record, name) for name in names} for record in records if record]


def _public_ids(row: dict[str, Any]) -> set[str]:
    """Every id that can be computed of a row's parts without this deployment's secret."""
    mailbox, encounter, recipient = row["mailbox"], row["encounter"], row["recipient"]
    versions = range(1, 10)
    hashed = {
        str(uuid5(NAMESPACE, json.dumps(parts, ensure_ascii=False)))
        for parts in (
            ["encounter", mailbox, encounter],
            *(["message", mailbox, encounter, version, recipient] for version in versions),
            *(["document", mailbox, encounter, version] for version in versions),
        )
    }
    other = ELSEWHERE.of_encounter(mailbox, encounter)
    return hashed | {other.key} | {str(other.message_id(version, recipient)) for version in versions}


def test_no_id_of_a_run_can_be_computed_without_its_secret(run: LocalRun) -> None:
    product = DeployedProduct(run)
    first, second = product.drop(), product.drop("rendered-report")
    for dropped in (first, second):
        product.reaches(dropped, "DELIVERED")
    rows = _rows(run)
    ids = {str(row[name]) for row in rows for name in ("message_id", "request_id", "encounter_key")}
    assert not ids & set().union(*map(_public_ids, rows))
    messages = [row for row in rows if row["version"]]
    assert {first.request_id, second.request_id} <= {row["request_id"] for row in messages}
    for row in messages:
        own = run.identifiers.of_encounter(row["mailbox"], row["encounter"])
        assert row["message_id"] == str(own.message_id(int(row["version"]), row["recipient"]))
        assert row["encounter_key"] == encounter_key_of(row["message_id"]) == own.key


def test_an_encounter_is_found_from_a_message_id_alone(run: LocalRun) -> None:
    product = DeployedProduct(run)
    dropped = product.drop()
    product.reaches(dropped, "DELIVERED")
    message = product.message(dropped)
    (version,) = product.ledger.encounter(encounter_key_of(message.message_id)).versions
    assert version.message_ids == (message.message_id,)
