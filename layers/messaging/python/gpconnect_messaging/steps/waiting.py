"""Let a request wait for documents that are still being uploaded, or for results of the malware scan.

When NotReadyError is raised, nothing but the receipt was recorded. The request goes back on the queue as a new queue
message, with all tries left, until the time to wait is over.
"""

from datetime import timedelta

_SHORTEST, _LONGEST = timedelta(seconds=15), timedelta(minutes=5)
"""Limits of one wait; in between, a request waits for as long as it has waited so far."""


class NotReadyError(Exception):
    """A part of the request is not ready yet, as the message says: try again after `again_in`."""

    def __init__(self, what: str, again_in: timedelta) -> None:
        super().__init__(what)
        self.again_in = again_in


def require_ready(what: str, waited: timedelta, patience: timedelta) -> None:
    """Return when the time to wait is over. Before that, raise NotReadyError with the text `what`."""
    if waited < patience:
        again_in = min(max(_SHORTEST, min(waited, _LONGEST)), patience - waited)
        raise NotReadyError(what, max(again_in, timedelta(seconds=1)))
