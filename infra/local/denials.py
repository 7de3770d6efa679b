"""Calls that were refused for lack of permission, kept as lines of JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Denial:
    """A call that the caller's permissions did not allow."""

    who: str
    """ARN of the caller: a function's session names its role, then the function."""
    action: str
    resource: str
    """ARN; without an object's key, which senders choose."""

    @property
    def role(self) -> str:
        """The name of the caller's role; empty where it is none."""
        return self.who.split("/")[1] if ":assumed-role/" in self.who else ""

    def __str__(self) -> str:
        caller = " / ".join(self.who.rsplit(":", 1)[-1].split("/")[1:])
        return f"{caller} may not {self.action}" + (f" on {self.resource}" if self.resource else "")

    @classmethod
    def of(cls, who: str, action: str, resource: str) -> Self:
        """Make a denial of what was asked for; an object's key is left out."""
        return cls(who, action, resource.split("/", 1)[0] if ":s3:::" in resource else resource)


def note(denial: Denial, file: Path) -> None:
    """Append a denial to a file."""
    with file.open("a") as lines:
        lines.write(json.dumps(asdict(denial)) + "\n")


def noted(file: Path, after: int = 0) -> list[Denial]:
    """Return each different denial in a file, in order, `after` so many lines; none if there is no file."""
    lines = file.read_text().splitlines()[after:] if file.exists() else []
    return list(dict.fromkeys(Denial(**json.loads(line)) for line in lines))
