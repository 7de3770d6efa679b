"""The packages that are shipped, as installed: name, version, licence, what each needs, and the hashes of its lock."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

_LOCKED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+).*?(?=^[\w.-]+==|\Z)", re.MULTILINE | re.DOTALL)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Component:
    """One package. `licences` are as its metadata says them, in any form; `needs` are names of others."""

    name: str
    version: str
    licences: tuple[str, ...]
    needs: tuple[str, ...]
    hashes: tuple[str, ...] = ()
    """SHA-256 of each file that the lock allows, in hexadecimal digits."""


def canonical(name: str) -> str:
    """Give a package's name as the registry compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(folder: Path, lock: str = "") -> list[Component]:
    """Give the packages of a folder in order of their names, with the hashes that a lock gives them."""
    hashes = {canonical(entry["name"]): tuple(sorted(_HASH.findall(entry[0]))) for entry in _LOCKED.finditer(lock)}
    found = distributions(path=[str(folder)])
    return sorted((_component(each, hashes) for each in found), key=lambda component: component.name)


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
    """Give what the metadata says, from the most exact field that says anything."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        yield metadata["License-Expression"]
        return
    classifiers = [
        str(each).rsplit(" :: ", 1)[-1] for each in metadata.get_all("Classifier", []) if "License ::" in each
    ]
    stated = [each for each in classifiers if each != "OSI Approved"]
    if "License" in metadata and not stated:
        stated = [metadata["License"].strip().splitlines()[0]]
    yield from stated or ["not stated"]


def _needs(requirements: Iterable[str]) -> Iterator[str]:
    for requirement in requirements:
        specification, _, condition = requirement.partition(";")
        if "extra" not in condition and (name := re.match(r"[\w.-]+", specification)):
            yield canonical(name[0])
