"""The operators' package is installed without a checkout, also on Windows: what it imports must be there, too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gpcm

FORBIDDEN = ("infra", "tests", "aws_cdk", "constructs", "fcntl", "pwd", "resource", "termios")
FILES = sorted(Path(next(iter(gpcm.__path__))).rglob("*.py"))


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module)


def test_it_imports_nothing_of_the_local_run_of_cdk_or_of_one_operating_system() -> None:
    names = {(file.name, name) for file in FILES for name in imported(file)}
    assert len(FILES) > 30
    assert {"gpcm.environment", "botocore.session", "gpconnect_messaging.storage"} <= {name for _, name in names}
    assert not [found for found in names if found[1].split(".")[0] in FORBIDDEN]
