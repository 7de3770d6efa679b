"""Which objects of the drop are requests."""

import pytest

from gpconnect_messaging.drop_keys import EVENT_PATTERN, is_request


def announced(key: str) -> bool:
    """Whether EventBridge's pattern matches a key, as its documentation has these two operators."""
    ((_, whole),) = EVENT_PATTERN[0].items()
    ending = EVENT_PATTERN[1]["suffix"]
    assert isinstance(ending, dict)
    return key.lower() == whole or key.lower().endswith(ending["equals-ignore-case"])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("request.json", True),
        ("Request.JSON", True),
        ("2026/11/4711/request.json", True),
        ("2026/11/4711/REQUEST.json", True),
        ("/request.json", True),
        ("referral-request.json", False),
        ("2026/referral-request.json", False),
        ("2026/test-request.json", False),
        ("request.json/report.pdf", False),
        ("request.json.bak", False),
        ("2026/request.jsonl", False),
        ("", False),
    ],
)
def test_a_request_is_named_so_in_any_letter_case_and_nothing_else_is(key: str, expected: bool) -> None:
    assert is_request(key) is expected
    assert announced(key) is expected
