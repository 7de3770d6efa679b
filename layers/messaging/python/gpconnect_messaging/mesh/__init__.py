"""MESH, the NHS's store-and-forward message exchange: a client of its API, version 2.

`client` talks, `errors` says what a failure asks of the caller, `models` are the values that go in and out.
"""

from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.mesh.credentials import MailboxCredentials
from gpconnect_messaging.mesh.errors import (
    Authentication,
    Busy,
    DamagedContent,
    Gone,
    MeshError,
    NeverLeft,
    Refused,
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
    Outgoing,
    ReceivedMessage,
    Sent,
    Tracking,
)

__all__ = [
    "Authentication",
    "Busy",
    "ChunkRange",
    "DamagedContent",
    "EndpointLookup",
    "Gone",
    "InboxPage",
    "Mailbox",
    "MailboxCredentials",
    "MeshClient",
    "MeshError",
    "MessageHeaders",
    "NeverLeft",
    "Outgoing",
    "ReceivedMessage",
    "Refused",
    "Sent",
    "Tracking",
    "Uncertain",
    "WrongChecksum",
    "WrongClock",
]
