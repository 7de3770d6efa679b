"""The MESH envelope of a message: what the sender needs beside the bytes.

It holds personal data by design (the address and the subject), so it is a part of the message's object in S3, under the
same key and the same retention, and never in a queue or a log; `repr` hides it.
"""

from dataclasses import dataclass, field


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
