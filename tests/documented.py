"""What the documentation tells its readers to type, and a place to type it in.

    ```console           each line after `$ ` is typed; what follows it, up to the next, is what is printed
    ```sh                the whole block is typed
    ```python            the whole block is run; a ```text block right below is what it prints
    ```json              is JSON
    ```diff              is applied to the checkout, which is then a git repository, and restored after the page

In what is printed `…` stands for anything within a line, and alone for any lines. A comment above a block may say
`<!-- ends with 1 -->`, `<!-- save as: FILE -->`, or `<!-- not run: REASON -->` with one of `REASONS`.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.examples import ROOT

REASONS = {
    "needs an AWS account": "the local run and the emulator stand in for one elsewhere: tests/integration/test_cdk.py",
    "needs a running product": "the tutorial has one, and types the same commands: tests/e2e/test_tutorial.py",
    "needs the repository's address": "a clean copy of the checkout stands in for the clone",
    "runs the tests": "this is one of them",
    "fetches packages": "tests/integration/test_library.py installs the library; CI sets up a clean clone",
    "starts what does not end": "a server that a person ends; tests of its own try the console",
}
"""Why a block may not be run, and what is tried instead. Another reason has to be argued for here."""

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"<!-- (not run:|save as:|ends with) ([^>]+?) -->")
_RUN = {"console", "sh", "python", "json", "diff"}
KINDS = _RUN | {"text", "mermaid", ""}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page. `printed` is what a Python block prints, None where the page does not say."""

    page: str
    line: int
    kind: str
    body: str = field(repr=False)
    not_run: str | None
    save_as: str | None
    status: int
    printed: str | None = field(repr=False)

    @property
    def where(self) -> str:
        """The page and its line."""
        return f"{self.page}:{self.line}"

    def commands(self) -> Iterator[tuple[str, str]]:
        """Each command of a console block, and what it prints."""
        parts = re.split(r"^\$ ", self.body, flags=re.MULTILINE)
        assert not parts[0].strip(), f"{self.where}: a console block begins with `$ `"
        for part in parts[1:]:
            command, _, printed = part.partition("\n")
            while command.endswith("\\"):
                more, _, printed = printed.partition("\n")
                command = f"{command[:-1]}{more.strip()}"
            yield command, printed


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page of the checkout, those that are run or could be."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        above = text[: match.start()].rstrip("\n").rpartition("\n")[2].strip()
        said = _COMMENT.fullmatch(above)
        says = {said[1]: said[2]} if said else {}
        following = re.match(r"\s*```text\n(.*?)^```$", text[match.end() :], re.MULTILINE | re.DOTALL)
        found.append(
            Block(
                page=page,
                line=text.count("\n", 0, match.start()) + 1,
                kind=match["kind"],
                body=re.sub(f"^{match['indent']}", "", match["body"], flags=re.MULTILINE),
                not_run=says.get("not run:"),
                save_as=says.get("save as:"),
                status=int(says.get("ends with", "0")),
                printed=following[1] if following and match["kind"] == "python" else None,
            )
        )
    return found


def agrees(expected: str, printed: str) -> bool:
    """Say whether what was printed is what the page says, `…` standing for anything."""
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line.strip() == "…" else _line_pattern(line) for line in expected.rstrip("\n").split("\n")
    )
    given = "\n".join(line.rstrip() for line in printed.rstrip("\n").split("\n")) + "\n"
    return not expected.strip() or re.fullmatch(pattern, given) is not None


def _line_pattern(line: str) -> str:
    # Columns are as wide as what stands in them, which differs: any run of spaces is one.
    words = [re.escape(part) for part in line.rstrip().split("…")]
    return re.sub(r"(?:\\ )+", r"[ ]+", "[^\n]*".join(words)) + r" *\n"


@dataclass(frozen=True)
class Place:
    """A clean checkout, with the development environment that `make setup` would have made, and a shell's memory."""

    folder: Path
    memory: Path

    def forget(self) -> None:
        """Begin as a new shell in the checkout does."""
        # What is this test run's own, credentials for AWS above all, is no reader's; nor is its terminal's width.
        own = ("AWS_", "PYTEST_", "GPCM_", "PYTHONPATH", "VIRTUAL_ENV", "MAKE", "CI", "COLUMNS")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        (self.memory / "environment.json").write_text(json.dumps(kept))
        (self.memory / "folder").write_text(str(self.folder))

    def type(self, command: str, seconds: float = 600) -> tuple[int, str]:
        """Type a command; give its status and what it printed. Folder and exported variables are remembered."""
        written = self.memory / "environment.json"
        remember = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))' > {written}"
        script = f"{command}\nstatus=$?\npwd > {self.memory}/folder\n{remember}\nexit $status"
        with subprocess.Popen(
            ["bash", "-c", script],
            cwd=(self.memory / "folder").read_text().strip(),
            env=json.loads((self.memory / "environment.json").read_text()),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        ) as typed:  # fmt: skip
            try:
                printed, _ = typed.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                # All that it started, and nothing else: a demonstration would go on by itself.
                os.killpg(typed.pid, signal.SIGTERM)
                raise
        return typed.returncode, printed

    def as_repository(self) -> None:
        """Make the checkout a git repository, so that a page can say what a change touches."""
        identity = "-c user.name=reader -c user.email=reader@example.org"
        status, printed = self.type(f"git init -q && git add -A && git {identity} commit -qm checkout")
        assert status == 0, printed

    def restore(self) -> None:
        """Undo the changes, and make the checkout a plain folder again."""
        status, printed = self.type(f"cd {self.folder} && git checkout -q . && git clean -fdq && rm -rf .git")
        assert status == 0, printed

    def run(self, program: str) -> tuple[int, str]:
        """Run a Python program."""
        file = self.memory / "program.py"
        file.write_text(program, encoding="utf-8")
        return self.type(f"python {file}")


def checkout(folder: Path) -> Place:
    """Make a place: the files that git would have, changed ones as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    work = folder / "gpconnect-messaging"
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, work / name)
    _borrow_environment(work)
    memory = folder / "memory"
    memory.mkdir()
    place = Place(work, memory)
    place.forget()
    return place


def _borrow_environment(work: Path) -> None:
    """Stand in for `make setup`: what is installed is this environment's, the folder is the checkout's own."""
    ours = Path(sys.prefix)
    (work / ".venv" / "bin").mkdir(parents=True)
    for name in ("lib", "include", "pyvenv.cfg"):
        if (ours / name).exists():
            (work / ".venv" / name).symlink_to(ours / name)
    for program in (ours / "bin").iterdir():
        if program.name != "gpcm":  # it finds its checkout by where it lies
            (work / ".venv" / "bin" / program.name).symlink_to(program)
    # Both only save time: what was installed for the local run, and for the functions' layer.
    for name in ("environments", "dependencies"):
        if (ROOT / ".build" / name).exists():
            (work / ".build").mkdir(exist_ok=True)
            (work / ".build" / name).symlink_to(ROOT / ".build" / name)
    (work / ".venv" / ".ready").touch()


def follow(place: Place, block: Block) -> None:
    """Do what a block says, and see that what happens is what the page says."""
    if block.not_run is not None:
        return
    if block.save_as is not None:
        file = Path((place.memory / "folder").read_text().strip()) / block.save_as
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.body, encoding="utf-8")
    if block.kind == "json":
        json.loads(block.body)
    elif block.kind == "diff":
        (place.memory / "change.diff").write_text(block.body, encoding="utf-8")
        _hold(block, block.body, "", *place.type(f"git apply {place.memory}/change.diff"))
    elif block.kind == "console":
        for command, printed in block.commands():
            _hold(block, command, printed, *place.type(command))
    elif block.kind == "sh":
        _hold(block, block.body, "", *place.type(f"set -e\n{block.body}"))
    elif block.kind == "python":
        _hold(block, block.body, block.printed or "", *place.run(block.body))


def _hold(block: Block, typed: str, expected: str, status: int, printed: str) -> None:
    assert status == block.status, f"{block.where}: {typed}\nended with {status}:\n{printed}"
    assert agrees(expected, printed), f"{block.where}: {typed}\nThe page says:\n{expected}\nIt prints:\n{printed}"
