"""A local MESH: NHS England's own sandbox with our mailboxes, and what the real service does and the sandbox lacks.

It runs in the sandbox's environment (`infra/local/requirements-mesh.txt`), so nothing here imports our library, and
only `service` and `server` import the sandbox; the other modules are standard library, and can be read anywhere.
Nothing is ever changed in the installed sandbox: its store and messaging classes are subclassed, and its application
is wrapped.
"""
