"""One file a family: a record of what its pipelines take, and the lines that differ.

A file that is put here is found by its name; it is also the manifest's word for the family. It is
imported when its record is asked for. None imports torch at its top, so that the records can be
read without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from ..family import Family


class _Found(Mapping[str, Family]):
    """The families of this folder."""

    def __init__(self) -> None:
        """Look for their files; none is imported yet."""
        self._names = sorted(module.name for module in iter_modules(__path__))

    def __getitem__(self, name: str) -> Family:
        if name not in self._names:
            raise KeyError(name)
        family: Family = import_module(f"{__name__}.{name}").FAMILY
        return family

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


#: Every family, by the name that the manifest uses.
FAMILIES: Mapping[str, Family] = _Found()
