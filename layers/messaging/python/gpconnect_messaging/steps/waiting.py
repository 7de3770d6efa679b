"""Let a request wait for what it consists of: documents that are still being uploaded, or verdicts of the malware scan.

Whoever raises NotReadyError has recorded nothing but the receipt. The request goes back on its queue as a message of
its own, with all its tries, until the time for that is over.
"""

from datetime import timedelta

_SHORTEST, _LONGEST = timedelta(seconds=15), timedelta(minutes=5)
"""Of the waits; in between, a request waits again for as long as it has waited."""


class NotReadyError(Exception):
    """Something that a request consists of is not there yet, as the message says: take it again after `again_in`."""

    def __init__(self, what: str, again_in: timedelta) -> None:
        super().__init__(what)
        self.again_in = again_in


def require_ready(what: str, waited: timedelta, patience: timedelta) -> None:
    """Return where the time to wait for it is over. Raises NotReadyError before, with `what` is missing as its text."""
    if waited < patience:
        again_in = min(max(_SHORTEST, min(waited, _LONGEST)), patience - waited)
        raise NotReadyError(what, max(again_in, timedelta(seconds=1)))
