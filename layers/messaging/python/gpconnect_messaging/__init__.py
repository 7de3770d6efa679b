"""Send clinical documents to GP practices in England over MESH, and know that they arrived.

The domain (`requests`, `usecases`, `specification`, `itk3`, `documents`, `routing`, `ledger.status_rules`) is pure;
the adapters are `ledger.store`, `storage`, `mailboxes`, `notifications` and `mesh`; `steps` joins the two.

`__all__` lists the public names: they need neither AWS nor a network until a `MeshClient` connects. A name's module is
imported when the name is first used, because a function of the product needs few of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpconnect_messaging.conformance.validation import validate_bytes
    from gpconnect_messaging.derived_ids import Identifiers
    from gpconnect_messaging.drafts import DraftMessage, draft_messages
    from gpconnect_messaging.itk3.responses import Response, read_response
    from gpconnect_messaging.mailboxes.settings import MailboxSettings
    from gpconnect_messaging.mesh.client import MeshClient
    from gpconnect_messaging.mesh.credentials import MailboxCredentials
    from gpconnect_messaging.requests.refusal import RequestRefusedError

__all__ = [
    "DraftMessage",
    "Identifiers",
    "MailboxCredentials",
    "MailboxSettings",
    "MeshClient",
    "RequestRefusedError",
    "Response",
    "draft_messages",
    "read_response",
    "validate_bytes",
]

__version__ = "0.1.0"

_MODULES = {
    "DraftMessage": "drafts",
    "Identifiers": "derived_ids",
    "MailboxCredentials": "mesh.credentials",
    "MailboxSettings": "mailboxes.settings",
    "MeshClient": "mesh.client",
    "RequestRefusedError": "requests.refusal",
    "Response": "itk3.responses",
    "draft_messages": "drafts",
    "read_response": "itk3.responses",
    "validate_bytes": "conformance.validation",
}


def __getattr__(name: str) -> Any:
    """Import a public name's module. Raises AttributeError for any other name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
