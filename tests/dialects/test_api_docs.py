"""docs/api.md says what the wire models check."""

import json
import re

from builder.api_docs import PAGE, main, page
from src.dialects import detect
from src.dialects.modelslab.body import Img2Video, Text2Video, Video2Video


def test_the_page_is_the_one_that_the_models_write() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"
    assert main(["--check"]) == 0


def test_the_page_tells_every_field() -> None:
    written = page()
    for body in (Text2Video, Img2Video, Video2Video):
        for name in body.model_fields:
            assert f"| `{name}` |" in written


def test_the_example_s_job_can_be_sent() -> None:
    job, *_ = re.findall(r"```json\n(.*?)```", page(), re.DOTALL)
    body = json.loads(job)["input"]
    assert detect(body).decode_request(body).model == "cogvideox"
