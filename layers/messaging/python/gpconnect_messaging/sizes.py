"""Lengths in bytes, in words for a person."""


def in_megabytes(count: int) -> str:
    """Write a number of bytes as megabytes, and exactly: `1.05 MB (1,048,576 bytes)`."""
    return f"{count / 1_000_000:.2f} MB ({count:,} bytes)"
