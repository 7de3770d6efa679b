"""The commands of `gpcm`, one module per task. Importing this package registers all of them."""

from infra.operations.commands import (
    checks,
    console,
    decisions,
    local_run,
    mailboxes,
    messages,
    notifications,
    requests,
    resending,
)

__all__ = [
    "checks",
    "console",
    "decisions",
    "local_run",
    "mailboxes",
    "messages",
    "notifications",
    "requests",
    "resending",
]
