"""Refusals for lack of permission, as the emulator words them."""

from pathlib import Path

import pytest

from infra.local.denials import Denial, note, noted

WHO = "arn:aws:sts::123456789012:assumed-role/stack-SenderRole-1/stack-Sender-2"
DYNAMODB = (
    '{"__type":"AccessDeniedException","message":"'
    f"User: {WHO} is not authorized to perform: dynamodb:Query on resource: "
    'arn:aws:dynamodb:eu-west-2:123456789012:table/ledger because no identity-based policy allows the action"}'
)
S3 = (
    f"<Error><Code>AccessDenied</Code><Message>User: {WHO} is not authorized to perform: s3:GetObject on resource: "
    "&quot;arn:aws:s3:::outbox/messages/1.xml&quot; because no identity-based policy allows it</Message></Error>"
)
S3_UNNAMED = f"<Message>User: {WHO} is not authorized to perform: s3:ListBucket because no policy allows it</Message>"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, DYNAMODB, Denial(WHO, "dynamodb:Query", "arn:aws:dynamodb:eu-west-2:123456789012:table/ledger")),
        (403, S3, Denial(WHO, "s3:GetObject", "arn:aws:s3:::outbox")),
        (403, S3_UNNAMED, Denial(WHO, "s3:ListBucket", "")),
    ],
)
def test_a_denial_is_read_without_the_objects_key(status: int, body: str, expected: Denial) -> None:
    assert Denial.in_answer(status, body.encode()) == expected


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, DYNAMODB), (403, "<Code>SignatureDoesNotMatch</Code>"), (400, '{"__type": "Validation"}')],
)
def test_anything_else_is_no_denial(status: int, body: str) -> None:
    assert Denial.in_answer(status, body.encode()) is None


def test_a_person_reads_which_role_lacks_what() -> None:
    said = str(Denial(WHO, "s3:GetObject", "arn:aws:s3:::outbox"))
    assert said == "stack-SenderRole-1 / stack-Sender-2 may not s3:GetObject on arn:aws:s3:::outbox"


def test_each_denial_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "denials.jsonl"
    first, second = Denial(WHO, "s3:GetObject", ""), Denial(WHO, "sqs:SendMessage", "")
    for denial in (first, second, first):
        note(denial, file)
    assert noted(file) == [first, second]
    assert noted(file, after=1) == [second, first]
    assert {denial.role for denial in noted(file)} == {"stack-SenderRole-1"}
    assert noted(tmp_path / "none") == []
