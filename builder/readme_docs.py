"""Writes the README's tables that follow from the code: settings, and images with their sizes.

`python -m builder.readme_docs` writes them between their marks; a test holds the page against the
code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from src.pipelines.loader import quieten_libraries

from . import embedded, image_sizes
from .settings_table import Setting, settings

PAGE = Path(__file__).parent.parent / "README.md"

SETTINGS_HEAD = "variable | default | meaning\n---|---|---\n"
IMAGES_HEAD = (
    "tag | models, besides the embedded `demo` | weights | image | to be pulled\n"
    "---|---|---|---|---\n"
)


def page(text: str) -> str:
    """The README with its tables as the code has them; raises ValueError where a mark is not."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}: written by `make docs` -->\n", f"<!-- end of {name} -->"
        if (text.count(begin), text.count(end)) != (1, 1):
            raise ValueError(f"README.md: must have {begin.strip()} and {end} once each")
        before, _, rest = text.partition(begin)
        text = before + begin + table() + end + rest.partition(end)[2]
    return text


def settings_tables() -> str:
    """What most deployments set, and folded away below it every other setting."""
    first = [entry for entry in settings() if entry.is_essential]
    others = [entry for entry in settings() if not entry.is_essential]
    return (
        f"{SETTINGS_HEAD}{''.join(_setting_rows(first))}\n"
        f"<details><summary>All the others</summary>\n\n"
        f"{SETTINGS_HEAD}{''.join(_setting_rows(others))}\n</details>\n"
    )


def _setting_rows(entries: list[Setting]) -> Iterator[str]:
    for entry in entries:
        text = entry.default_text
        default = f"`{text}`" if text else ""
        yield f"`{entry.variable}` | {default} | {entry.meaning}\n"


def images_table() -> str:
    """Each tag of docker-bake.hcl, with what is in it and how large it is."""
    return IMAGES_HEAD + "".join(_image_rows())


def _image_rows() -> Iterator[str]:
    for target, models in image_sizes.targets().items():
        weights = image_sizes.weights_bytes(models) / 1e9
        names = ", ".join(f"`{model}`" for model in models) or "none"
        unpacked = weights + image_sizes.LIBRARIES_GB
        pulled = weights + image_sizes.LIBRARIES_COMPRESSED_GB
        shown = f"{weights:.0f} GB" if models else f"{embedded.size() / 1e6:.0f} MB"
        yield f"`{target}` | {names} | {shown} | {unpacked:.0f} GB | {pulled:.0f} GB\n"


TABLES: dict[str, Callable[[], str]] = {"settings": settings_tables, "images": images_table}


if __name__ == "__main__":
    quieten_libraries()
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
