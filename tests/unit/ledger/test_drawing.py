"""The drawn lifecycle: it shows every status, and nothing closed flips in silence."""

import pytest

from gpconnect_messaging.ledger.notification_rules import notifications_due
from gpconnect_messaging.ledger.status_rules import RULES
from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from infra.documentation.from_lifecycle import transitions

CLOSED = {
    Status.INVALID, Status.NOT_REQUIRED, Status.RELEASED, Status.SUPERSEDED, Status.WITHDRAWN, Status.REFUSED,
    Status.UNDELIVERED, Status.DELIVERED, Status.REJECTED,
}  # fmt: skip

SAY_SO = {
    NotificationType.CONTRADICTION,
    NotificationType.VOIDED,
    NotificationType.SENT_ALTHOUGH_WITHDRAWN,
    NotificationType.SENT_ALTHOUGH_GIVEN_UP,
}
BY_A_PERSON = "a person orders a re-send"


def test_every_status_can_be_reached() -> None:
    assert {each.after for each in transitions()} == set(Status)


def test_every_rule_says_who_says_so_and_what_an_operator_does() -> None:
    assert all(rule.source and rule.reason and rule.action for rule in RULES)


@pytest.mark.requirement("1.5:GPCM-SD-044")
def test_whatever_leaves_a_closed_status_is_told() -> None:
    left = 0
    for transition, histories in transitions().items():
        for before, after in histories:
            if before is not None and transition.before in CLOSED and transition.words != BY_A_PERSON:
                left += 1
                assert notifications_due(after) & SAY_SO, transition
    assert left > 10
