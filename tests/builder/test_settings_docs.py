from builder.settings_docs import PAGE, page
from src.config import Settings


def test_the_page_is_the_one_that_the_settings_write() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_the_page_tells_every_setting_with_its_default() -> None:
    for name, field in Settings.model_fields.items():
        assert f"| `{name.upper()}` |" in page()
        assert field.description
