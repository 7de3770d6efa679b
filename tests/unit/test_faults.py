import pytest
from botocore.exceptions import ClientError

from gpconnect_messaging.safe_errors import describe
from gpconnect_messaging.storage import DropBucket, StorageError
from tests.fakes.faults import aws_error, fail
from tests.fakes.s3 import Bucket

SECRET = "drops/GARTH-WRIGHT-9658218865/report.pdf"


def denied() -> ClientError:
    return aws_error("GetObject", "AccessDenied", f"not authorized on resource arn:aws:s3:::drop/{SECRET}")


def test_an_aws_error_speaks_by_its_code_alone() -> None:
    described = describe(denied())
    assert described["reason"] == "GetObject: AccessDenied"
    assert SECRET not in str(described)


def test_a_library_error_keeps_its_words_to_itself() -> None:
    described = describe(ValueError(f"cannot read {SECRET}"))
    assert described["error"] == "ValueError"
    assert SECRET not in str(described)


def test_our_own_errors_speak() -> None:
    assert describe(StorageError("GetObject: AccessDenied"))["reason"] == "GetObject: AccessDenied"


def test_the_place_is_named_without_values() -> None:
    with pytest.raises(KeyError) as raised:
        dict[str, str]()[SECRET]
    described = describe(raised.value)
    assert "test_faults.py" in described["where"]
    assert SECRET not in str(described)


def test_a_denied_drop_does_not_repeat_the_senders_key() -> None:
    bucket = Bucket()
    fail(bucket, "get_object", denied())
    drop = DropBucket(bucket, "drop")  # type: ignore[arg-type]
    for call in (lambda: drop.find(SECRET), lambda: drop.read(SECRET, "v1", 100)):
        with pytest.raises(StorageError) as raised:
            call()
        assert str(raised.value) == "GetObject: AccessDenied"
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__
