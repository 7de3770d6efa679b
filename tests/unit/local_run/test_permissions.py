"""Permissions one by one, and a policy without one of them."""

from itertools import pairwise
from pathlib import Path

from infra.local.permissions import Permission, Used, allowed, without
from tests.permissions.mutation import spread

A, B = "arn:aws:s3:::a/*", "arn:aws:s3:::b/*"
ONLY_IF = {"Bool": {"x": "true"}}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [A, B]},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": A, "Condition": ONLY_IF},
    ],
}


def test_a_policy_is_read_action_by_action_and_resource_by_resource() -> None:
    assert sorted(allowed("role", POLICY)) == [
        Permission("role", "s3:GetObject", A),
        Permission("role", "s3:GetObject", A, '{"Bool": {"x": "true"}}'),
        Permission("role", "s3:GetObject", B),
        Permission("role", "s3:PutObject", A),
        Permission("role", "s3:PutObject", B),
    ]


def test_taking_a_permission_away_leaves_every_other() -> None:
    for taken in allowed("role", POLICY):
        rest = without(POLICY, taken)
        assert set(allowed("role", rest)) == set(allowed("role", POLICY)) - {taken}
        assert all(statement["Effect"] == "Allow" for statement in rest["Statement"])


def test_a_used_permission_is_noted_once_until_the_notes_are_forgotten(tmp_path: Path) -> None:
    used, one, other = Used(tmp_path / "used.jsonl"), Permission("r", "s3:GetObject", "a"), Permission("r", "a:B", "*")
    assert used.noted() == frozenset()
    for permission in (one, other, one):
        used.note(permission)
    assert used.noted() == {one, other}
    assert len((tmp_path / "used.jsonl").read_text().splitlines()) == 2
    used.forget()
    used.note(one)
    assert used.noted() == {one}


def test_neighbours_in_a_trial_differ_so_that_a_late_refusal_is_not_taken_for_the_next_ones() -> None:
    permissions = [Permission("role", action, resource) for action in ("a:A", "a:B", "a:C") for resource in "xyz"]
    ordered = spread(permissions)
    assert sorted(ordered) == sorted(permissions)
    assert all(before.action != after.action for before, after in pairwise(ordered))
