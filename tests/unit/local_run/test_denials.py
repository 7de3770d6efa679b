"""Refusals for lack of permission."""

from pathlib import Path

import pytest

from infra.local.denials import Denial, note, noted

WHO = "arn:aws:sts::123456789012:assumed-role/stack-SenderRole-1/stack-Sender-2"


@pytest.mark.parametrize(
    ("resource", "kept"),
    [
        ("arn:aws:s3:::outbox/messages/1.xml", "arn:aws:s3:::outbox"),
        ("arn:aws:s3:::outbox", "arn:aws:s3:::outbox"),
        (
            "arn:aws:dynamodb:eu-west-2:123456789012:table/ledger",
            "arn:aws:dynamodb:eu-west-2:123456789012:table/ledger",
        ),
    ],
)
def test_a_denial_is_kept_without_the_objects_key(resource: str, kept: str) -> None:
    assert Denial.of(WHO, "any:Action", resource) == Denial(WHO, "any:Action", kept)


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
