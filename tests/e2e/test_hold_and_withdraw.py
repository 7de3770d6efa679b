"""The hold window and a deleted consultation, through what is deployed; the mailbox's window is four seconds."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpcm.dropping import Dropped
from infra.local.ledger import Message
from infra.local.run import LocalRun
from tests.e2e.conftest import DeployedProduct
from tests.examples import request_data

HELD: dict[str, Any] = {"mailbox": "Y90001OT002"}


def ahead() -> str:
    """The time of a clock that is a little fast: it leaves a slow machine time to see a request while it is held."""
    return (datetime.now(UTC) + timedelta(seconds=10)).isoformat()


@pytest.fixture(scope="module", autouse=True)
def _awake(run: LocalRun) -> None:
    """A builder that has to start first could find the window over."""
    product = DeployedProduct(run)
    becomes(product, product.drop(clinically_relevant=False), "NOT_REQUIRED")


def own_row(product: DeployedProduct, dropped: Dropped) -> Message:
    """A request's own row, and not those of the messages that it became."""
    (found,) = (message for message in product.run.messages_of(dropped) if message.message_id == dropped.request_id)
    return found


def becomes(product: DeployedProduct, dropped: Dropped, status: str) -> Message:
    def there() -> bool:
        found = product.run.messages_of(dropped)
        return any(message.message_id == dropped.request_id and message.status == status for message in found)

    product.wait(there)
    return own_row(product, dropped)


def released_as(product: DeployedProduct, row: Message) -> Message:
    (message_id,) = next(event.details["message_ids"] for event in row.events if event.kind == "released")
    (found,) = (message for message in product.run.messages_of(row.request_id) if message.message_id == message_id)
    return found


def delivered(product: DeployedProduct, row: Message) -> Message:
    product.wait(lambda: released_as(product, row).status == "DELIVERED")
    return released_as(product, row)


def overwrite(product: DeployedProduct, dropped: Dropped) -> None:
    """Write something else over the document of a request: what was checked is sent all the same."""
    key, bucket = dropped.key.replace("request.json", "report.pdf"), product.run.outputs["DropBucketName"]
    product.run.session.client("s3").put_object(Bucket=bucket, Key=key, Body=b"not a PDF at all")


def withdraw(product: DeployedProduct, encounter: str) -> Dropped:
    wanted = {"kind": "withdraw", "mailbox": HELD["mailbox"], "encounter": encounter, "deleted": ahead()}
    return product.run.drop_request(wanted, {})


@pytest.mark.requirement("GPCM-SD-CS-075", "GPCM-SD-CS-076")
def test_only_the_newest_of_a_window_is_sent_and_the_next_is_the_next_version(product: DeployedProduct) -> None:
    encounter = str(uuid.uuid4())
    first = product.drop(**HELD, encounter=encounter, consultation__updated=ahead())
    becomes(product, first, "HELD")
    second = product.drop(**HELD, encounter=encounter, consultation__updated=ahead())
    superseded = becomes(product, first, "SUPERSEDED")
    assert superseded.events[-1].details["by_request_id"] == second.request_id
    overwrite(product, second)
    message = delivered(product, becomes(product, second, "RELEASED"))
    assert message.item["version"] == 1
    held, built = own_row(product, second).events[0], message.events[0]
    assert (built.at - held.at).total_seconds() > 6, "its window was over"
    third = becomes(product, product.drop(**HELD, encounter=encounter, consultation__updated=ahead()), "RELEASED")
    assert delivered(product, third).item["version"] == 2
    sent = [
        message
        for message in product.run.messages()
        if message.item["encounter"] == encounter and message.item["version"]
    ]
    assert len(sent) == 2
    assert all(len(product.uploads(message)) == 1 for message in sent)


@pytest.mark.requirement("GPCM-SD-CS-077")
def test_a_withdrawal_stops_what_is_held_and_warns_of_what_was_sent(product: DeployedProduct) -> None:
    encounter = str(uuid.uuid4())
    message = delivered(
        product, becomes(product, product.drop(**HELD, encounter=encounter, consultation__updated=ahead()), "RELEASED")
    )
    held = product.drop(**HELD, encounter=encounter, consultation__updated=ahead())
    becomes(product, held, "HELD")
    withdrawal = becomes(product, withdraw(product, encounter), "TELL_PRACTICE")
    assert own_row(product, held).status == "WITHDRAWN"
    details = withdrawal.events[-1].details
    assert (details["stopped"], details["sent"]) == ([held.request_id], [message.message_id])
    warning = product.run.session.client("s3").get_object(
        Bucket=product.run.outputs["EvidenceBucketName"], Key=details["warning_key"]
    )["Body"].read().decode()  # fmt: skip
    patient = request_data()["patient"]
    for told in (patient["nhs_number"], patient["name"]["family"], "20 November 2026", "A20047"):
        assert told in warning


@pytest.mark.requirement("GPCM-SD-CS-071")
def test_a_patient_of_the_senders_own_gets_no_message(product: DeployedProduct) -> None:
    dropped = product.drop(registered_practice={"ods_code": "Y90001"})
    assert [event.kind for event in becomes(product, dropped, "NOT_REQUIRED").events] == ["not required"]
