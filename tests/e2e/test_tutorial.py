"""The tutorial, followed literally in a fresh clone of the repository, with a separate local run."""

from collections.abc import Iterator

import pytest

from tests.documented import Place, blocks, checkout, follow

TUTORIAL = "docs/tutorial.md"


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The folder beside a clean clone, where the tutorial begins."""
    place = checkout(tmp_path_factory.mktemp("tutorial"))
    (place.memory / "folder").write_text(str(place.folder.parent))
    yield place
    place.type(f"cd {place.folder} && .venv/bin/gpcm stop")


def test_every_command_of_the_tutorial_does_what_it_says(place: Place) -> None:
    for block in blocks(TUTORIAL):
        follow(place, block)
