"""The commands of docs/deploy.md, held against what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from src.config import Settings

#: What RunPod's REST API takes, by its OpenAPI description.
TEMPLATE = {"name", "imageName", "isServerless", "containerDiskInGb", "env"}
ENDPOINT = {
    "name", "templateId", "computeType", "gpuTypeIds", "minCudaVersion", "workersMin",
    "workersMax", "idleTimeout", "flashboot", "executionTimeoutMs",
}  # fmt: skip


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "deploy.md").read_text("utf-8")


@pytest.fixture(scope="module")
def bodies(page: str) -> list[dict[str, Any]]:
    """What is posted, in its order."""
    return [json.loads(body) for body in re.findall(r"-d '(\{.*?\})'$", page, re.DOTALL | re.M)]


def test_every_target_and_argument_of_a_build_is_there(page: str, root: Path) -> None:
    bake = (root / "docker-bake.hcl").read_text("utf-8")
    docker = (root / "Dockerfile").read_text("utf-8")
    arguments = set(re.findall(r"^ARG (\w+)", docker, re.M))
    table = page.partition("argument | default")[2].partition("\n\n")[0]

    targets = set(re.findall(r"buildx bake (\w+)", page))
    assert targets
    assert [target for target in targets if f'target "{target}"' not in bake] == []
    given = set(re.findall(r"(?:--build-arg |\.args\.)(\w+)=", page))
    assert {"MODELS", "DEFAULT_MODEL"} <= given <= arguments
    assert set(re.findall(r"`([A-Z_]+)`", table.replace("`OUTPUT_DIR` or `STATE_DIR`", ""))) == (
        arguments
    )
    (stage,) = set(re.findall(r"--target (\w+)", page))
    assert f"FROM scratch AS {stage}\n" in docker


def test_every_module_and_link_is_there(page: str, root: Path) -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", page))
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page)
    anchors = re.findall(r"\]\(#([^)]+)\)", page)
    headings = [head.lower().replace(" ", "-") for head in re.findall(r"^#+ (.*)$", page, re.M)]

    assert {"src.bucket", "builder.fetch_models"} <= modules
    for module in modules:
        path = root / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    assert [link for link in links if not (root / "docs" / link).exists()] == []
    assert set(anchors) <= set(headings)


def test_what_is_posted_has_the_fields_that_the_platform_takes(
    bodies: list[dict[str, Any]],
) -> None:
    template, endpoint, job = bodies

    assert template.keys() == TEMPLATE
    assert endpoint.keys() == ENDPOINT
    assert job["input"]["endpoint"] == "text2video"


def test_the_template_s_variables_are_settings_and_its_timeouts_go_together(
    bodies: list[dict[str, Any]],
) -> None:
    template, endpoint, _ = bodies
    settings = {name.upper() for name in Settings.model_fields}
    platform = {"RUNPOD_INIT_TIMEOUT"}

    assert template["env"].keys() <= settings | platform
    assert float(template["env"]["JOB_TIMEOUT"]) * 1000 < endpoint["executionTimeoutMs"]
    assert endpoint["executionTimeoutMs"] > 600_000


def test_every_cost_is_seconds_times_price(page: str) -> None:
    table = page.partition("model | clip, steps | GPU")[2].partition("\n\n")[0]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]

    assert len(rows) >= 8
    for row in rows:
        price = float(row[3].removeprefix("$").removesuffix("/h"))
        assert float(row[5].removeprefix("$")) == pytest.approx(
            price / 3600 * float(row[4]), abs=0.0051
        ), row
