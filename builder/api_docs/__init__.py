"""Writes the pages about the APIs from the wire models, so that what they say is what is checked.

`python -m builder.api_docs` writes them; with `--check` it only says whether they are up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from . import localai, modelslab, openai

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGES: Mapping[Path, Callable[[], str]] = {
    DOCS / "api.md": modelslab.page,
    DOCS / "api-openai.md": openai.page,
    DOCS / "api-localai.md": localai.page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check tell whether they are those that would be written."""
    if "--check" not in arguments:
        for path, page in PAGES.items():
            path.write_text(page(), "utf-8")
        return 0
    stale = [
        path.name
        for path, page in PAGES.items()
        if not path.is_file() or path.read_text("utf-8") != page()
    ]
    for name in stale:
        print(f"docs/{name} is out of date: run `make docs`", file=sys.stderr)
    return 1 if stale else 0
