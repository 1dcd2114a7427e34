from builder.models_docs import PAGE, page
from src.manifest import load_manifest


def test_the_page_is_the_one_that_the_manifest_writes() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_everything_that_is_served_is_on_it() -> None:
    manifest = load_manifest()
    ids = [
        *(entry.id for entry in manifest.models),
        *(adapter.id for adapter in manifest.adapters),
        *(tool.id for tool in manifest.tools),
    ]

    written = page()

    assert [name for name in ids if f"| `{name}` |" not in written] == []
