"""The Hub's files: those that the code writes, and in the form that the Hub's guide gives."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from packaging.requirements import Requirement
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from builder.hub_files import CUDA_VERSIONS, LEFT_OUT, ROOT, hub, self_tests, texts
from builder.settings_table import ESSENTIAL, settings
from src.config import Settings
from src.dialects import DEFAULT


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)


class Option(Strict):
    label: str
    value: str


class Input(Strict):
    name: str
    type: Literal["string", "number", "boolean", "huggingface"]
    description: str
    default: str | float | bool | None = None
    required: bool = False
    advanced: bool = False
    options: list[Option] | None = None
    min: float | None = None
    max: float | None = None
    true_value: str | None = None
    false_value: str | None = None


class Env(Strict):
    key: str = Field(pattern="^[A-Z][A-Z0-9_]*$")
    input: Input


class HubConfig(Strict):
    runs_on: Literal["GPU", "CPU"]
    container_disk_in_gb: int = Field(gt=0)
    gpu_count: int
    gpu_ids: str
    allowed_cuda_versions: list[str]
    env: list[Env]


class Hub(Strict):
    title: str
    description: str
    type: Literal["serverless"]
    category: Literal["audio", "embedding", "language", "video", "image"]
    config: HubConfig


class SelfTest(Strict):
    name: str
    input: dict[str, object]
    timeout: int


class PlainEnv(Strict):
    key: str
    value: str


class SelfTestsConfig(Strict):
    gpu_type_id: str
    gpu_count: int
    env: list[PlainEnv]
    allowed_cuda_versions: list[str]


class SelfTests(Strict):
    tests: list[SelfTest] = Field(min_length=1)
    config: SelfTestsConfig


POOLS = {
    "AMPERE_16", "AMPERE_24", "ADA_24", "AMPERE_48", "ADA_48_PRO", "AMPERE_80", "ADA_80_PRO",
    "HOPPER_141", "ADA_32_PRO",
}  # fmt: skip


def test_the_files_are_those_that_the_code_writes() -> None:
    for path, text in texts().items():
        assert path.read_text("utf-8") == text, "run `make docs`"


def test_they_have_the_form_that_the_hub_reads() -> None:
    Hub.model_validate(hub())
    SelfTests.model_validate(self_tests())


def test_every_setting_is_in_the_form_or_left_out_for_a_reason() -> None:
    variables = {setting.variable for setting in settings()}
    keys = [entry["key"] for entry in hub()["config"]["env"]]

    assert variables >= LEFT_OUT
    assert set(keys) == variables - LEFT_OUT
    assert len(set(keys)) == len(keys)


def test_the_form_folds_away_what_few_deployments_set() -> None:
    shown = {e["key"] for e in hub()["config"]["env"] if not e["input"].get("advanced")}

    assert shown == {name.upper() for name in ESSENTIAL}


def test_what_the_form_gives_by_default_is_what_the_worker_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = Settings()
    for entry in hub()["config"]["env"]:
        monkeypatch.setenv(entry["key"], str(entry["input"].get("default", "")))

    assert Settings() == usual


def test_every_gpu_pool_is_one_of_the_hubs() -> None:
    assert set(hub()["config"]["gpuIds"].split(",")) <= POOLS


def test_the_self_test_is_a_request_for_the_embedded_model() -> None:
    (test,) = self_tests()["tests"]

    assert DEFAULT.decode_request(test["input"]).model == "demo"
    assert test["input"] == json.loads((ROOT / "test_input.json").read_text())["input"]


def test_the_cuda_that_is_asked_for_goes_with_the_torch_that_is_pinned() -> None:
    lines = (ROOT / "builder" / "requirements.txt").read_text().splitlines()
    pinned = [Requirement(line.partition("#")[0]) for line in lines if line.startswith("torch==")]

    # torch 2.13.0's wheel requires cuda-toolkit 13.0.3; another torch needs another look.
    assert [str(item.specifier) for item in pinned] == ["==2.13.0"]
    assert CUDA_VERSIONS == ["13.0"]
