"""Writes docs/settings.md from the table of settings, so that what is documented is what is read.

`python -m builder.settings_docs` writes it; a test holds the page against the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from .settings_table import Setting, platform, settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

INTRODUCTION = """\
# Settings

<!-- Written by `make docs` from src/config.py; edits here are lost. -->

Each is an environment variable of the worker. A value that is not of its type, or outside its
rule, keeps the worker from starting, with a message that names it.

| variable | default | values | meaning |
|---|---|---|---|
"""

PLATFORM = """\

What RunPod sets for its workers by itself, and this one reads as well:

| variable | default | values | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + table(settings()) + PLATFORM + table(platform())


def table(entries: Iterable[Setting]) -> str:
    """The rows of settings, in their order."""
    return "".join(f"{row}\n" for row in _rows(entries))


def _rows(entries: Iterable[Setting]) -> Iterator[str]:
    for entry in entries:
        text = entry.default_text
        default = "unset" if text is None else f"`{text}`"
        yield f"| `{entry.variable}` | {default} | {entry.values_text} | {entry.meaning} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
