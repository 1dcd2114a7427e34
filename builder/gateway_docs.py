"""Writes the table of settings in docs/gateway.md.

`python -m builder.gateway_docs` writes it between its marks; a test holds the page to the code.
"""

from __future__ import annotations

from pathlib import Path

from .settings_docs import table
from .settings_table import gateway

PAGE = Path(__file__).parent.parent / "docs" / "gateway.md"

BEGIN = "<!-- settings: written by `make docs` -->\n"
END = "<!-- end of settings -->"
HEAD = "| variable | default | values | meaning |\n|---|---|---|---|\n"


def page(text: str) -> str:
    """The page with its table as the code has it; raises ValueError where a mark is not."""
    if (text.count(BEGIN), text.count(END)) != (1, 1):
        raise ValueError(f"docs/gateway.md: must have {BEGIN.strip()} and {END} once each")
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + HEAD + table(gateway()) + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
