"""The commands of `gpcm`, one module per task. Importing this package registers all of them."""

from gpcm.commands import (
    checks,
    completion,
    console,
    decisions,
    mailboxes,
    messages,
    notifications,
    requests,
    resending,
)

__all__ = [
    "checks",
    "completion",
    "console",
    "decisions",
    "mailboxes",
    "messages",
    "notifications",
    "requests",
    "resending",
]
