"""The pages about the APIs say what the wire models check."""

import json
import re
from pathlib import Path

import pytest

from builder.api_docs import PAGES, main
from src.dialects import LOCALAI_ONLY, OPENAI_ONLY, detect, localai, modelslab, openai
from src.dialects.extras import Extras

FIELDS = {
    "api.md": modelslab.FIELDS | LOCALAI_ONLY | OPENAI_ONLY,
    "api-localai.md": localai.FIELDS | Extras.model_fields.keys(),
    "api-openai.md": openai.FIELDS | Extras.model_fields.keys(),
}
each = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)


@each
def test_the_page_is_the_one_that_the_models_write(path: Path) -> None:
    assert path.read_text("utf-8") == PAGES[path](), "run `make docs`"


def test_a_page_that_is_out_of_date_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "api.md"
    monkeypatch.setattr("builder.api_docs.PAGES", {page: lambda: "new"})

    assert main(["--check"]) == 1
    assert "docs/api.md is out of date" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert page.read_text("utf-8") == "new"


@each
def test_the_page_tells_every_field(path: Path) -> None:
    written = PAGES[path]()
    missing = [name for name in FIELDS[path.name] if f"`{name}`" not in written]
    assert missing == []


@each
def test_the_example_s_job_can_be_sent_and_its_answer_leads_to_a_video(path: Path) -> None:
    examples = re.findall(r"```json\n(.*?)```", PAGES[path](), re.DOTALL)
    job, answer, failure = (json.loads(text) for text in examples)
    dialect = detect(job["input"])

    assert dialect.decode_request(job["input"]).model == "cogvideox"
    assert dialect.outcome(answer).video.startswith("https://videos.example.com/")
    assert " must be " in failure["message"]
