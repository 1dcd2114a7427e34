"""One file a family: a record of what its pipelines take, and the lines that differ.

A file that is put here is found by its name; it is also the manifest's word for the family.
None imports torch at its top, so that the records can be read without it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ..family import Family


def _found() -> dict[str, Family]:
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").FAMILY for name in names}


#: Every family, by the name that the manifest uses.
FAMILIES: dict[str, Family] = _found()
