"""The whole product on this machine, as a context manager for the demonstration and for tests of the deployed stack.

`with LocalRun() as run:` starts everything; then `dropped = run.drop(REQUESTS / "consultation-report-2.0")`,
`run.poll()`, `run.message(dropped)`.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from gpcm.dropping import Dropped, drop, drop_folder
from gpcm.functions import invoke
from gpconnect_messaging.derivation import read_identifiers
from gpconnect_messaging.derived_ids import Identifiers
from infra.local import emulator, ledger
from infra.local.denials import Denial, noted
from infra.local.deployment import Deployment, Runtime, Schedule, deploy, update
from infra.local.emulator import Access, LocalSession
from infra.local.environments import BUILD, ROOT, TOOLS, Environment, environment
from infra.local.ledger import Message
from infra.local.processes import LocalRunError, SupervisorClient, await_death, supervisor_lives
from infra.local.schedules import await_collected
from infra.local.synthesis import Synthesized, synthesize

T = TypeVar("T")

COMMUNITY = ROOT / "infra" / "local" / "community.json"
"""Participants: mailboxes with passwords, and the patients that MESH can route (see `infra.local.mesh`)."""

RESPONDING = ("A20047OT001", "FA565OT001")
"""Mailboxes that the local practice collects from and responds for: a practice's, and a pharmacy's."""

KEPT_RUNS = 9
"""Number of earlier runs whose logs are kept."""


@dataclass(frozen=True)
class State:
    """The state of a run, for other processes that use it."""

    folder: Path
    """Logs and marks of the run."""
    scratch: Path
    """Deleted when the run ends."""
    access: Access
    deployment: Deployment
    mesh_url: str
    pds_url: str
    emulator_process: int
    rest_seconds: float
    supervisor_process: int | None = None
    """Set for a detached run."""

    def write(self, file: Path) -> None:
        """Write the state to a file that only the owner can read: it holds the run's credentials."""
        content = asdict(self) | {"folder": str(self.folder), "scratch": str(self.scratch)}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(content, indent=2))

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read the state from a file."""
        content = json.loads(file.read_text())
        deployment = content["deployment"]
        schedules = tuple(Schedule(**schedule) for schedule in deployment["schedules"])
        return cls(
            **(
                content
                | {
                    "folder": Path(content["folder"]),
                    "scratch": Path(content["scratch"]),
                    "access": Access(**content["access"]),
                    "deployment": Deployment(**(deployment | {"schedules": schedules})),
                }
            )
        )


class Product:
    """A running product, as sending organisations, operators and tests use it."""

    def __init__(self, session: LocalSession, state: State) -> None:
        self.session = session
        """boto3 session of the account's owner; the clients connect to the emulator only."""
        self.state = state

    @property
    def outputs(self) -> Mapping[str, str]:
        """Outputs of the stack, by name."""
        return self.state.deployment.outputs

    @cached_property
    def identifiers(self) -> Identifiers:
        """Identifiers that name requests as the deployed builder does."""
        return read_identifiers(self.session.client("secretsmanager"), self.outputs["IdentifiersSecretName"])

    @property
    def mesh_url(self) -> str:
        """URL of MESH; `/control` shows and sets what tests need (see `infra.local.mesh.control`)."""
        return self.state.mesh_url

    @property
    def pds_url(self) -> str:
        """URL of PDS; `/control` shows and sets what tests need (see `infra.local.pds.service`)."""
        return self.state.pds_url

    @property
    def logs_folder(self) -> Path:
        """Folder of the logs of all programs and functions."""
        return self.state.folder / "logs"

    def drop(self, folder: Path, changes: Mapping[str, Any] | None = None) -> Dropped:
        """Drop a folder's request and documents; `changes` replace top-level fields. See `requests.drop_folder`."""
        bucket = self.outputs["DropBucketName"]
        return drop_folder(self.session, bucket, folder, changes, identifiers=self.identifiers)

    def drop_request(self, request: Mapping[str, Any] | bytes, documents: Mapping[str, bytes]) -> Dropped:
        """Drop a hand-made request, valid or not, and documents by their path relative to it."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        return drop(self.session, self.outputs["DropBucketName"], body, documents, identifiers=self.identifiers)

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Invoke `builder`, `sender` or `poller` and return the result.

        Raises:
            FunctionFailedError: the function reported an error, or died.

        """
        return invoke(self.session, self.state.deployment.functions[function], json.dumps(payload))

    def poll(self, *, mailboxes_only: bool = False) -> None:
        """Run every schedule once, with the deployed input.

        The sweep queries every shard of an index, which takes ten times as long as all mailboxes. A caller with many
        rounds leaves it out of most of them, as the schedules on AWS do.

        Raises:
            FunctionFailedError: the poller reported an error, or died.

        """
        for schedule in self.state.deployment.schedules:
            if not mailboxes_only or json.loads(schedule.input)["task"] == "mailbox":
                invoke(self.session, schedule.function, schedule.input)
        await_collected(self.session, self.outputs["InboxQueueUrl"])

    def messages(self) -> list[Message]:
        """Return the ledger's messages, oldest first."""
        return ledger.read(self.session, self.outputs["LedgerTableName"])

    def message(self, dropped: Dropped | str) -> Message | None:
        """Return the first message of a request (a drop, or a request id); None if the ledger has none yet."""
        return next(iter(self.messages_of(dropped)), None)

    def messages_of(self, dropped: Dropped | str) -> list[Message]:
        """Return all messages of a request (a drop, or a request id), oldest first."""
        request_id = dropped if isinstance(dropped, str) else dropped.request_id
        return ledger.read_of_request(self.session, self.outputs["LedgerTableName"], request_id)

    def redeliver_after(self, seconds: int) -> None:
        """Let the queues deliver unfinished work again after some seconds, instead of the deployed timeout.

        The messages of a function that died stay invisible for the visibility timeout, which is minutes on AWS.
        """
        queues = self.session.client("sqs")
        for name in ("IntakeQueueUrl", "SendQueueUrl", "InboxQueueUrl"):
            queues.set_queue_attributes(QueueUrl=self.outputs[name], Attributes={"VisibilityTimeout": str(seconds)})

    def handler_processes(self, function: str | None = None) -> list[int]:
        """Return the process ids of a function's processes, or of all functions."""
        processes = []
        for mark in sorted((self.state.folder / "marks").glob(f"{function or '*'}/*")):
            with suppress(ProcessLookupError, PermissionError):
                # The emulator's children share the process group; another process only reuses the id.
                if os.getpgid(int(mark.name)) == self.state.emulator_process:
                    processes.append(int(mark.name))
        return processes

    def kill_handlers(self, function: str | None = None) -> int:
        """Kill the functions' processes at once (SIGKILL); return how many there were.

        The emulator starts new ones for new work.
        """
        processes = self.handler_processes(function)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            await_death(process)
            # The emulator reaps a dead child only when it needs the next one; until then the process id exists.
            for mark in (self.state.folder / "marks").glob(f"*/{process}"):
                mark.unlink(missing_ok=True)
        return len(processes)

    def logs(self, function: str | None = None) -> list[str]:
        """Return the log lines of a function, or of all programs."""
        names = [f"{function}.log"] if function else sorted(file.name for file in self.logs_folder.glob("*.log"))
        lines: list[str] = []
        for name in names:
            with suppress(FileNotFoundError):
                lines += (self.logs_folder / name).read_text(errors="replace").splitlines()
        return lines

    def denials(self) -> list[Denial]:
        """Return the different calls that the emulator denied."""
        return noted(self.logs_folder / emulator.DENIALS)


@dataclass(frozen=True)
class Stage:
    """A stage of a run's start, with the time that it took."""

    name: str
    seconds: float


class LocalRun(Product):
    """Starts all programs on entering, and ends them on leaving."""

    def __init__(
        self,
        *,
        folder: Path | None = None,
        practice: bool = True,
        rest_seconds: float = 1.0,
        adjust: Callable[[dict[str, Any]], None] | None = None,
        count_calls: bool = False,
        report: Callable[[str, Stage | None], None] = lambda _name, _stage: None,
    ) -> None:
        """Prepare a run.

        `folder` is for logs (default: a new one under `.build/local`). `practice` starts the local practice. `adjust`
        may change the synthesized template, to try a fault. `count_calls` records the functions' calls to AWS.
        `report` is called with a stage's name at the start (with None) and at the end.
        """
        self.folder = folder or _new_folder()
        self.stages: list[Stage] = []
        self.supervisor = SupervisorClient(self.folder / "scratch", self.folder / "logs")
        self._with_practice = practice
        self._rest_seconds = rest_seconds
        self._adjust = adjust
        self._count_calls = count_calls
        self._report = report
        self._session: LocalSession | None = None
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="local-run")

    def __enter__(self) -> Self:
        self.supervisor.__enter__()
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def stay(self, file: Path) -> int:
        """Detach the run from this process and write the state. SIGTERM to the returned process ends the run."""
        self.state.write(file)
        self.supervisor.start(
            "schedules",
            [sys.executable, "-m", "infra.local.schedules", file],
            environment=emulator.clean_environment(self.supervisor.scratch) | {"PYTHONPATH": str(ROOT)},
            directory=ROOT,
        )
        supervisor_process = self.supervisor.stay()
        self.state = State(**(vars(self.state) | {"supervisor_process": supervisor_process}))
        self.state.write(file)
        return supervisor_process

    def release(self, source: Path) -> None:
        """Deploy another checkout of the product over the running one, like the next version.

        A new mailbox's secret has no valid value yet: see `put_credentials`.

        Raises:
            ProgramFailedError: the synthesis failed.
            DeploymentFailedError: CloudFormation did not complete.

        """
        synthesized = synthesize(self.supervisor, account=emulator.ACCOUNT, region=emulator.REGION, source=source)
        parameters = {"MeshUrl": self.mesh_url, "PdsUrl": self.pds_url}
        deployment = update(self.session, synthesized, self._runtime, parameters=parameters)
        self.state = replace(self.state, deployment=deployment)

    def put_credentials(self) -> None:
        """Put the passwords of all sending mailboxes into the secrets, as a person does."""
        _put_credentials(self.session, self.outputs)

    def _end(self) -> None:
        self.supervisor.close()  # first, so that threads that wait for a program end as well
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._session is not None:
            self._session.close()

    def _start(self) -> None:
        template = self._threads.submit(self._synthesize)
        with self._stage("tools' environments"):
            tools = {tool: environment(tool, self.supervisor) for tool in TOOLS}
        mesh = self._threads.submit(self._start_mesh, tools["mesh"])
        pds = self._threads.submit(self._start_pds, tools["mesh"])
        with self._stage("AWS emulator"):
            access = emulator.start(self.supervisor, tools["emulator"], count_calls=self._count_calls)
        synthesized = _result(template)
        mesh_url, pds_url = _result(mesh), _result(pds)
        if self._adjust is not None:
            self._adjust(synthesized.template)
        session = self._session = LocalSession(access)
        with self._stage("stack"):
            runtime = Runtime(tools["runtime"], logs=self.folder / "logs", marks=self.folder / "marks")
            deployment = deploy(session, synthesized, runtime, parameters={"MeshUrl": mesh_url, "PdsUrl": pds_url})
        self._runtime = runtime
        with self._stage("credentials"):
            _put_credentials(session, deployment.outputs)
            session.client("secretsmanager").put_secret_value(
                SecretId=deployment.outputs["PdsSecretName"], SecretString=self._pds_secret.read_text()
            )
        super().__init__(
            session,
            State(
                folder=self.folder,
                scratch=self.supervisor.scratch,
                access=access,
                deployment=deployment,
                mesh_url=mesh_url,
                pds_url=pds_url,
                emulator_process=self.supervisor.process(emulator.NAME),
                rest_seconds=self._rest_seconds,
            ),
        )
        if self._with_practice:
            with self._stage("practice"):
                self._start_practice(mesh_url)

    def _synthesize(self) -> Synthesized:
        with self._stage("synthesis"):
            return synthesize(self.supervisor, account=emulator.ACCOUNT, region=emulator.REGION)

    def _start_mesh(self, tool: Environment) -> str:
        with self._stage("MESH"):
            self.supervisor.start(
                "mesh",
                [tool.python, "-m", "infra.local.mesh", "--community", COMMUNITY],
                environment=emulator.clean_environment(self.supervisor.scratch) | {"PYTHONPATH": str(ROOT)},
                directory=self.supervisor.scratch,
            )
            return self._ready_line("mesh").removeprefix("ready ")

    def _start_pds(self, tool: Environment) -> str:
        with self._stage("PDS"):
            self.supervisor.start(
                "pds",
                [tool.python, "-m", "infra.local.pds", "--secret", self._pds_secret],
                environment=emulator.clean_environment(self.supervisor.scratch) | {"PYTHONPATH": str(ROOT)},
                directory=self.supervisor.scratch,
            )
            return self._ready_line("pds").removeprefix("ready ")

    @property
    def _pds_secret(self) -> Path:
        """File to which the local PDS writes the application's secret."""
        return self.supervisor.scratch / "pds.json"

    def _start_practice(self, mesh_url: str) -> None:
        self.supervisor.start(
            "practice",
            [
                *(sys.executable, "-m", "infra.local.practice", "--mesh-url", mesh_url, "--community", COMMUNITY),
                *(option for mailbox in RESPONDING for option in ("--mailbox", mailbox)),
                *("--keep", self.folder / "practice"),
            ],
            environment=emulator.clean_environment(self.supervisor.scratch) | {"PYTHONPATH": str(ROOT)},
            directory=self.supervisor.scratch,
        )
        self._ready_line("practice")

    def _ready_line(self, name: str) -> str:
        """Wait until a program prints a line that begins with `ready`, and return the line."""
        ready_lines: list[str] = []

        def ready() -> bool:
            with suppress(FileNotFoundError):
                lines = self.supervisor.log(name).read_text(errors="replace").splitlines()
                ready_lines[:] = [line for line in lines if line.startswith("ready")]
            return bool(ready_lines)

        self.supervisor.wait_until(name, ready, seconds=60)
        return ready_lines[0]

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._report(name, None)
        begin = time.monotonic()
        yield
        stage = Stage(name, time.monotonic() - begin)
        self.stages.append(stage)
        self._report(name, stage)


def _new_folder() -> Path:
    """Return a new folder for a run's logs, and delete the oldest ones."""
    runs = BUILD / "local"
    for old in sorted(runs.glob("2*-*"))[:-KEPT_RUNS]:
        if not supervisor_lives(old / "logs" / "supervisor.lock"):
            shutil.rmtree(old, ignore_errors=True)
    return runs / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"


def _result(future: Future[T]) -> T:
    """Wait for a thread's result in short steps, so that Ctrl-C works."""
    while True:
        try:
            return future.result(timeout=0.2)
        except TimeoutError:
            if future.done():
                return future.result()


def _put_credentials(session: LocalSession, outputs: Mapping[str, str]) -> None:
    """Put the community's passwords into the secrets; on AWS a person does it."""
    secrets_manager = session.client("secretsmanager")
    community = json.loads(COMMUNITY.read_text())
    sending = {
        parameter["Name"].rsplit("/", 1)[-1]
        for page in session.client("ssm")
        .get_paginator("get_parameters_by_path")
        .paginate(Path=outputs["MailboxParameters"])
        for parameter in page["Parameters"]
    }
    passwords = {mailbox["id"]: mailbox["password"] for mailbox in community["mailboxes"]}
    if missing := sending - set(passwords):
        raise LocalRunError(f"{COMMUNITY} has no password for: {', '.join(sorted(missing))}")
    for mailbox in sorted(sending):
        secrets_manager.put_secret_value(
            SecretId=f"{outputs['MailboxSecrets']}/{mailbox}", SecretString=json.dumps({"password": passwords[mailbox]})
        )
    secrets_manager.put_secret_value(
        SecretId=outputs["MeshSecretName"], SecretString=json.dumps({"shared_key": community["shared_key"]})
    )
    # The same secret in every run, so that the documentation can name the samples' messages.
    secrets_manager.put_secret_value(
        SecretId=outputs["IdentifiersSecretName"], SecretString=json.dumps({"secret": community["identifiers_secret"]})
    )
