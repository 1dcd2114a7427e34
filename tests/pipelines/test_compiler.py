"""What a compiled model needs of the machine, seen before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from src.generation import Task
from src.manifest import Acceleration, Manifest, load_manifest
from src.pipelines import acceleration, compiler
from src.pipelines.loader import Loader
from src.pipelines.room import Pipelines

pytestmark = pytest.mark.real

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def only(*there: str) -> Callable[[str], str | None]:
    """A machine that has these programs."""
    return lambda name: f"/usr/bin/{name}" if name in there else None


@pytest.mark.parametrize(
    ("device", "programs", "has_headers", "words"),
    [
        (CPU, only("g++"), False, None),
        (CPU, only("gcc"), True, r"torch needs g\+\+, which is not there; build the image with"),
        (GPU, only("gcc"), True, None),
        (GPU, only("clang"), True, None),
        (GPU, only("g++"), True, "Triton needs gcc or clang, and neither is there"),
        (GPU, only(), True, "neither is there; build the image with WITH_COMPILER=1"),
        (GPU, only("gcc"), False, r"Triton needs .*/Python\.h, which is not there"),
    ],
)
def test_a_compiler_is_looked_for_where_the_libraries_do(
    tmp_path: Path,
    device: torch.device,
    programs: Callable[[str], str | None],
    has_headers: bool,
    words: str | None,
) -> None:
    if has_headers:
        (tmp_path / "Python.h").touch()
    reason = compiler.lacking(device, which=programs, headers=tmp_path, cache=tmp_path)

    if words is None:
        assert reason is None
    else:
        with pytest.raises(ValueError, match=words):
            raise ValueError(reason)


def test_what_a_compiler_made_before_is_enough_on_a_gpu(tmp_path: Path) -> None:
    kept = tmp_path / "4XHE2KD" / "cuda_utils.cpython-311-x86_64-linux-gnu.so"
    kept.parent.mkdir()
    kept.touch()

    assert compiler.lacking(GPU, which=only(), headers=tmp_path, cache=tmp_path) is None
    assert compiler.lacking(CPU, which=only(), headers=tmp_path, cache=tmp_path)


@pytest.mark.parametrize("tool", ["inductor", "eager"])
def test_a_model_that_cannot_be_compiled_here_is_refused_at_start(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(acceleration, "COMPILER", tool)
    changes = {"acceleration": Acceleration(compile=True), "tasks": frozenset({Task.TEXT2VIDEO})}
    entry = load_manifest().find("wan2.1").model_copy(update=changes)

    def start() -> None:
        Pipelines(
            manifest=Manifest(models=(entry,)),
            loader=Loader(models_dir=tiny_models, device="cpu"),
            default_model=entry.id,
        )

    if tool == "eager":  # traces, and compiles nothing
        start()
        return
    with pytest.raises(ValueError, match=r"models\.wan2\.1\.acceleration: compile: torch needs g"):
        start()
