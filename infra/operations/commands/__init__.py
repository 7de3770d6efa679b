"""The commands of `gpcm`, a module for each thing that an operator does; importing this makes them all known."""

from infra.operations.commands import checking, deciding, dropping, looking, mailboxes, replaying, running, telling

__all__ = ["checking", "deciding", "dropping", "looking", "mailboxes", "replaying", "running", "telling"]
