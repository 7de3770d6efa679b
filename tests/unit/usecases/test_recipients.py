import re
from typing import Any

import pytest

from gpconnect_messaging.conformance.headers import Headers
from gpconnect_messaging.conformance.validation import validate_bytes
from gpconnect_messaging.itk3.compose import envelope
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.usecases import RecipientType
from tests.examples import messages_of, written
from tests.xpath import value

NAME = "online-consultation-1.5-pharmacy"
HANDLING = "//f:extension[@url='RecipientType']/f:valueCoding"


def both() -> tuple[Message, Message]:
    pharmacy, practice = messages_of(NAME)
    return pharmacy, practice


def payload(raw: bytes) -> bytes:
    """The bytes of the payload Bundle within a message."""
    found = re.search(rb"<resource>(<Bundle>.*</Bundle>)</resource>", raw, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.requirement("GPCM-SD-OC-141", "GPCM-SD-OC-142", "GPCM-SD-GE-268", "GPCM-SD-GE-269")
def test_the_care_provider_is_asked_to_act_and_the_registered_practice_is_informed() -> None:
    pharmacy, practice = both()
    assert value(written(pharmacy, NAME), f"{HANDLING}/f:code/@value") == "FA"
    assert value(written(practice, NAME), f"{HANDLING}/f:code/@value") == "FI"
    assert value(written(practice, NAME), f"{HANDLING}/f:display/@value") == "For Information"


@pytest.mark.requirement("FHIR-MR-01")
def test_both_get_the_same_payload_byte_for_byte_under_messages_of_their_own() -> None:
    to_pharmacy, to_practice = (written(message, NAME) for message in both())
    assert payload(to_pharmacy) == payload(to_practice)
    assert to_pharmacy != to_practice
    pharmacy, practice = both()
    assert pharmacy.message_id != practice.message_id
    assert pharmacy.document_id == practice.document_id


@pytest.mark.requirement("GPCM-SD-OC-159", "GPCM-SD-OC-163", "GPCM-SD-GE-286", "GPCM-SD-GE-290")
def test_the_care_provider_is_looked_up_and_the_practice_found_by_the_patient() -> None:
    pharmacy, practice = both()
    assert (envelope(pharmacy).to, envelope(pharmacy).organisation) == ("", "FA565")
    assert (envelope(practice).to, envelope(practice).organisation) == ("GPPROVIDER_9658218881_19210808_LEACH", "")


def test_a_mailbox_that_the_request_names_is_used() -> None:
    pharmacy, _ = messages_of(NAME, care_provider={"ods_code": "FA565", "mailbox": "FA565OT001"})
    assert envelope(pharmacy).to == "FA565OT001"


def test_the_copy_has_the_message_id_that_a_single_message_would_have_had() -> None:
    _, practice = both()
    (alone,) = messages_of(NAME, care_provider=None)
    assert practice.message_id == alone.message_id
    assert alone.recipient.type is RecipientType.FOR_ACTION


def broken(message: Message, name: str) -> list[str]:
    _, findings = validate_bytes(
        written(message, name), Headers.of(envelope(message)), message.specification.version, message.use_case.name
    )
    return [finding.id for finding in findings if finding.is_broken_must]


@pytest.mark.requirement("GPCM-SD-OC-163")
def test_a_short_ods_code_stands_in_for_the_mailbox_that_mesh_will_name() -> None:
    assert not any(broken(message, NAME) for message in messages_of(NAME, care_provider={"ods_code": "X26"}))


@pytest.mark.requirement("GPCM-SD-056", "FHIR-MR-01")
def test_in_2_0_others_are_looked_up_and_the_practice_is_still_found_by_the_patient() -> None:
    name = "consultation-report-2.0"
    others: dict[str, Any] = {"care_provider": {"ods_code": "FA565"}, "copy_to": [{"ods_code": "X26"}]}
    messages = messages_of(name, recipient_type="FI", **others)
    assert [envelope(message).organisation for message in messages] == ["FA565", "", "X26"]
    assert envelope(messages[1]).to.startswith("GPPROVIDER_")
    assert len({payload(written(message, name)) for message in messages}) == 1
    assert {message.recipient.type for message in messages} == {RecipientType.FOR_INFORMATION}
    assert not any(broken(message, name) for message in messages)
    kinds = [message.recipient.type for message in messages_of(name, **others)]
    assert kinds == [RecipientType.FOR_ACTION, RecipientType.FOR_INFORMATION, RecipientType.FOR_INFORMATION]
