"""Permissions of a policy, one by one, and those that a run used.

The emulator evaluates the caller's current policies for every call. It writes the permissions that allowed a call as
JSON lines, in the words of the policies: they contain no object key, which senders choose.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Permission:
    """An action on a resource, as a role's policy allows it."""

    role: str
    """The role's name."""
    action: str
    resource: str
    """ARN, which may hold wildcards."""
    condition: str = ""
    """The policy's condition as JSON; empty if there is none."""

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}" + (f" if {self.condition}" if self.condition else "")


def allowed(role: str, policy: Mapping[str, Any]) -> Iterator[Permission]:
    """Yield the permissions of a role's policy document, one for every action and resource."""
    for statement in _listed(policy["Statement"]):
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Permission(role, action, resource, condition_text(statement.get("Condition")))


def condition_text(condition: Mapping[str, Any] | None) -> str:
    """Return a statement's condition in a normal form."""
    return json.dumps(condition, sort_keys=True) if condition else ""


def without(policy: Mapping[str, Any], removed: Permission) -> dict[str, Any]:
    """Return a policy document without one permission."""
    statements = [
        {
            **{name: part for name, part in statement.items() if name not in ("Action", "Resource")},
            "Action": action,
            "Resource": resource,
        }
        for statement in _listed(policy["Statement"])
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
        if (action, resource, condition_text(statement.get("Condition")))
        != (removed.action, removed.resource, removed.condition)
    ]
    return {**policy, "Statement": statements}


class Used:
    """The file of permissions that allowed a call; a permission is written once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: set[Permission] = set()

    def note(self, permission: Permission) -> None:
        """Write a permission, unless the file has it."""
        if not self._file.exists():
            self._seen.clear()
        if permission not in self._seen:
            self._seen.add(permission)
            with self._file.open("a") as lines:
                lines.write(json.dumps(asdict(permission)) + "\n")

    def noted(self) -> frozenset[Permission]:
        """Return the permissions in the file."""
        if not self._file.exists():
            return frozenset()
        return frozenset(Permission(**json.loads(line)) for line in self._file.read_text().splitlines())

    def forget(self) -> None:
        """Delete the file."""
        self._file.unlink(missing_ok=True)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
