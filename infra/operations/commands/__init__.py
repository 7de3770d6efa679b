"""The commands of `gpcm`, a module for each thing that an operator does; importing this makes them all known."""

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
