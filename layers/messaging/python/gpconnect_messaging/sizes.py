"""Lengths in bytes: limits, and words for a person."""

MOST_MEMBERS = 100
"""Limit for a gzip stream: every member costs a copy of the rest."""


def in_megabytes(count: int) -> str:
    """Write a number of bytes as megabytes, and exactly: `1.05 MB (1,048,576 bytes)`."""
    return f"{count / 1_000_000:.2f} MB ({count:,} bytes)"
