"""LocalAI's and vLLM-Omni's own documents: each example body as it is written there.

What vLLM-Omni's clients send is a form, in which every value is text; a file comes as a data URI.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from src.dialects import detect
from src.dialects.extras import DEFAULTS

HERE = Path(__file__).parent
GOLDEN = [
    (endpoint, path)
    for endpoint, folder in (("/video", "localai"), ("/v1/videos", "openai"))
    for path in sorted((HERE / folder / "golden").glob("*.json"))
]


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """What somebody said, as JSON has it."""
    written: dict[str, Any] = json.loads(json.dumps(record))
    return {key: value for key, value in written.items() if value not in (None, [])}


@pytest.mark.parametrize(
    ("endpoint", "path"), GOLDEN, ids=[f"{path.parts[-3]}-{path.stem}" for _, path in GOLDEN]
)
def test_the_example_body_is_understood(endpoint: str, path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    body = document["body"] | {"endpoint": endpoint}
    request = detect(body).decode_request(body)

    assert request.defaults == DEFAULTS
    assert request.warnings == ()
    record = {key: value for key, value in asdict(request).items() if key != "defaults"}
    record.pop("field_names")
    record["parameters"] = plain(record["parameters"])
    record["delivery"] = plain(record["delivery"])
    assert plain(record) == document["request"]


def test_all_the_examples_are_there() -> None:
    assert len(GOLDEN) == 6
