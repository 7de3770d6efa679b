"""Roles of the deployed stack: their permissions, and how to remove one while the product runs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from infra.local.emulator import LocalSession
from infra.local.permissions import Permission, allowed, without


class Roles:
    """The roles of the deployed stack, with their permissions."""

    def __init__(self, session: LocalSession) -> None:
        self._iam: Any = session.client("iam")

    def permissions(self) -> list[Permission]:
        """Return all permissions of all roles."""
        return sorted(
            permission
            for role in self._roles()
            for policy in self._policies(role).values()
            for permission in allowed(role, policy)
        )

    @contextmanager
    def lacking(self, removed: Permission) -> Iterator[None]:
        """Remove a role's permission within the block: a call that needs it is denied."""
        originals = {
            name: policy
            for name, policy in self._policies(removed.role).items()
            if removed in allowed(removed.role, policy)
        }
        for name, policy in originals.items():
            self._put(removed.role, name, without(policy, removed))
        try:
            yield
        finally:
            for name, policy in originals.items():
                self._put(removed.role, name, policy)

    def _roles(self) -> list[str]:
        return [role["RoleName"] for page in self._iam.get_paginator("list_roles").paginate() for role in page["Roles"]]

    def _policies(self, role: str) -> dict[str, dict[str, Any]]:
        names = self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {name: self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}

    def _put(self, role: str, name: str, policy: Mapping[str, Any]) -> None:
        self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
