"""Answers to cdk-nag: a finding that stays must say why, at the narrowest construct that it concerns."""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import Construct

_IN_BOTH_PACKS = "NIST+HIPAA:"


def acknowledge(scope: Construct, *rules: str, because: str) -> None:
    """Keep the findings of rules at and below `scope`, for one reason.

    `NIST+HIPAA:{rule}` stands for the rule of that name in both packs, which share most of theirs.
    """
    for rule in rules:
        shared = rule.removeprefix(_IN_BOTH_PACKS)
        for each in [rule] if shared == rule else [f"NIST.800.53.R5-{shared}", f"HIPAA.Security-{shared}"]:
            Validations.of(scope).acknowledge(Acknowledgment(id=each, reason=because))


def acknowledge_own_policies(scope: Construct) -> None:
    """Keep the finding that roles at or below `scope` carry their permissions themselves."""
    acknowledge(
        scope,
        "NIST+HIPAA:IAMNoInlinePolicy",
        because="What this role may do is meant for it alone: its policy comes, changes and goes with it. A managed "
        "policy could be attached to another role, where nobody reviewed it.",
    )


def acknowledge_wildcard(scope: Construct, resource: str, *, because: str) -> None:
    """Keep the finding that permissions at or below `scope` end in a wildcard, for this one resource only."""
    flattened = _flatten(Stack.of(scope).resolve(resource))
    acknowledge(scope, f"AwsSolutions-IAM5[Resource::{flattened}]", because=because)


def _flatten(value: Any) -> str:
    """Write a resolved value as cdk-nag names it in a finding: `<LogicalId.Arn>/*`."""
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(_flatten(part) for part in parts)
        case _:
            raise TypeError(f"a resource name is made of strings and references, not {type(value).__name__}")
