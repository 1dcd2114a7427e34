"""docs/gateway.md says what the gateway's settings are."""

from __future__ import annotations

import pytest

from builder.gateway_docs import PAGE, page
from builder.settings_table import gateway
from src.gateway.settings import GatewaySettings


def test_the_page_is_what_make_docs_writes() -> None:
    text = PAGE.read_text("utf-8")
    assert page(text) == text


def test_every_setting_stands_in_it_once() -> None:
    text = PAGE.read_text("utf-8")
    assert len(gateway()) == len(GatewaySettings.model_fields)
    for setting in gateway():
        assert text.count(f"| `{setting.variable}` |") == 1
        assert setting.meaning in text


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="once each"):
        page("# The gateway")
