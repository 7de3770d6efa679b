"""Each environment is synthesized once a run."""

import pytest

from infra import environments
from tests.infra.templates import Template, production, synthesize


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """Every environment's template, and that of an invented production, by name."""
    configurations = [*(environments.load(name) for name in environments.names()), production()]
    return {
        configuration.name: synthesize(configuration, tmp_path_factory.mktemp(configuration.name))
        for configuration in configurations
    }


@pytest.fixture(params=[*environments.names(), "prod"])
def template(request: pytest.FixtureRequest, templates: dict[str, Template]) -> Template:
    """One environment's template; a test that asks for it runs for each."""
    return templates[request.param]


@pytest.fixture
def local(templates: dict[str, Template]) -> Template:
    """The template that the local run creates."""
    return templates["local"]


@pytest.fixture
def prod(templates: dict[str, Template]) -> Template:
    """The template of the invented production."""
    return templates["prod"]
