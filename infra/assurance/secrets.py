"""Look for secrets in the sources that git keeps: `python -m infra.assurance.secrets`.

By form: private keys, tokens and keys of services. Passwords in program text are the linter's (ruff's rules S105 to
S107), so that invented words in tests and samples need no list of exceptions.
"""

import json
import subprocess
import sys

from infra.assurance.tools import PROJECT, run

_NOT_BY_FORM = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector")
_SOURCES = ("*", ":!*.pdf", ":!*.png", ":!*.ttf", ":!*requirements*.txt")


def sources() -> list[str]:
    """Give the files that git keeps, but for pictures, fonts, documents and locks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *_SOURCES], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name]


def secrets_in(files: list[str]) -> list[str]:
    """Give a line for each suspected secret: where, and of what kind. Never the secret."""
    disabled = [argument for plugin in _NOT_BY_FORM for argument in ("--disable-plugin", plugin)]
    report = json.loads(run("secrets", "detect-secrets", "scan", "--no-verify", *disabled, *files))
    return [
        f"{file}:{secret['line_number']}: {secret['type']}"
        for file, secrets in sorted(report["results"].items())
        for secret in secrets
    ]


def main() -> int:
    """Look at everything; 0 when nothing is suspected."""
    files = sources()
    lines = secrets_in(files)
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    if not lines:
        sys.stdout.write(f"{len(files)} files hold no secret.\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
