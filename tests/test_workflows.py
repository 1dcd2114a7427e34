"""GitHub's workflows, held against what is there: scripts, targets, modules, rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

NAMES = ["check.yml", "image.yml", "release.yml"]
#: Whose actions we run, and the form of the versions that we hold them to.
ACTION = re.compile(r"(?:actions|docker)/[a-z-]+@v\d+")
LOCAL = "./.github/workflows/"


def workflow(root: Path, name: str) -> dict[str, Any]:
    read: dict[Any, Any] = yaml.safe_load((root / ".github/workflows" / name).read_text("utf-8"))
    read["on"] = read.pop(True)  # `on` is a boolean in YAML 1.1
    return read


def steps(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in content["jobs"].values():
        yield from job.get("steps", [])


def absent(root: Path, command: str) -> set[str]:
    """What a command of a step names of ours and is not there."""
    make = re.findall(r"^([\w-]+):", (root / "Makefile").read_text("utf-8"), re.M)
    scripts = re.findall(r"(?<![\w./-])(\.\w+/[\w./-]+|[\w-]+/[\w./-]+\.(?:sh|py))", command)
    modules = re.findall(r"python -m (builder[\w.]*)", command)
    targets = re.findall(r"\bmake ([\w-]+)", command)
    return {
        *(script for script in scripts if not (root / script).is_file()),
        *(module for module in modules if not is_module(root, module)),
        *(target for target in targets if target not in make),
    }


def is_module(root: Path, module: str) -> bool:
    path = root / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_every_workflow_is_looked_at_here(root: Path) -> None:
    assert sorted(path.name for path in (root / ".github/workflows").iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_names_only_what_is_there(root: Path, name: str) -> None:
    content = workflow(root, name)
    called = [job["uses"] for job in content["jobs"].values() if "uses" in job]

    assert [absent(root, step.get("run", "")) for step in steps(content)].count(set()) == len(
        list(steps(content))
    )
    assert [path for path in called if not (root / path).is_file()] == []
    for target in baked(content):
        assert f'target "{target}" {{' in (root / "docker-bake.hcl").read_text("utf-8")


def baked(content: dict[str, Any]) -> Iterator[str]:
    for step in steps(content):
        if "bake-action" in step.get("uses", ""):
            named = step["with"]["targets"]
            yield from [] if "${{" in named else named.split(",")


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (".ci/run", set()),
        (".ci/walk", {".ci/walk"}),
        ("make lint tests", set()),
        ("make nothing", {"nothing"}),
        ("python -m builder.release_notes v1", set()),
        ("python -m builder.image_test", set()),
        ("python -m builder.absent", {"builder.absent"}),
        ("tests/run.sh", {"tests/run.sh"}),
    ],
)
def test_what_is_not_there_is_found(root: Path, command: str, names: set[str]) -> None:
    assert absent(root, command) == names


@pytest.mark.parametrize("name", NAMES)
def test_a_workflow_has_the_least_rights_ends_in_time_and_runs_once(root: Path, name: str) -> None:
    content = workflow(root, name)
    jobs = content["jobs"]

    assert content["permissions"] == {"contents": "read"}
    assert "${{ github.ref }}" in content["concurrency"]["group"]
    assert [
        key for key, job in jobs.items() if "steps" in job and "timeout-minutes" not in job
    ] == []
    rights = {key: job["permissions"] for key, job in jobs.items() if "permissions" in job}
    assert rights == ({"release": {"contents": "write"}} if name == "release.yml" else {})


@pytest.mark.parametrize("name", NAMES)
def test_an_action_is_held_to_a_major_version(root: Path, name: str) -> None:
    used = [step["uses"] for step in steps(workflow(root, name)) if "uses" in step]

    assert used
    assert [action for action in used if not ACTION.fullmatch(action)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_goes_where_it_is_used_and_no_host_is_named(root: Path, name: str) -> None:
    content = workflow(root, name)

    for step in steps(content):
        assert "secrets." not in step.get("run", "")
        assert "${{ github.event" not in step.get("run", "")  # others' words are no commands
    written = (root / ".github/workflows" / name).read_text("utf-8")
    assert re.findall(r"\b(?:[\w-]+\.)+(?:io|com|org|dev)\b", written) == []


def test_what_a_change_must_pass_is_what_a_release_passes(root: Path) -> None:
    release = workflow(root, "release.yml")["jobs"]

    for name in ("check", "image"):
        assert release[name]["uses"] == f"{LOCAL}{name}.yml"
        assert "workflow_call" in workflow(root, f"{name}.yml")["on"]
        assert f"needs.{name}.result == 'success'" in release["release"]["if"]
    assert release["images"]["needs"] == ["check", "image"]
    assert release["release"]["needs"] == ["check", "image", "images"]
    assert [step.get("run") for step in steps(workflow(root, "check.yml"))][-1] == ".ci/run"


def test_the_image_does_its_job_without_a_network(root: Path) -> None:
    (run,) = [
        step["run"] for step in steps(workflow(root, "image.yml")) if "docker run" in str(step)
    ]

    assert "--network none" in run
    assert run.split()[-1] == "worker-video:dev-demo"
    bake = (root / "docker-bake.hcl").read_text("utf-8")
    assert 'default = "worker-video"' in bake
    assert 'default = "dev"' in bake
