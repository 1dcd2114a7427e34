"""The README's tables: those that the code writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.readme_docs import PAGE, images_table, page, settings_tables
from builder.settings_table import ESSENTIAL, settings


@pytest.mark.real
def test_the_tables_are_those_that_the_code_writes() -> None:
    text = PAGE.read_text("utf-8")

    assert page(text) == text, "run `make docs`"


@pytest.mark.real
def test_what_stood_between_the_marks_is_written_anew_and_nothing_else() -> None:
    text = PAGE.read_text("utf-8")
    altered = text.replace(settings_tables(), "old\n").replace(images_table(), "older\n")

    assert altered != text
    assert page(altered) == text


def test_every_setting_is_shown_once_and_what_most_set_is_not_folded_away() -> None:
    shown, folded = settings_tables().split("<details>")
    for setting in settings():
        row = f"`{setting.variable}` | "
        assert (row in shown, row in folded) == (setting.is_essential, not setting.is_essential)
    assert shown.count("\n`") == len(ESSENTIAL)


@pytest.mark.parametrize(
    "text",
    [
        "no marks",
        "<!-- settings: written by `make docs` -->\n",
        "<!-- settings: written by `make docs` -->\n<!-- end of settings -->\n" * 2,
    ],
)
def test_a_page_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must have <!-- settings.* once each"):
        page(text)


@pytest.mark.real
def test_each_image_has_its_models_and_sizes(root: Path) -> None:
    bake = (root / "docker-bake.hcl").read_text("utf-8")
    rows = [row.split(" | ") for row in images_table().splitlines()[2:]]

    assert len(rows) == bake.count("\n  inherits = ")
    for tag, _, _, unpacked, pulled in rows:
        assert f"target {tag.replace('`', chr(34))}" in bake
        assert int(unpacked.split()[0]) > int(pulled.split()[0]) > 0
