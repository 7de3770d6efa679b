"""What has happened to a text before it came: characters were lost, or signs in it turn its letters round.

Of a lost character nobody can know whether the dose was in mg or in µg; with a sign of direction, 50 can read 05.
"""

import re

from gpconnect_messaging.visible import LOST, TURNING

_TURNING = re.compile(f"[{TURNING}]")


def damage(text: str) -> str:
    """Say what is wrong with a text that a person is to read, and what to do; "" where nothing is."""
    if LOST in text:
        return "holds U+FFFD, the sign for a character that was lost before: write it again from its source"
    if _TURNING.search(text):
        return "holds a sign that changes the direction of reading (U+202A to U+202E, U+2066 to U+2069): remove it"
    return ""
