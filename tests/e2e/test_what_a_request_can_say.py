"""What a request can say beyond the report itself, through what is deployed: each ends DELIVERED."""

import uuid
from typing import Any

import pytest

from tests.e2e.conftest import DeployedProduct
from tests.e2e.test_statuses import notifications
from tests.examples import request_data

ADDRESS = {"lines": ["Flat 2", "9 Visiting Street"], "city": "Hull", "postcode": "HU5 2QB"}
LETTER = {"code": "823691000000103", "display": "Clinical letter"}
SAID: dict[str, tuple[dict[str, Any], list[str]]] = {
    "for information": ({"recipient_type": "FI"}, ['<code value="FI"/>']),
    "for action": ({"recipient_type": "FA"}, ['<code value="FA"/>']),
    "for the attention of": ({"attention": "Dr Amin"}, ["<p>Dr Amin</p>"]),
    "a hospital number": (
        {"patient__identifiers": [{"system": "https://fhir.leedsth.nhs.uk/Id/patient", "value": "H1"}]},
        ['<system value="https://fhir.leedsth.nhs.uk/Id/patient"/><value value="H1"/>'],
    ),
    "a death": ({"patient__death_date": "2026-11-20"}, ['<deceasedDateTime value="2026-11-20"/>']),
    "that the patient has died": ({"patient__deceased": True}, ['<deceasedBoolean value="true"/>']),
    "one name": (
        {"patient__nhs_number_status": "01", "patient__name": {"family": "WRIGHT", "given": []}},
        ['<family value="WRIGHT"/></name>'],
    ),
    "a mobile": ({"patient__mobile": "07700 900106"}, ['<value value="07700 900106"/><use value="mobile"/>']),
    "where to ring now": (
        {"patient__current_phone": "01632 960106"}, ['<value value="01632 960106"/><use value="temp"/>']
    ),
    "a temporary address": (
        {"patient__current_address": ADDRESS, "patient__current_until": "2026-12-24"},
        ['<address><use value="temp"/>', '<period><end value="2026-12-24"/></period>'],
    ),
    "a title and a type": (
        {"title": "Advice", "document_type": LETTER}, ['<title value="Advice"/>', '<code value="823691000000103"/>']
    ),
    "no care setting": ({"care_setting": None}, []),
}  # fmt: skip


@pytest.mark.parametrize("said", SAID)
def test_what_a_request_says_is_in_the_message_and_delivered(product: DeployedProduct, said: str) -> None:
    changes, expected = SAID[said]
    message = product.reaches(product.drop(**changes), "DELIVERED")
    sent = product.sent(message).decode()
    assert [words for words in expected if words not in sent] == []


def test_in_2_0_others_get_it_too_by_lookup_and_the_practice_by_the_patient(product: DeployedProduct) -> None:
    request = request_data("consultation-report-2.0-for-information", encounter=str(uuid.uuid4()))
    dropped = product.run.drop_request(request, {})

    def found() -> dict[str, str]:
        return {str(message.item["recipient"]): message.status for message in product.run.messages_of(dropped)}

    product.wait(lambda: set(found().values()) == {"DELIVERED"} and len(found()) == 2)
    to = {stored["to"] for message in product.run.messages_of(dropped) for stored in product.uploads(message)}
    assert to == {"A20047OT001", "FA565OT001"}
    for message in product.run.messages_of(dropped):
        assert notifications(product, f"MESSAGE#{message.message_id}") == []


def test_a_replacement_of_2_0_says_its_version_in_meta(product: DeployedProduct) -> None:
    encounter = str(uuid.uuid4())
    versions = [product.reaches(product.drop(encounter=encounter), "DELIVERED") for _ in range(2)]
    first, second = (product.sent(message).decode() for message in versions)
    assert "versionId" not in first
    assert second.count('<meta><versionId value="2"/>') == 2
