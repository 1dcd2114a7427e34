from builder.models_docs import PAGE, page
from src.manifest import load_manifest


def test_the_page_is_the_one_that_the_manifest_writes() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_everything_that_is_served_is_on_it() -> None:
    manifest = load_manifest()
    served = (*manifest.models, *manifest.adapters, *manifest.tools)

    assert [line.id for line in served if f"| `{line.id}` |" not in page()] == []
