"""Decides about a call by the policy of a resource, as AWS documents that it evaluates one.

Source: AWS IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators": a negated
operator holds where the key is absent, values of one key are alternatives, and keys must all hold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.infra.templates import Properties


@dataclass(frozen=True)
class Call:
    """A role, user or account's root that asks for something; `context` has the request's condition keys."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        return self.principal.split(":")[4]

    def key(self, name: str) -> str | None:
        of_all = {
            "aws:PrincipalArn": self.principal, "aws:PrincipalAccount": self.account,
            "aws:SecureTransport": "true", "s3:TlsVersion": "1.3",
        }  # fmt: skip
        return {**of_all, **self.context}.get(name)


def allowed(
    statements: Iterable[Properties], call: Call, names: Mapping[str, str], *, by_its_own: bool = False
) -> bool:
    """Say whether a resource's policy lets a call pass; `by_its_own` where the caller's own policies allow it.

    `names` gives the ARN of each resource that the policy refers to, by logical id; any other is a role of ours.
    """
    effects = {statement["Effect"] for statement in statements if _applies(statement, call, names)}
    return "Deny" not in effects and ("Allow" in effects or by_its_own)


def _applies(statement: Properties, call: Call, names: Mapping[str, str]) -> bool:
    resources = [
        _text(resource, names) for resource in _listed(statement.get("Resource", statement.get("NotResource")))
    ]
    named = any(fnmatchcase(call.resource, pattern) for pattern in resources)
    return (
        _is_named(statement["Principal"], call, names)
        and any(fnmatchcase(call.action, action) for action in _listed(statement["Action"]))
        and named is ("Resource" in statement)
        and all(
            _holds(operator, call.key(key), [_text(value, names) for value in _listed(values)])
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _is_named(principal: Any, call: Call, names: Mapping[str, str]) -> bool:
    if principal == "*":
        return True
    found = [_text(arn, names) for arn in _listed(principal.get("AWS", ()))]
    return bool({"*", call.principal, f"arn:aws:iam::{call.account}:root"} & set(found))


def _holds(operator: str, given: str | None, values: list[str]) -> bool:
    match operator:
        case "Null":
            return (given is None) is (values == ["true"])
        case "Bool" | "StringEquals" | "ForAnyValue:StringEquals" | "ArnEquals":
            return given in values
        case "StringNotEquals" | "ArnNotEquals":
            return given not in values
        case "NumericLessThan":
            return given is not None and float(given) < float(values[0])
        case other:
            raise AssertionError(f"unexpected operator {other}")


def our_role(name: str) -> str:
    """Return the ARN of a role of the stack, by logical id."""
    return f"arn:aws:iam::444455556666:role/{name}"


def _text(value: Any, names: Mapping[str, str]) -> str:
    match value:
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return names.get(name, our_role(name))
        case {"Ref": "AWS::AccountId"}:
            return "111122223333"
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(_text(part, names) for part in parts)
        case dict():
            raise AssertionError(f"unexpected value {value}")
        case other:
            return str(other)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
