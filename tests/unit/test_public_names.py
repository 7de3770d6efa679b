"""The library's public names, which are imported when they are first used."""

import pytest

import gpconnect_messaging


@pytest.mark.parametrize("name", gpconnect_messaging.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(gpconnect_messaging, name).__name__ == name


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gpconnect_messaging.nothing


def test_each_public_name_has_its_module() -> None:
    assert sorted(gpconnect_messaging._MODULES) == gpconnect_messaging.__all__
