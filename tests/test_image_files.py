"""What Dockerfile, .dockerignore and docker-bake.hcl say, held against what is there."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import grimp
import pytest

from src.config import Platform, Settings
from src.manifest import load_manifest

#: Variables that others than we read: Python, the Hub's client, NVIDIA's container runtime.
OTHERS = {
    "PATH",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "HF_HUB_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
}
#: Layers for models that the Dockerfile has.
MOST_MODELS = 8
#: The layer of what is written down of all of them.
RECORD = "/layers/record/"


@dataclass(frozen=True)
class Stage:
    name: str
    base: str
    steps: tuple[tuple[str, str], ...]

    def words(self, instruction: str) -> list[str]:
        return [words for name, words in self.steps if name == instruction]

    @property
    def variables(self) -> dict[str, str]:
        pairs = [pair for words in self.words("ENV") for pair in shlex.split(words)]
        return dict(pair.split("=", 1) for pair in pairs)


def instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in whole.splitlines() if line]


@pytest.fixture(scope="module")
def stages(root: Path) -> list[Stage]:
    found: list[Stage] = []
    for name, words in instructions((root / "Dockerfile").read_text("utf-8")):
        if name == "FROM":
            base, *alias = words.split()
            found.append(Stage(alias[-1] if alias else "", base, ()))
        elif found:
            last = found.pop()
            found.append(Stage(last.name, last.base, (*last.steps, (name, words))))
    return found


def is_in_context(root: Path, path: str) -> bool:
    """By the rules of .dockerignore: the last line that fits the path, or a folder of it, wins."""
    folders = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    there = True
    for line in (root / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and any(fits(folder, pattern) for folder in folders):
            there = line.startswith("!")
    return there


def fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(Path(path).name, pattern.removeprefix("**/"))
    return path.count("/") == pattern.count("/") and fnmatch(path, pattern)


def test_every_source_of_a_copy_is_in_the_build(root: Path, stages: list[Stage]) -> None:
    copies = [words.split() for stage in stages for words in stage.words("COPY")]
    own = [source for words in copies if "--from" not in words[0] for source in words[:-1]]

    assert own
    assert [path for path in own if not (root / path).exists()] == []
    ignored = (root / ".dockerignore").read_text("utf-8")
    in_part = {path for path in own if re.search(rf"^!{re.escape(path)}/", ignored, re.M)}
    assert [path for path in own if not is_in_context(root, path)] == sorted(in_part)


def test_every_stage_that_is_copied_from_or_built_on_comes_before(stages: list[Stage]) -> None:
    known: set[str] = {"${BASE_IMAGE}", "scratch"}
    for stage in stages:
        used = {re.match("--from=(.*?) ", words) for words in stage.words("COPY")} - {None}
        assert {stage.base, *(match.group(1) for match in used if match)} <= known
        known.add(stage.name)


@pytest.mark.parametrize(
    ("path", "is_there"),
    [
        ("src/manifest/manifest.toml", True),
        ("src/worker/making.py", True),
        ("builder/requirements.txt", True),
        ("builder/tiny_models/__main__.py", True),
        ("builder/fetch_models/bake.py", True),
        ("builder/models.lock.json", True),
        ("models/lock.json", True),
        ("models/worker-video/demo/vae/config.json", True),
        ("builder/train_demo.py", False),
        ("builder/image_test/__main__.py", False),
        ("builder/settings_docs.py", False),
        ("builder/requirements-dev.txt", False),
        ("src/gateway/__main__.py", False),
        ("src/__pycache__/config.cpython-311.pyc", False),
        (".git/config", False),
        (".venv/bin/python", False),
        ("out/local_test.mp4", False),
        ("tests/conftest.py", False),
        (".env", False),
    ],
)
def test_only_what_is_built_from_reaches_the_build(root: Path, path: str, is_there: bool) -> None:
    assert is_in_context(root, path) == is_there


def test_the_image_holds_the_worker_and_neither_tests_nor_tools(stages: list[Stage]) -> None:
    worker = next(stage for stage in stages if stage.name == "worker")
    copied = [source for words in worker.words("COPY") for source in words.split()[:-1]]

    assert set(copied) == {"LICENSE", "handler.py", "test_input.json", "src"}


def test_code_comes_last_and_weights_first_so_that_code_moves_nothing(stages: list[Stage]) -> None:
    sources = [words.split()[0].removeprefix("--from=") for words in stages[-1].words("COPY")]
    layers = [words.split()[1] for words in stages[-1].words("COPY") if "from=weights" in words]

    assert sources == ["demo", *["weights"] * MOST_MODELS, "weights", "libraries", "worker"]
    assert layers == [*(f"/layers/{number + 1}/" for number in range(MOST_MODELS)), RECORD]


def test_nothing_but_what_a_bake_reads_has_weights_baked_anew(
    root: Path, stages: list[Stage]
) -> None:
    graph = grimp.build_graph("src", "builder", cache_dir=None)
    tools = {"builder.fetch_models", "builder.tiny_models"}
    modules = tools | {inner for tool in tools for inner in graph.find_descendants(tool)}
    read = modules | {
        upstream for module in modules for upstream in graph.find_upstream_modules(module)
    }
    parts = {Path(*module.split(".")[:2]) for module in read}
    needed = {
        *(str(part if (root / part).is_dir() else part.with_suffix(".py")) for part in parts),
        *(f"{package}/__init__.py" for package in ("src", "builder")),
    }
    bakery = next(stage for stage in stages if stage.name == "bakery")
    copied = {source for words in bakery.words("COPY") for source in words.split()[:-1]}
    there = {path for path in needed if path.startswith("builder/") and is_in_context(root, path)}

    assert copied - {"builder"} | there == needed | {"models"}
    ignored = (root / ".dockerignore").read_text("utf-8")
    named = set(re.findall(r"^!(builder/.*)$", ignored, re.M))
    assert named - there == {"builder/requirements.txt", "builder/models.lock.json"}


def test_the_lock_comes_out_of_a_build_by_itself(stages: list[Stage]) -> None:
    lock = next(stage for stage in stages if stage.name == "lock")

    assert lock.base == "scratch"
    assert [name for name, _ in lock.steps] == ["COPY"]


def test_there_is_a_compiler_only_for_those_who_ask(stages: list[Stage]) -> None:
    final, libraries = stages[-1], next(stage for stage in stages if stage.name == "libraries")
    (asked,) = [words for words in final.words("RUN") if "apt-get" in words]

    assert 'WITH_COMPILER=""' in final.words("ARG")
    assert 'WITH_COMPILER=""' in libraries.words("ARG")
    assert asked.index('test -n "${WITH_COMPILER}" || exit 0') < asked.index("apt-get")
    assert "rm -rf /var/lib/apt/lists/*" in asked


def test_every_variable_of_the_image_is_a_setting_or_another_program_s(
    stages: list[Stage],
) -> None:
    ours = {name.upper() for name in Settings.model_fields}
    platform = {f"RUNPOD_{name.upper()}" for name in Platform.model_fields}

    assert set(stages[-1].variables) <= ours | platform | OTHERS


def test_the_image_says_where_its_weights_are_and_that_nothing_is_fetched(
    stages: list[Stage],
) -> None:
    final = stages[-1]
    (target,) = {words.split()[-1].rstrip("/") for words in final.words("COPY") if "demo" in words}

    assert final.variables["MODELS_DIR"] == target
    assert final.variables["HF_HUB_OFFLINE"] == "1"
    assert final.variables["RUNPOD_LOG_LEVEL"] == "INFO"


def test_no_secret_is_an_argument_or_a_variable(stages: list[Stage]) -> None:
    names = [words for stage in stages for words in stage.words("ARG") + stage.words("ENV")]

    assert [words for words in names if re.search("TOKEN|SECRET|PASSWORD|KEY", words)] == []


def test_every_requirement_is_pinned(root: Path) -> None:
    lines = (root / "builder" / "requirements.txt").read_text("utf-8").splitlines()
    named = [line.split("#")[0].strip() for line in lines]

    assert [line for line in named if line and not re.fullmatch(r"[\w\[\]-]+==[\w.]+", line)] == []
    assert "torch" in {line.split("==")[0] for line in named}


@pytest.fixture(scope="module")
def targets(root: Path) -> dict[str, dict[str, str]]:
    """The arguments of each target that makes an image of the worker."""
    text = (root / "docker-bake.hcl").read_text("utf-8")
    blocks = re.findall(r'^target "(\w+)" \{\n(.*?)^\}', text, re.DOTALL | re.MULTILINE)
    found = {name: dict(re.findall(r'^ +(\w+) += "(.*)"$', body, re.M)) for name, body in blocks}
    return {name: arguments for name, arguments in found.items() if "dockerfile" not in arguments}


def test_there_is_an_image_for_each_useful_set_of_models(
    targets: dict[str, dict[str, str]],
) -> None:
    assert set(targets) == {"demo", "modelslab", "wan", "ltx"}


@pytest.mark.parametrize("target", ["demo", "modelslab", "wan", "ltx"])
def test_a_target_s_models_are_the_manifest_s_and_have_layers(
    targets: dict[str, dict[str, str]], target: str
) -> None:
    ids = {entry.id for entry in load_manifest()}
    models = [name for name in targets[target]["MODELS"].split(",") if name]

    assert set(models) <= ids
    assert len(set(models)) == len(models) <= MOST_MODELS
    assert targets[target]["DEFAULT_MODEL"] in {"demo", *models}


@pytest.mark.parametrize("target", ["modelslab", "wan", "ltx"])
def test_an_upscaler_is_baked_with_its_model(
    targets: dict[str, dict[str, str]], target: str
) -> None:
    models = set(targets[target]["MODELS"].split(","))
    upscalers = {entry.upscaler for entry in load_manifest() if entry.id in models}

    assert upscalers - {None} <= models


def test_a_target_sets_only_arguments_that_its_dockerfile_has(root: Path) -> None:
    bake = (root / "docker-bake.hcl").read_text("utf-8")
    blocks = re.findall(r'^target "\w+" \{\n(.*?)^\}', bake, re.DOTALL | re.MULTILINE)

    assert blocks
    for block in blocks:
        named = re.search(r'^ +dockerfile += "(.*)"$', block, re.M)
        docker = (root / (named[1] if named else "Dockerfile")).read_text("utf-8")
        arguments = re.search(r"args = \{(.*?)\}", block, re.DOTALL)
        given = set(re.findall(r"^ +(\w+) +=", arguments[1], re.M)) if arguments else set()
        assert given
        assert given <= set(re.findall(r"^ARG (\w+)", docker, re.M))
