"""Calls that IAM denied, stored as JSON lines."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Denial:
    """A call that the caller's permissions did not allow."""

    who: str
    """ARN of the caller: a function's session names the role, then the function."""
    action: str
    resource: str
    """ARN without an object's key, which senders choose."""

    @property
    def role(self) -> str:
        """Name of the caller's role; empty if the caller has none."""
        return self.who.split("/")[1] if ":assumed-role/" in self.who else ""

    def __str__(self) -> str:
        caller = " / ".join(self.who.rsplit(":", 1)[-1].split("/")[1:])
        return f"{caller} may not {self.action}" + (f" on {self.resource}" if self.resource else "")

    @classmethod
    def of(cls, who: str, action: str, resource: str) -> Self:
        """Make a denial of a call; the object's key is removed."""
        return cls(who, action, resource.split("/", 1)[0] if ":s3:::" in resource else resource)


def note(denial: Denial, file: Path) -> None:
    """Append a denial to a file."""
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(denial)) + "\n")


def noted(file: Path, after: int = 0) -> list[Denial]:
    """Return the different denials in a file, in order, without the first `after` lines. No file: none."""
    lines = file.read_text().splitlines()[after:] if file.exists() else []
    return list(dict.fromkeys(Denial(**json.loads(line)) for line in lines))
