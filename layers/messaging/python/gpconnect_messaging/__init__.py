"""Send clinical documents to GP practices in England over MESH, and know that they arrived.

The domain (`requests`, `usecases`, `specification`, `itk3`, `documents`, `routing`, `ledger.lifecycle`) is pure;
the adapters are `ledger.store`, `storage`, `mailboxes`, `notifications` and `mesh`; `steps` joins the two.
"""

__version__ = "0.1.0"
