"""ModelsLab's own documents: their example bodies in, their example answers out."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from src.dialects import detect
from src.generation import GenerationRequest, GenerationResult

GOLDEN = Path(__file__).parent / "golden"
ENDPOINTS = ("text2video", "img2video", "video2video")


def golden(endpoint: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((GOLDEN / f"{endpoint}.json").read_text("utf-8"))
    return document


def plain(request: GenerationRequest) -> Any:
    """A request as JSON has it, without what nobody said."""
    record = json.loads(json.dumps(asdict(request)))
    for part in ("parameters", "defaults", "delivery"):
        record[part] = {key: value for key, value in record[part].items() if value is not None}
    record.pop("field_names")
    return {key: value for key, value in record.items() if value not in (None, [])}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("said", [True, False])
def test_the_example_body_is_understood(endpoint: str, *, said: bool) -> None:
    document = golden(endpoint)
    body = document["body"] | ({"endpoint": endpoint} if said else {})
    assert plain(detect(body).decode_request(body)) == document["request"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_example_answer_is_given(
    endpoint: str, finish: Callable[..., GenerationResult]
) -> None:
    document = golden(endpoint)
    example, body = document["answer"], document["answered_body"]
    dialect = detect(body)
    result = finish(
        dialect.decode_request(body),
        used=example["meta"].keys(),
        file_prefix=example["meta"]["file_prefix"],
        output=example["output"][0],
        proxy_links=tuple(example["proxy_links"]),
    )
    answer = dialect.encode_response(result)

    extra = {"warnings": answer.pop("warnings"), "timings": answer.pop("timings")}
    meta = answer["meta"]
    assert list(answer) == list(example)
    assert {key: type(value) for key, value in answer.items()} == {
        key: type(value) for key, value in example.items()
    }
    assert {key: meta[key] for key in example["meta"]} == example["meta"]
    assert {key: type(meta[key]) for key in example["meta"]} == {
        key: type(value) for key, value in example["meta"].items()
    }
    assert list(meta) == sorted(meta)
    more = {"output_width", "output_height", "output_num_frames", "output_fps"}
    assert set(meta) - set(example["meta"]) <= more | {"base64", "output_type"}
    assert answer | {"id": example["id"], "meta": example["meta"]} == example
    assert extra == {
        "warnings": [],
        "timings": {"fetch": 0.123, "load": 1.0, "generate": 6.0, "encode": 0.2, "store": 0.3},
    }
