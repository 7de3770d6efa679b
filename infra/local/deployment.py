"""Create the synthesized stack on the emulator, with the real handlers."""

import io
import json
import shlex
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.emulator import REGION, LocalSession
from infra.local.environments import Environment
from infra.local.processes import LocalRunError
from infra.local.synthesis import Synthesized
from infra.local.template import for_emulator, resources

LIBRARY = Path("layers", "messaging", "python")
"""Folder of the product's library in a checkout."""
MEMORY = Path(__file__).with_name("memory.py")
"""Program that limits a process's memory."""
ASSEMBLY_TIME = (2020, 1, 1, 0, 0, 0)


class DeploymentFailedError(LocalRunError):
    """The stack could not be created; the message names the resource and the reason."""


@dataclass(frozen=True)
class Runtime:
    """Environment and folders of the function processes."""

    environment: Environment
    logs: Path
    """Folder of the functions' output: `<function folder>.log`."""
    marks: Path
    """Folder in which function processes leave files named by process id."""


@dataclass(frozen=True)
class Schedule:
    """A schedule of the template: the function, the interval on AWS, and the input."""

    name: str
    function: str
    """Function name, a colon, and the alias."""
    expression: str
    input: str


@dataclass(frozen=True)
class Deployment:
    """A created stack."""

    stack: str
    outputs: Mapping[str, str]
    functions: Mapping[str, str]
    """Physical function names by folder, such as `builder`."""
    schedules: tuple[Schedule, ...]


def deploy(
    session: LocalSession, synthesized: Synthesized, runtime: Runtime, *, parameters: Mapping[str, str]
) -> Deployment:
    """Upload the assets, create the stack, and read the result.

    Raises:
        DeploymentFailedError: CloudFormation did not complete.

    """
    return _deploy(session, synthesized, runtime, parameters, update=False)


def update(
    session: LocalSession, synthesized: Synthesized, runtime: Runtime, *, parameters: Mapping[str, str]
) -> Deployment:
    """Upload the assets, update the existing stack, and read the result.

    Raises:
        DeploymentFailedError: CloudFormation did not complete.

    """
    return _deploy(session, synthesized, runtime, parameters, update=True)


def _deploy(
    session: LocalSession,
    synthesized: Synthesized,
    runtime: Runtime,
    parameters: Mapping[str, str],
    *,
    update: bool,
) -> Deployment:
    template = for_emulator(synthesized.template)
    folders = _upload(session, synthesized, runtime)
    # In a bucket, as `cdk` does: CloudFormation takes no template above 51,200 characters in the call.
    bucket = synthesized.assets[0].bucket
    key = f"{synthesized.name}.template.json"
    session.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(template).encode())
    url = f"https://s3.{REGION}.amazonaws.com/{bucket}/{key}"
    _apply(session, synthesized.name, url, template, parameters, update=update)
    physical = {
        str(resource["LogicalResourceId"]): str(resource.get("PhysicalResourceId", ""))
        for page in session.client("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=synthesized.name)
        for resource in page["StackResourceSummaries"]
    }
    [stack] = session.client("cloudformation").describe_stacks(StackName=synthesized.name)["Stacks"]
    return Deployment(
        stack=synthesized.name,
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        functions={
            folders[key]: physical[name]
            for name, function in resources(template, "AWS::Lambda::Function").items()
            if (key := str(function["Properties"]["Code"].get("S3Key", ""))) in folders
        },
        schedules=tuple(_schedules(session)),
    )


def _upload(session: LocalSession, synthesized: Synthesized, runtime: Runtime) -> dict[str, str]:
    """Upload the functions' code where the template expects it; return function folders by key."""
    store = session.client("s3")
    folders = {}
    for asset in synthesized.assets:
        if not (asset.folder / "handler.py").is_file():
            continue  # a layer
        folder = _function_folder(asset.folder, synthesized.source)
        with suppress(store.exceptions.BucketAlreadyOwnedByYou):
            store.create_bucket(Bucket=asset.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
        store.put_object(
            Bucket=asset.bucket,
            Key=asset.key,
            Body=package(asset.folder, bootstrap(folder, runtime, synthesized.source)),
        )
        folders[asset.key] = folder
    # The version of CDK's bootstrap stack; templates refuse an older one.
    session.client("ssm").put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String", Overwrite=True
    )
    return folders


def _function_folder(asset: Path, source: Path) -> str:
    """Return the folder of the function that an asset was made from."""
    handler = (asset / "handler.py").read_bytes()
    for candidate in sorted((source / "functions").glob("*/handler.py")):
        if candidate.read_bytes() == handler:
            return candidate.parent.name
    raise DeploymentFailedError(f"no folder of functions/ holds the handler of {asset}")


def package(folder: Path, start: str) -> bytes:
    """Zip a function's folder, with the `bootstrap` script (mode 0755) that the Runtime API starts."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                archive.writestr(_entry(file.relative_to(folder).as_posix(), 0o644), file.read_bytes())
        archive.writestr(_entry("bootstrap", 0o755), start)
    return packed.getvalue()


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, ASSEMBLY_TIME)
    entry.external_attr = (0o100000 | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def bootstrap(function: str, runtime: Runtime, source: Path) -> str:
    """Return the script that runs a handler under AWS's runtime client, with a checkout's library.

    `exec` keeps the process id, so the emulator stops the handler itself. The process leaves a file with the id, so
    that a test can kill it during its work. Output goes straight to the log file, which survives the kill. A second
    process enforces the template's memory limit (see `memory`).
    """
    python = shlex.quote(str(runtime.environment.python))
    log = shlex.quote(str(runtime.logs / f"{function}.log"))
    mark = shlex.quote(str(runtime.marks / function))
    return "\n".join(
        (
            "#!/bin/sh",
            f"exec >> {log} 2>&1",
            f"mkdir -p {mark} && : > {mark}/$$",
            f'export PYTHONPATH="$LAMBDA_TASK_ROOT":{shlex.quote(str(source / LIBRARY))}',
            'if [ -n "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE" ]; then',
            f'  {python} -I -S {shlex.quote(str(MEMORY))} $$ "$AWS_LAMBDA_FUNCTION_MEMORY_SIZE" &',
            "fi",
            f'exec {python} -m awslambdaric "$_HANDLER"',
            "",
        )
    )


def _apply(
    session: LocalSession,
    name: str,
    url: str,
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    *,
    update: bool,
) -> None:
    formation = session.client("cloudformation")
    declared = template.get("Parameters", {})
    complete_status = "UPDATE_COMPLETE" if update else "CREATE_COMPLETE"
    (formation.update_stack if update else formation.create_stack)(
        StackName=name,
        TemplateURL=url,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items() if key in declared
        ],
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        [stack] = formation.describe_stacks(StackName=name)["Stacks"]
        status = stack["StackStatus"]
        if status == complete_status:
            return
        if not status.endswith("_IN_PROGRESS") or "ROLLBACK" in status:
            break
        time.sleep(0.1)
    raise DeploymentFailedError(f"the stack {name} is not {complete_status}:\n{_failures(session, name)}")


def _failures(session: LocalSession, name: str) -> str:
    pages = session.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=name)
    events = [event for page in pages for event in page["StackEvents"]]
    return "\n".join(
        f"    {event.get('LogicalResourceId')} ({event.get('ResourceType')}): {event.get('ResourceStatusReason', '')}"
        for event in reversed(events)
        if event.get("ResourceStatus", "").endswith("FAILED")
    )


def _schedules(session: LocalSession) -> list[Schedule]:
    scheduler = session.client("scheduler")
    schedules = []
    for page in scheduler.get_paginator("list_schedules").paginate():
        for summary in page["Schedules"]:
            schedule = scheduler.get_schedule(Name=summary["Name"], GroupName=summary.get("GroupName", "default"))
            schedules.append(
                Schedule(
                    name=schedule["Name"],
                    function=schedule["Target"]["Arn"].split(":function:", 1)[1],
                    expression=schedule["ScheduleExpression"],
                    input=schedule["Target"].get("Input", "{}"),
                )
            )
    return schedules
