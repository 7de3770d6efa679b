"""Permissions: what a policy allows, one by one, and which of them a run used.

The emulator decides about every call by the caller's policies as they are at that moment. What its decisions rested on
is kept as lines of JSON, in the words of the policies: an object's key, which senders choose, is in none of them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Permission:
    """One action on one resource, as a role's policy allows it."""

    role: str
    """The role's name."""
    action: str
    resource: str
    """ARN, which may hold wildcards."""
    condition: str = ""
    """The policy's, as JSON; empty where there is none."""

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}" + (f" if {self.condition}" if self.condition else "")


def allowed(role: str, policy: Mapping[str, Any]) -> Iterator[Permission]:
    """Give what a policy document allows a role, each action on each resource by itself."""
    for statement in _listed(policy["Statement"]):
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Permission(role, action, resource, condition_text(statement.get("Condition")))


def condition_text(condition: Mapping[str, Any] | None) -> str:
    """Write a statement's condition the same way each time, whoever read it."""
    return json.dumps(condition, sort_keys=True) if condition else ""


def without(policy: Mapping[str, Any], taken: Permission) -> dict[str, Any]:
    """Give a policy document that allows the same, one permission excepted."""
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
        != (taken.action, taken.resource, taken.condition)
    ]
    return {**policy, "Statement": statements}


class Used:
    """The file in which the emulator writes each permission that a call rested on, once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: set[Permission] = set()

    def note(self, permission: Permission) -> None:
        """Write down a permission, unless it has been since the file was last forgotten."""
        if not self._file.exists():
            self._seen.clear()
        if permission not in self._seen:
            self._seen.add(permission)
            with self._file.open("a") as lines:
                lines.write(json.dumps(asdict(permission)) + "\n")

    def noted(self) -> frozenset[Permission]:
        """Return what is in the file."""
        if not self._file.exists():
            return frozenset()
        return frozenset(Permission(**json.loads(line)) for line in self._file.read_text().splitlines())

    def forget(self) -> None:
        """Begin anew."""
        self._file.unlink(missing_ok=True)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
