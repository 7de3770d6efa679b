"""MESH, the NHS's store-and-forward message exchange: a client of API version 2.

`client` makes the calls, `errors` are named for what the caller must do, `models` are the values that go in and out.
"""

from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.mesh.credentials import MailboxCredentials
from gpconnect_messaging.mesh.errors import (
    Authentication,
    DamagedContent,
    MeshError,
    NotFound,
    NotSent,
    Refused,
    RetryLater,
    Uncertain,
    WrongChecksum,
    WrongClock,
)
from gpconnect_messaging.mesh.models import (
    ChunkRange,
    EndpointLookup,
    InboxPage,
    Mailbox,
    MessageHeaders,
    OutboundMessage,
    ReceivedMessage,
    SendReceipt,
    Tracking,
)

__all__ = [
    "Authentication",
    "ChunkRange",
    "DamagedContent",
    "EndpointLookup",
    "InboxPage",
    "Mailbox",
    "MailboxCredentials",
    "MeshClient",
    "MeshError",
    "MessageHeaders",
    "NotFound",
    "NotSent",
    "OutboundMessage",
    "ReceivedMessage",
    "Refused",
    "RetryLater",
    "SendReceipt",
    "Tracking",
    "Uncertain",
    "WrongChecksum",
    "WrongClock",
]
