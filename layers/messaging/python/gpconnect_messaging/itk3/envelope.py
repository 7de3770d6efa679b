"""The MESH envelope of a message: what the sender needs beside the bytes.

It holds personal data by design (the address and the subject), so it lies beside the message in S3, under the same key
and the same retention, and never in a queue or a log; `repr` hides it.
"""

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The headers that MESH routes and shows.

    An empty `to` means that MESH must be asked for the mailbox of `organisation` (an ODS code).
    """

    mailbox: str
    to: str = field(repr=False)
    workflow_id: str
    subject: str = field(repr=False)
    local_id: str
    file_name: str
    organisation: str = ""

    def to_json(self) -> bytes:
        """Write the envelope for S3."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "Envelope":
        """Read what `to_json` wrote."""
        return cls(**json.loads(raw))
