from datetime import timedelta

import pytest

from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.settings import BuilderSettings, SenderSettings, SettingsError

BUILDER = {
    "LEDGER_TABLE": "ledger",
    "NOTICES_TOPIC_ARN": "arn",
    "MAILBOX_PARAMETERS": "/mailboxes",
    "NHS_NUMBERS": "test",
    "IDENTIFIERS_SECRET": "identifiers",
    "DROP_BUCKET": "drop",
    "OUTBOX_BUCKET": "outbox",
    "EVIDENCE_BUCKET": "evidence",
    "SEND_QUEUE_URL": "https://queue",
    "INTAKE_QUEUE_URL": "https://queues/intake",
    "UNRELATED": "is ignored",
}
SENDER = {
    "LEDGER_TABLE": "ledger",
    "NOTICES_TOPIC_ARN": "arn",
    "OUTBOX_BUCKET": "outbox",
    "MESH_URL": "https://mesh.example",
    "MAILBOX_SECRETS": "mailboxes",
    "MESH_SECRET": "mesh",
}


def test_the_environment_is_read_into_types() -> None:
    settings = BuilderSettings.from_environment(BUILDER | {"STALE_SECONDS": "15"})
    assert settings.nhs_numbers is NumberRange.TEST
    assert settings.timeouts.requeue_after == timedelta(seconds=15)
    assert settings.timeouts.resolve_after == timedelta(seconds=900)


@pytest.mark.parametrize("name", [name for name in BUILDER if name != "UNRELATED"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_variable_is_named(name: str, value: str | None) -> None:
    environment = BUILDER | ({name: value} if value is not None else {})
    if value is None:
        del environment[name]
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        BuilderSettings.from_environment(environment)


@pytest.mark.parametrize(
    ("name", "value"), [("LEASE_SECONDS", "0"), ("LEASE_SECONDS", "soon"), ("STALE_SECONDS", "-1")]
)
def test_a_wrong_number_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} must be a whole number above 0$"):
        SenderSettings.from_environment(SENDER | {name: value})


def test_only_test_and_live_numbers_exist() -> None:
    with pytest.raises(SettingsError, match=r"^NHS_NUMBERS must be one of test, live$"):
        BuilderSettings.from_environment(BUILDER | {"NHS_NUMBERS": "both"})


def test_active_content_is_refused_unless_the_environment_allows_it() -> None:
    assert not BuilderSettings.from_environment(BUILDER).allow_active
    assert BuilderSettings.from_environment(BUILDER | {"ACTIVE_CONTENT": "allow"}).allow_active
    with pytest.raises(SettingsError, match=r"^ACTIVE_CONTENT must be refuse or allow$"):
        _ = BuilderSettings.from_environment(BUILDER | {"ACTIVE_CONTENT": "maybe"}).allow_active
