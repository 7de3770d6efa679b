"""Make many calls of AWS at once: most of a call is waiting."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = 16

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_threads(function: Callable[[Given], Made], given: Sequence[Given], at_once: int = THREADS) -> Iterator[Made]:
    """Yield the results in order; call in threads where there are several. Raises what the function raises."""
    if len(given) <= 1:
        yield from map(function, given)
        return
    with ThreadPoolExecutor(min(at_once, len(given))) as threads:
        yield from threads.map(function, given)
