import pytest

from gpconnect_messaging.ledger.stored_names import NotificationType
from gpconnect_messaging.notifications import write


@pytest.mark.requirement("1.5:GPCM-SD-044", "1.5:GPCM-SD-045")
@pytest.mark.parametrize("kind", NotificationType)
def test_every_notification_says_what_happened_what_to_do_and_where_to_look(kind: NotificationType) -> None:
    subject, body = write(kind, {"message_id": "0364dd6d-4a94-534b-b08c-4a732679864e", "codes": "30002", "empty": ""})
    assert subject.isascii()
    assert len(subject) <= 100
    what, _, todo, *_ = body.split("\n")
    assert what.endswith((".", "kept."))
    assert todo == "What to do:"
    assert "message id: 0364dd6d-4a94-534b-b08c-4a732679864e" in body
    assert "empty" not in body
