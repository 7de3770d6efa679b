"""What an exception would tell those who print, log or report it."""

import traceback
from collections.abc import Iterator


def everything(error: BaseException) -> Iterator[str]:
    """Give every text that a logger, a tracker of errors or a person could get out of an exception."""
    yield from (str(error), repr(error), repr(vars(error)), repr(error.args))
    yield from traceback.format_exception(error)
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            yield from everything(linked)
            request = getattr(linked, "_request", None)
            assert request is None, "an httpx exception holds the request: its URL and all its headers"
