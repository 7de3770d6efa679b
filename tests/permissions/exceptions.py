"""Permissions that AWS requires and the emulator does not check, with reasons; the template's tests assert them."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from infra.local.permissions import Permission


@dataclass(frozen=True)
class NotEmulated:
    """Permissions that no run on the emulator can show the need of."""

    action: str
    """With wildcards."""
    resource: str
    because: str
    condition: str = "*"
    role: str = "*"


EXCEPTIONS = (
    NotEmulated("*", "*", "the emulator's Step Functions works as itself, and not as its role", role="*-Backfill*"),
    NotEmulated("kms:*", "*", "the emulator encrypts nothing, and asks no key for permission", condition="?*"),
    NotEmulated("logs:*", "*", "Lambda itself writes the logs on AWS, as the role; the emulator writes them as itself"),
    NotEmulated("sqs:DeleteMessage", "*", "Lambda reads the queue on AWS, as the role; the emulator as itself"),
    NotEmulated("sqs:GetQueueAttributes", "*", "as above"),
    NotEmulated("sqs:ReceiveMessage", "*", "as above"),
    NotEmulated("lambda:InvokeFunction", "*", "the local run does the schedules' work as the account's owner"),
    NotEmulated(
        "s3:ListBucket",
        "*",
        "S3 answers 'not there' only to whoever may list, and else 'denied'; the emulator 'not there' to everybody",
        condition="",
        role="*-Builder*",
    ),
)


def excepted(permission: Permission) -> NotEmulated | None:
    """Find the exception that a permission falls under."""
    return next(
        (
            exception
            for exception in EXCEPTIONS
            if fnmatchcase(permission.role, exception.role)
            and fnmatchcase(permission.action, exception.action)
            and fnmatchcase(permission.resource, exception.resource)
            and fnmatchcase(permission.condition, exception.condition)
        ),
        None,
    )
