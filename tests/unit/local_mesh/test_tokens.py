"""A token works once, and only near the time that it names."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.local.mesh.tokens import TokenRegister, is_current

NOW = datetime(2026, 1, 2, 12, 30, 30, tzinfo=UTC)


def test_a_token_is_new_once() -> None:
    register = TokenRegister()

    assert register.first_use("NHSMESH a", NOW)
    assert not register.first_use(" NHSMESH a ", NOW)
    assert register.first_use("NHSMESH b", NOW)


def test_tokens_too_old_to_be_accepted_are_forgotten() -> None:
    register = TokenRegister(remember_seconds=60)
    register.first_use("NHSMESH a", NOW)

    register.first_use("NHSMESH b", NOW + timedelta(seconds=61))

    assert register.first_use("NHSMESH a", NOW + timedelta(seconds=61))


@pytest.mark.parametrize(
    ("timestamp", "current"),
    [
        ("202601021230", True),
        ("202601021030", True),
        ("202601021429", True),
        ("202601021029", False),
        ("202601021431", False),
        ("20260102123", False),
        ("202613021230", False),
        ("tomorrow-ish", False),
    ],
)
def test_a_timestamp_is_current_within_two_hours(timestamp: str, current: bool) -> None:
    assert is_current(timestamp, NOW, 7200) is current
