"""The commands of `gpcm`, a module for each thing that an operator does; importing this makes them all known."""

from infra.operations.commands import (
    checking,
    console,
    deciding,
    dropping,
    looking,
    mailboxes,
    replaying,
    running,
    telling,
)

__all__ = ["checking", "console", "deciding", "dropping", "looking", "mailboxes", "replaying", "running", "telling"]
