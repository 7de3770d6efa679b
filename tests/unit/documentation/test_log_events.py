"""The log events that the documents name are those that the functions write."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
_DOCUMENTED = re.compile(r"`([a-z]+\.[a-z_]+)`")
_WRITTEN = re.compile(
    r'"((?:request|message|task|pds|inbox|work|drop|balance|notification|canary|part|measurement)\.[a-z_]+)"'
)
STATUSES = {"message.sent", "message.built", "request.invalid"}
"""Examples in the text of the events that are named after a status."""


def test_the_documents_name_every_log_event_and_no_other() -> None:
    text = (ROOT / "docs" / "watching.md").read_text().partition("## Log events")[2].partition("\n## ")[0]
    written = {
        name
        for handler in sorted((ROOT / "functions").glob("*/handler.py"))
        for name in _WRITTEN.findall(handler.read_text())
    }
    assert len(written) > 10
    assert set(_DOCUMENTED.findall(text)) - STATUSES == written


def test_every_log_line_of_the_functions_has_an_event_name() -> None:
    for handler in sorted((ROOT / "functions").glob("*/handler.py")):
        calls = re.findall(r"logger\.(?:info|warning|error)\((.*?)\n(?! {12,})", handler.read_text(), re.DOTALL)
        assert calls
        assert [call for call in calls if "event_name=" not in call] == []
