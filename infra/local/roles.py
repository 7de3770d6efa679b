"""The roles of the created stack: what they may do, and how to take a permission from one while everything runs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from infra.local.emulator import LocalSession
from infra.local.permissions import Permission, allowed, without


class Roles:
    """The roles of the created stack, and what they may do."""

    def __init__(self, session: LocalSession) -> None:
        self._iam: Any = session.client("iam")

    def permissions(self) -> list[Permission]:
        """Give every permission of every role."""
        return sorted(
            permission
            for role in self._roles()
            for policy in self._policies(role).values()
            for permission in allowed(role, policy)
        )

    @contextmanager
    def lacking(self, taken: Permission) -> Iterator[None]:
        """Have a role do without one of its permissions for a while: the next call that needs it is refused."""
        whole = {
            name: policy for name, policy in self._policies(taken.role).items() if taken in allowed(taken.role, policy)
        }
        for name, policy in whole.items():
            self._put(taken.role, name, without(policy, taken))
        try:
            yield
        finally:
            for name, policy in whole.items():
                self._put(taken.role, name, policy)

    def _roles(self) -> list[str]:
        return [role["RoleName"] for page in self._iam.get_paginator("list_roles").paginate() for role in page["Roles"]]

    def _policies(self, role: str) -> dict[str, dict[str, Any]]:
        names = self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {name: self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}

    def _put(self, role: str, name: str, policy: Mapping[str, Any]) -> None:
        self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
