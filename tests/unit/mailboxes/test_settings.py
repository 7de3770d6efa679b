import json

import pytest

from gpconnect_messaging.mailboxes.settings import MailboxSettings, MailboxSettingsError
from gpconnect_messaging.specification import WITHDRAWN_DEFINITION, Version
from gpconnect_messaging.specification.birth_date import BirthDateFormat

GIVEN = {"mailbox": "Y90001OT001", "ods_code": "Y90001"}


def test_a_mailbox_follows_the_specification_in_force_unless_told_otherwise() -> None:
    settings = MailboxSettings.from_json(json.dumps(GIVEN))
    assert settings.specification is Version.V2_0
    assert settings.birth_date_format is BirthDateFormat.YEAR_FIRST
    assert settings.specification_rules.workflow_id == "GPCONNECT_SEND_DOCUMENT"


def test_document_types_that_were_approved_for_a_sender_are_a_setting() -> None:
    settings = MailboxSettings.from_json(json.dumps(GIVEN | {"document_types": ["861421000000109"]}))
    assert settings.document_types == ("861421000000109",)


def test_every_setting_can_be_given() -> None:
    given = GIVEN | {
        "specification": "1.5",
        "birth_date_format": "DDMMYYYY",
        "message_definition": WITHDRAWN_DEFINITION,
        "max_message_bytes": 1000,
        "report_page": "a4",
        "care_setting": "789718008 Cardiology service",
        "infrastructure_acknowledgement_seconds": 60,
        "business_acknowledgement_seconds": 120,
    }
    settings = MailboxSettings.from_json(json.dumps(given))
    assert {name: getattr(settings, name) for name in given} == given
    assert settings.specification_rules.workflow_id == "GPFED_CONSULT_REPORT"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        (json.dumps({"mailbox": "Y90001OT001"}), "missing ods_code"),
        (json.dumps(GIVEN | {"specification": "3.0"}), "specification: must be one of 1.5, 2.0"),
        (json.dumps(GIVEN | {"birth_date_format": "MMDDYYYY"}), "birth_date_format: must be one of YYYYMMDD, DDMMYYYY"),
        (json.dumps(GIVEN | {"report_page": "a3"}), "report_page: must be one of letter, a4"),
        (json.dumps(GIVEN | {"max_message_bytes": "5 MB"}), "max_message_bytes: must be a whole number of at least 1"),
        (json.dumps(GIVEN | {"business_acknowledgement_seconds": True}), "must be a whole number of at least 1"),
        (json.dumps(GIVEN | {"document_types": ["373942006"]}), "must be a list of SNOMED CT concept ids"),
        (json.dumps(GIVEN | {"document_types": "373942005"}), "must be a list of SNOMED CT concept ids"),
        (
            json.dumps(GIVEN | {"care_setting": "789718008 "}),
            "care_setting: must be a SNOMED CT concept id, a blank and",
        ),
        (json.dumps(GIVEN | {"colour": "blue"}), "unknown field(s) colour"),
    ],
)
def test_a_wrong_parameter_is_named(text: str, problem: str) -> None:
    with pytest.raises(MailboxSettingsError) as error:
        MailboxSettings.from_json(text)
    assert problem in str(error.value)
