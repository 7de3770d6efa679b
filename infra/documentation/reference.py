"""Write the reference pages, and the request's JSON Schema: `make reference`."""

import json
import tempfile
from pathlib import Path
from typing import Any

from aws_cdk import App

from infra import app as command
from infra import environments
from infra.documentation.pages import FROM_CODE, FROM_TEMPLATE, published
from infra.documentation.request_schema import PUBLISHED, request_schema


def main() -> None:
    """Write every page and the schema."""
    PUBLISHED.write_text(request_schema(), encoding="utf-8")
    template = _production()
    written = {name: write() for name, write in FROM_CODE.items()}
    written |= {name: write(template) for name, write in FROM_TEMPLATE.items()}
    for name, text in written.items():
        published(name).parent.mkdir(parents=True, exist_ok=True)
        published(name).write_text(text, encoding="utf-8")


def _production() -> Any:
    """Return production's template, from the sample configuration."""
    configuration = environments.load("prod")
    with tempfile.TemporaryDirectory() as folder:
        app = App(context=command.cdk_context(), outdir=folder)
        command.build(configuration, app)
        app.synth()
        path = Path(folder) / f"{command.stack_name(configuration)}.template.json"
        return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
