"""Read the times in AWS's answers with Python's own parser, where it can.

botocore's default takes most of the time of reading a list of a thousand objects, which the poller does very often.
Source: botocore, `parsers.ResponseParserFactory.set_parser_defaults`.
"""

from datetime import datetime
from typing import Any

import botocore.session
from botocore.utils import parse_timestamp


def read_time(value: Any) -> datetime:
    """Read a time in any form of AWS. Raises ValueError."""
    if isinstance(value, str) and value.endswith("Z") and "T" in value:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    return parse_timestamp(value)


def session() -> botocore.session.Session:
    """Create a session whose clients read times so."""
    created = botocore.session.get_session()
    created.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_time)
    return created
