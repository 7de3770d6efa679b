"""A document for another care provider, through what is deployed: looked up, sent, and copied to the practice."""

import uuid
from typing import Any

import pytest

from gpcm.dropping import Dropped
from infra.local.ledger import Message
from tests.e2e.conftest import DeployedProduct
from tests.e2e.test_statuses import notifications
from tests.examples import REQUESTS, request_data

NAME = "online-consultation-1.5-pharmacy"


def drop(product: DeployedProduct, **changes: Any) -> Dropped:
    files = {file.name: file.read_bytes() for file in (REQUESTS / NAME).iterdir() if file.name != "request.json"}
    request = request_data(NAME, encounter=str(uuid.uuid4()), **changes)
    return product.run.drop_request(request, files)


def the_two(product: DeployedProduct, dropped: Dropped, *statuses: str) -> tuple[Message, Message]:
    """The messages of a request, to the care provider and to the practice, once they have these statuses."""

    def found() -> dict[str, Message]:
        return {str(message.item["recipient"]): message for message in product.run.messages_of(dropped)}

    product.wait(lambda: [message.status for _, message in sorted(found().items())] == list(statuses))
    (_, provider), (_, practice) = sorted(found().items())
    return provider, practice


@pytest.mark.requirement("GPCM-SD-OC-159", "GPCM-SD-OC-141", "GPCM-SD-OC-142")
def test_the_pharmacy_gets_it_for_action_and_the_practice_a_copy(product: DeployedProduct) -> None:
    dropped = drop(product)
    pharmacy, practice = the_two(product, dropped, "DELIVERED", "DELIVERED")
    (to_pharmacy,), (to_practice,) = product.uploads(pharmacy), product.uploads(practice)
    assert to_pharmacy["to"] == "FA565OT001"
    assert to_practice["to"] == "A20047OT001"
    for message in (pharmacy, practice):
        assert notifications(product, f"MESSAGE#{message.message_id}") == []


def test_an_organisation_with_two_mailboxes_is_a_persons_to_decide(product: DeployedProduct) -> None:
    dropped = drop(product, care_provider={"ods_code": "Y90004"})
    provider, practice = the_two(product, dropped, "REFUSED", "DELIVERED")
    assert product.uploads(provider) == []
    assert notifications(product, f"MESSAGE#{provider.message_id}") == ["unresolved"]
    assert notifications(product, f"MESSAGE#{practice.message_id}") == []
