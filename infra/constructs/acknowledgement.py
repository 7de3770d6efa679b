"""Acknowledge cdk-nag findings, with a reason, at the narrowest construct."""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import Construct

_IN_BOTH_PACKS = "NIST+HIPAA:"


def acknowledge(scope: Construct, *rules: str, because: str) -> None:
    """Acknowledge findings of rules at and below `scope`, for one reason.

    `NIST+HIPAA:{rule}` stands for the rule of that name in both packs.
    """
    for rule in rules:
        shared = rule.removeprefix(_IN_BOTH_PACKS)
        for rule_id in [rule] if shared == rule else [f"NIST.800.53.R5-{shared}", f"HIPAA.Security-{shared}"]:
            Validations.of(scope).acknowledge(Acknowledgment(id=rule_id, reason=because))


def acknowledge_own_policies(scope: Construct) -> None:
    """Acknowledge that roles at or below `scope` have inline policies."""
    acknowledge(
        scope,
        "NIST+HIPAA:IAMNoInlinePolicy",
        because="These permissions are for this role alone: the policy comes, changes and goes with the role. A "
        "managed policy could be attached to another role without a review.",
    )


def acknowledge_wildcard(scope: Construct, resource: str, *, because: str) -> None:
    """Acknowledge that permissions at or below `scope` end in a wildcard, for this resource only."""
    flattened = _flatten(Stack.of(scope).resolve(resource))
    acknowledge(scope, f"AwsSolutions-IAM5[Resource::{flattened}]", because=because)


def _flatten(value: Any) -> str:
    """Return a resolved value as cdk-nag names it in a finding: `<LogicalId.Arn>/*`."""
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
            raise TypeError(f"a resource name is a string, a reference or a join, not {type(value).__name__}")
