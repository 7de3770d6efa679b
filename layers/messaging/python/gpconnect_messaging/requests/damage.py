"""Finds damage in a text: lost characters, or signs that reverse the direction of reading.

A lost character can hide whether a dose was in mg or in µg; with a direction sign, 50 can read 05.
"""

import re

from gpconnect_messaging.visible import LOST, TURNING

_TURNING = re.compile(f"[{TURNING}]")


def damage(text: str) -> str:
    """Return the damage of a text that a person will read, and what to do; "" without damage."""
    if LOST in text:
        return "holds U+FFFD, the sign for a character that was lost before: write it again from its source"
    if _TURNING.search(text):
        return "holds a sign that changes the direction of reading (U+202A to U+202E, U+2066 to U+2069): remove it"
    return ""
