"""All commands of `gpcm`: importing this module registers them."""

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
