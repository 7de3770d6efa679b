"""Times in AWS's answers are read as botocore reads them, and faster."""

from typing import Any

import boto3
import pytest
from botocore.utils import parse_timestamp

from gpconnect_messaging import wiring
from gpconnect_messaging.fast_times import read_time


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22T10:00:00.000Z",
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.123456+01:00",
        "Sun, 22 Nov 2026 10:00:00 GMT",
        "1795435200",
        1795435200,
        1795435200.5,
    ],
)
def test_a_time_is_the_one_that_botocore_reads(value: Any) -> None:
    assert read_time(value) == parse_timestamp(value)


@pytest.mark.parametrize("value", ["yesterTdayZ", "", None])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        read_time(value)


def test_the_functions_clients_read_times_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    wiring._client.cache_clear()
    client: Any = wiring._client("s3")
    wiring._client.cache_clear()
    parser = client._endpoint._response_parser_factory.create_parser("rest-xml")
    assert parser._timestamp_parser is read_time
