"""Answers to cdk-nag: a finding that stays must say why, at the narrowest construct that it concerns."""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import Construct


def acknowledge(scope: Construct, rule: str, *, because: str) -> None:
    """Keep a finding of one rule at and below `scope`, with its reason."""
    Validations.of(scope).acknowledge(Acknowledgment(id=rule, reason=because))


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
