"""The emulator's application with patches. Runs in the emulator's environment; no installed file is changed.

- Denied calls are written to the file that `DENIALS` names: a function may report a denial in other words or not at
  all, and the response to a HEAD request has no words.
- Permissions that allowed a call are written to the file that `PERMISSIONS` names.
- S3's events carry the object's version, as EventBridge documents for a versioned bucket; the emulator omits it.
- An alarm on an expression becomes an alarm on the expression's first metric; the emulator refuses the former.
- A batch of SQS needs the permission of one entry, as IAM documents; the emulator wants an action that there is not.
- `aws:PrincipalArn` of a role's session is the role's ARN, as IAM documents; the emulator uses the session's ARN.
"""

import json
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from ministack.app import app
from ministack.core import iam_evaluator
from ministack.services import eventbridge, s3
from ministack.services.cloudformation import provisioners

from infra.local.denials import Denial, note
from infra.local.permissions import Permission, Used, condition_text

__all__ = ["app"]

DENIALS = Path(os.environ["DENIALS"])
USED = Used(Path(os.environ["PERMISSIONS"]))

_version: ContextVar[str | None] = ContextVar("version", default=None)
_fire, _dispatch = s3._fire_s3_event, eventbridge._dispatch_event  # noqa: SLF001 - there is no public interface


def _fire_with_version(*arguments: Any, version_id: str | None = None, **named: Any) -> None:
    token = _version.set(version_id)
    try:
        _fire(*arguments, version_id=version_id, **named)
    finally:
        _version.reset(token)


def _dispatch_with_version(event: dict[str, Any], *arguments: Any, **named: Any) -> Any:
    version = _version.get()
    if version is not None and event.get("Source") == "aws.s3":
        detail = json.loads(event["Detail"])
        detail["object"]["version-id"] = version
        event = event | {"Detail": json.dumps(detail)}
    return _dispatch(event, *arguments, **named)


s3._fire_s3_event, eventbridge._dispatch_event = _fire_with_version, _dispatch_with_version  # noqa: SLF001


_put_alarm = provisioners._cw_metric_alarm_put  # noqa: SLF001 - as above


def _put_any_alarm(name: str, properties: dict[str, Any]) -> Any:
    if "Metrics" in properties:
        [first, *_] = [query["MetricStat"] for query in properties["Metrics"] if "MetricStat" in query]
        metric = first["Metric"] | {"Period": first["Period"], "Statistic": first["Stat"]}
        properties = {key: value for key, value in properties.items() if key != "Metrics"} | metric
    return _put_alarm(name, properties)


provisioners._cw_metric_alarm_put = _put_any_alarm  # noqa: SLF001


_resolve = iam_evaluator._resolve_condition_key  # noqa: SLF001 - as above


def _resolve_with_role(key: str, call: Any) -> Any:
    value = _resolve(key, call)
    if key.lower() == "aws:principalarn" and ":assumed-role/" in str(value):
        return f"arn:aws:iam::{call.principal_account}:role/{value.split('/')[1]}"
    return value


iam_evaluator._resolve_condition_key = _resolve_with_role  # noqa: SLF001


_enforce, _evaluate, _first_match = iam_evaluator.enforce, iam_evaluator.evaluate, iam_evaluator._first_match  # noqa: SLF001 - as above


def _enforce_and_note(
    access_key: str, action: str, service: str, region: str, resource_arn: str = "*", **options: Any
) -> Any:
    action = action.removesuffix("Batch") if service == "sqs" else action
    result = _enforce(access_key, action, service, region, resource_arn=resource_arn, **options)
    if isinstance(result, iam_evaluator.EvalResult):
        note(Denial.of(result.principal_arn, action, resource_arn), DENIALS)
    return result


def _evaluate_and_note(call: Any, policies: Any, *limits: Any) -> Any:
    result = _evaluate(call, policies, *limits)
    if result.decision == "Allow" and ":assumed-role/" in call.principal_arn:
        for permission in _permissions_used(call, [statement for policy in policies for statement in policy]):
            USED.note(permission)
    return result


def _permissions_used(call: Any, statements: list[Any]) -> Iterator[Permission]:
    role = call.principal_arn.split("/")[1]
    for statement in statements:
        if _first_match(call, [statement], "Allow") is None:
            continue
        for action in statement.actions:
            for resource in statement.resources:
                single = replace(statement, actions=[action], resources=[resource])
                if _first_match(call, [single], "Allow") is not None:
                    yield Permission(role, action, resource, condition_text(statement.conditions))


iam_evaluator.enforce, iam_evaluator.evaluate = _enforce_and_note, _evaluate_and_note
