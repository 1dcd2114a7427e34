"""The one table of settings, and the page that shows it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from builder.settings_docs import PAGE, page
from builder.settings_table import ESSENTIAL, Setting, platform, settings
from src import config
from src.config import Platform, Settings


def test_the_page_is_the_one_that_the_settings_write() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_every_variable_that_is_read_is_described_once() -> None:
    variables = [setting.variable for setting in [*settings(), *platform()]]
    read = [name.upper() for name in Settings.model_fields]
    read += [f"RUNPOD_{name.upper()}" for name in Platform.model_fields]

    assert variables == read
    assert len(set(variables)) == len(variables)
    assert [setting.variable for setting in [*settings(), *platform()] if not setting.meaning] == []
    for variable in variables:
        assert f"| `{variable}` |" in page()


def test_no_other_class_reads_the_environment() -> None:
    """One more would have to come into the table."""
    found = {
        item
        for item in vars(config).values()
        if inspect.isclass(item) and issubclass(item, BaseSettings)
    }

    assert found - {BaseSettings} == {Settings, Platform}


def test_every_essential_setting_is_one() -> None:
    assert Settings.model_fields.keys() >= ESSENTIAL


@pytest.mark.parametrize(
    ("variable", "kind", "default", "values"),
    [
        ("MODELS_DIR", Path, "/models", "path"),
        ("WARM_UP", bool, None, "`true` or `false`"),
        ("DEVICE", str, "auto", "`auto`, `cuda`, `cpu`"),
        ("MODEL_MEMORY_GB", float, None, "number above 0"),
        ("BUCKET_SECRET_ACCESS_KEY", str, None, "text"),
        ("BUCKET_URL_LIFETIME", int, "86400", "whole number from 60 to 604800"),
    ],
)
def test_a_setting_is_described_as_the_operator_writes_it(
    variable: str, kind: type, default: str | None, values: str
) -> None:
    found: Setting = next(item for item in settings() if item.variable == variable)

    assert found.kind is kind or issubclass(found.kind, kind)
    assert found.default_text == default
    assert found.values_text == values
