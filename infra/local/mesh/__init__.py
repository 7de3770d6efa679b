"""A local MESH: NHS England's sandbox with the local mailboxes, and with behaviour of the real service that it lacks.

It runs in the sandbox's environment (`infra/local/requirements-mesh.txt`), so nothing here imports the product's
library. Only `service` and `server` import the sandbox; the other modules use the standard library. The installed
sandbox is never changed: store and messaging classes are subclassed, and the application is wrapped.
"""
