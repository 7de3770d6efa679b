"""The installed packages of a folder: name, version, licence, dependencies, and hashes from the lock."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

_LOCKED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+).*?(?=^[\w.-]+==|\Z)", re.MULTILINE | re.DOTALL)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Component:
    """A package. `licences` are the metadata's own words, in any form; `needs` are names of other packages."""

    name: str
    version: str
    licences: tuple[str, ...]
    needs: tuple[str, ...]
    hashes: tuple[str, ...] = ()
    """SHA-256 of the files that the lock allows, in hexadecimal digits."""


def canonical(name: str) -> str:
    """Return a package's name in the registry's normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(folder: Path, lock: str = "") -> list[Component]:
    """Return the packages of a folder by name, with the hashes from a lock."""
    hashes = {canonical(entry["name"]): tuple(sorted(_HASH.findall(entry[0]))) for entry in _LOCKED.finditer(lock)}
    packages = (_component(distribution, hashes) for distribution in distributions(path=[str(folder)]))
    return sorted(packages, key=lambda component: component.name)


def _component(distribution: Distribution, hashes: dict[str, tuple[str, ...]]) -> Component:
    name = canonical(distribution.metadata["Name"])
    return Component(
        name=name,
        version=distribution.version,
        licences=tuple(_licences(distribution)),
        needs=tuple(sorted(set(_needs(distribution.requires or ())))),
        hashes=hashes.get(name, ()),
    )


def _licences(distribution: Distribution) -> Iterator[str]:
    """Yield the licences in the most exact metadata field that has any."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        yield metadata["License-Expression"]
        return
    classifiers = [
        str(classifier).rsplit(" :: ", 1)[-1]
        for classifier in metadata.get_all("Classifier", [])
        if "License ::" in classifier
    ]
    stated = [classifier for classifier in classifiers if classifier != "OSI Approved"]
    if "License" in metadata and not stated:
        stated = [metadata["License"].strip().splitlines()[0]]
    yield from stated or ["not stated"]


def _needs(requirements: Iterable[str]) -> Iterator[str]:
    for requirement in requirements:
        specification, _, condition = requirement.partition(";")
        if "extra" not in condition and (name := re.match(r"[\w.-]+", specification)):
            yield canonical(name[0])
