"""What several tests of messages share."""

import pytest

from gpconnect_messaging.itk3 import supplied


@pytest.fixture
def any_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ready resources have extensions that nobody publishes: the test is about what stands in them."""
    monkeypatch.setattr(supplied, "unpublished", lambda _path, _content: iter(()))
