"""Cuts a message into the requests that carry it. Source: MESH API description, "Send chunked message".

MESH takes 100 MB in one request and 20 GB in all. A message that fits goes in one request, because not every
recipient's system can join chunks. A larger one goes in separately gzip'd chunks, small enough that a run that is out
of time loses little. Every chunk but the last must be over 5 MB after compression.
"""

from dataclasses import dataclass

LARGEST_WHOLE = 99_000_000
"""The longest message, in bytes before compression, that goes in one request: gzip may add a part in a thousand."""

CHUNK_BYTES = 20_000_000
"""Length of every chunk but the last, before compression."""

SMALLEST_CHUNK = 5 * 1024 * 1024 + 1
"""Shortest chunk before the last, after compression: more than 5 MB however a megabyte is counted."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a message that one request carries: bytes `start` to `start + length` of the content."""

    number: int
    total: int
    start: int
    length: int

    @property
    def is_last(self) -> bool:
        """Whether the message is complete with this part."""
        return self.number == self.total


@dataclass(frozen=True, slots=True)
class Chunking:
    """The limits; tests lower them."""

    largest_whole: int = LARGEST_WHOLE
    chunk_bytes: int = CHUNK_BYTES
    smallest_chunk: int = SMALLEST_CHUNK

    def parts(self, size: int) -> list[Part]:
        """Cut a message of `size` bytes: one part where it fits, else equal chunks and a rest."""
        if size <= self.largest_whole:
            return [Part(1, 1, 0, size)]
        starts = range(0, size, self.chunk_bytes)
        return [
            Part(number, len(starts), start, min(self.chunk_bytes, size - start))
            for number, start in enumerate(starts, 1)
        ]
