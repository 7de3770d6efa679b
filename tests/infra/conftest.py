"""Templates of all environments, synthesized once a run."""

import pytest

from infra import environments
from tests.infra.templates import Template, fortified, synthesize

SYNTHESIZED = ("dev", "local", "prod")
"""int is synthesized with the pipeline."""


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """The environments' templates, and that of a production with everything optional, by name."""
    configurations = {name: environments.load(name) for name in SYNTHESIZED} | {"fortified": fortified()}
    return {
        name: synthesize(configuration, tmp_path_factory.mktemp(name)) for name, configuration in configurations.items()
    }


@pytest.fixture(params=SYNTHESIZED)
def template(request: pytest.FixtureRequest, templates: dict[str, Template]) -> Template:
    """Template of an environment; a test that uses it runs for dev, local and prod."""
    return templates[request.param]


@pytest.fixture
def local(templates: dict[str, Template]) -> Template:
    """The template that the local run creates."""
    return templates["local"]


@pytest.fixture
def prod(templates: dict[str, Template]) -> Template:
    """The template of production."""
    return templates["prod"]


@pytest.fixture
def fortified_prod(templates: dict[str, Template]) -> Template:
    """The template of a production with everything optional."""
    return templates["fortified"]
