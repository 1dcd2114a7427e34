"""What the README shows is what the worker does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from src.bootstrap import build_worker
from src.config import Settings
from src.manifest import load_manifest
from src.pipelines import FAMILIES
from tests.fakes import HeardProgress


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text("utf-8")


def json_blocks(text: str) -> list[Any]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]


@pytest.mark.real
async def test_the_request_gets_the_answer_that_stands_below_it(
    readme: str, tiny_models: Path, tmp_path: Path
) -> None:
    job, shown, _ = json_blocks(readme)
    settings = Settings(models_dir=tiny_models, output_dir=tmp_path, device="cpu")
    worker = build_worker(settings, progress=HeardProgress())
    answer = await worker.handle({"id": "local_test", **job})

    assert answer["meta"] == shown["meta"]
    assert answer["warnings"] == shown["warnings"]
    assert answer["id"] == shown["id"]
    assert answer.keys() == shown.keys()
    assert answer["timings"].keys() == shown["timings"].keys()
    assert Path(shown["output"][0]).name == Path(answer["output"][0]).name


async def test_the_failure_is_the_one_that_stands_there(readme: str, tiny_models: Path) -> None:
    job, _, failure = json_blocks(readme)
    worker = build_worker(Settings(models_dir=tiny_models), progress=HeardProgress())
    answer = await worker.handle({"id": "local_test", "input": job["input"] | {"width": 321}})

    assert answer == failure | {"error": failure["message"]}


def test_every_family_is_named_by_a_model_that_there_is(readme: str) -> None:
    named = [entry for entry in load_manifest() if f"`{entry.id}`" in readme]

    assert {entry.family for entry in named} == set(FAMILIES)


def test_every_page_that_it_leads_to_is_there(readme: str, root: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", readme)

    assert links
    assert [link for link in links if not (root / link).exists()] == []


def test_every_command_is_in_the_makefile(readme: str, root: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"make ([a-z-]+)", readme)) <= set(targets)
