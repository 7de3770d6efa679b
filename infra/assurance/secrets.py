"""Look for secrets in the sources that git tracks: `python -m infra.assurance.secrets`.

It finds private keys, tokens and service keys by their form. The linter finds passwords in program text (ruff's rules
S105 to S107), so invented words in tests and samples need no list of exceptions.
"""

import json
import subprocess
import sys

from infra.assurance.tools import PROJECT, run

_NOT_BY_FORM = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector")
_SOURCES = ("*", ":!*.pdf", ":!*.png", ":!*.ttf", ":!*requirements*.txt")


def sources() -> list[str]:
    """Return the files that git tracks, without pictures, fonts, documents and locks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *_SOURCES], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name]


def secrets_in(files: list[str]) -> list[str]:
    """Return a line for every suspected secret: file, line and kind, but never the secret."""
    disabled = [argument for plugin in _NOT_BY_FORM for argument in ("--disable-plugin", plugin)]
    report = json.loads(run("secrets", "detect-secrets", "scan", "--no-verify", *disabled, *files))
    return [
        f"{file}:{secret['line_number']}: {secret['type']}"
        for file, secrets in sorted(report["results"].items())
        for secret in secrets
    ]


def main() -> int:
    """Check all files; return 0 if there is no suspicion."""
    files = sources()
    lines = secrets_in(files)
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    if not lines:
        sys.stdout.write(f"{len(files)} files hold no secret.\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
