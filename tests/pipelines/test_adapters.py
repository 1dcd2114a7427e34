"""Adapters on a model for one job: found, worn, and nothing of them left for the next."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from src.errors import InvalidRequest, ModelNotLoaded, OutOfMemory
from src.generation import GenerationRequest, MediaReference, Parameters, Task
from src.manifest import AdapterEntry, AdapterKind, Manifest, load_manifest
from src.pipelines import FAMILIES
from src.pipelines.adapters import Adapter, Adapters, chosen
from src.pipelines.choices import Choices

from .conftest import CASES, Studio

MANIFEST = load_manifest()
IMAGE = MediaReference(field="x", value="")
FIRSTS = {MANIFEST.find(model).family: (model, task) for model, task in reversed(CASES)}
#: A model of every family that takes LoRAs, with the first of its tasks.
WEARERS = [case for family, case in FIRSTS.items() if FAMILIES[family].takes_lora]


def chosen_for(images: bool = True, **given: Any) -> Adapters:
    request = GenerationRequest(
        task=Task.TEXT2VIDEO,
        parameters=Parameters(**given),
        ip_adapter_image=IMAGE if images else None,
        controlnet_images=(IMAGE,) if images else None,
        field_names={"lora_models": "loras"},
    )
    return chosen(
        request, model=MANIFEST.find("tiny"), choices=Choices(MANIFEST), models_dir=Path("/models")
    )


def worn_by(adapters: Adapters) -> list[tuple[str, float]]:
    return [(lora.entry.id, lora.scale) for lora in adapters.loras]


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [(None, (1.0, 1.0)), ((0.5,), (0.5, 0.5)), ((0.5, -2.0), (0.5, -2.0))],
)
def test_one_strength_is_for_all_and_several_are_one_for_each(
    strengths: tuple[float, ...] | None, expected: tuple[float, ...]
) -> None:
    motion = chosen_for(motion_loras=("zoom-in", "pan-left"), motion_lora_strength=strengths)
    style = chosen_for(lora_models=("tiny-lora", "TINY-LORA"), lora_strength=strengths)

    assert worn_by(motion) == list(zip(("tiny-zoom-in", "tiny-pan-left"), expected, strict=True))
    assert worn_by(style) == list(zip(("tiny-lora", "tiny-lora"), expected, strict=True))
    assert {lora.field for lora in style.loras} == {"loras"}


def test_nothing_is_worn_where_nothing_is_named() -> None:
    assert chosen_for() == Adapters()
    assert chosen_for(adapter_lora="v2_sd15_adapter", motion_module="v2_sd15_mm") == Adapters()


def test_a_motion_module_brings_the_lora_that_it_was_trained_with() -> None:
    adapters = chosen_for(motion_module="animatelcm", adapter_lora="v3_sd15_adapter")

    assert worn_by(adapters) == [("tiny-animatelcm", 0.8), ("tiny-v3_sd15_adapter", 1.0)]
    assert adapters.loras[0].file == Path(
        "/models/worker-video/tiny-animatelcm/AnimateLCM_sd15_t2v_lora.safetensors"
    )
    assert adapters.motion_module
    assert adapters.motion_module.entry.file is None


def test_what_reads_an_image_is_left_out_without_one() -> None:
    named: dict[str, Any] = {
        "ip_adapter_id": "ip-adapter_sd15",
        "ip_adapter_scale": 0.4,
        "controlnet": "openpose",
    }
    adapters = chosen_for(**named)

    assert adapters.ip_adapter
    assert adapters.controlnet
    assert adapters.ip_adapter.scale == 0.4
    assert chosen_for(images=False, **named) == Adapters()


def test_a_name_that_has_gone_is_an_error_of_its_field() -> None:
    with pytest.raises(InvalidRequest, match="loras is not among those that tiny has here"):
        chosen_for(lora_models=("tiny-lora", "gone"))


@pytest.mark.parametrize(
    ("files", "named", "expected"),
    [
        (["a.safetensors"], None, "a.safetensors"),
        (["a.safetensors", "pytorch_lora_weights.safetensors"], None, "pytorch_lora_weights.s"),
        (["a.safetensors", "b.safetensors"], "sub/b.safetensors", "sub/b.safetensors"),
        (["a.safetensors", "b.safetensors"], None, None),
        (["a.bin"], None, None),
        ([], None, None),
    ],
)
@pytest.mark.parametrize("ours", [True, False])
def test_the_file_is_the_manifests_or_the_only_one(
    tmp_path: Path, files: list[str], named: str | None, expected: str | None, ours: bool
) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"")
    entry = AdapterEntry(
        id="ink" if ours else "owner/name",
        kind=AdapterKind.LORA,
        models=frozenset({"one"}),
        repo="owner/name",
        file=named,
    )
    adapter = Adapter(entry=entry, folder=tmp_path, field="loras")
    if expected:
        assert adapter.file.relative_to(tmp_path).as_posix().startswith(expected)
    else:
        with pytest.raises(
            ModelNotLoaded if ours else InvalidRequest, match=r"ink: |loras must be"
        ):
            _ = adapter.file


def networks(studio: Studio, request: GenerationRequest) -> list[tuple[Any, ...]]:
    """Every layer and weight of the request's pipeline, and what can be told of them."""
    pipeline = studio.room.load(request).pipeline(request.task)
    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    layers = [(name, id(layer)) for part in parts for name, layer in part.named_modules()]
    weights = [
        (name, id(weight), weight.requires_grad)
        for part in parts
        for name, weight in part.named_parameters()
    ]
    return [*layers, *weights]


@pytest.mark.real
@pytest.mark.parametrize(("model", "task"), WEARERS)
def test_a_lora_changes_the_frames_and_leaves_the_next_job_as_it_was(
    studio: Studio, model: str, task: Task
) -> None:
    before = studio.frames(model, task)
    layers = networks(studio, studio.request(model, task))
    lora: dict[str, Any] = {"lora_models": (f"worker-video/{model}-lora",)}
    full = studio.frames(model, task, **lora)
    some = studio.frames(model, task, **lora, lora_strength=(0.4,))

    assert not np.array_equal(before, full)
    assert not np.array_equal(full, some)
    assert np.array_equal(before, studio.frames(model, task))
    assert networks(studio, studio.request(model, task)) == layers


@pytest.mark.real
def test_several_are_worn_at_once_each_with_its_strength(studio: Studio) -> None:
    def frames(*strengths: float) -> Any:
        names = ("tiny-lora", "worker-video/dark-sushi-mix-lora")
        return studio.frames(
            "tiny", Task.TEXT2VIDEO, lora_models=names, lora_strength=strengths
        ).tobytes()

    assert len({frames(0.3, 0.8), frames(0.8, 0.3), frames(0.3, 0.3), frames(0.3)}) == 3


class Stopped(Exception):
    pass


@pytest.mark.real
def test_a_job_that_is_stopped_leaves_nothing_on(studio: Studio) -> None:
    def stop(_done: int, _total: int) -> None:
        raise Stopped

    before = studio.frames("tiny", Task.TEXT2VIDEO)
    everything = studio.request(
        "tiny",
        Task.TEXT2VIDEO,
        media=("ip_adapter_image", "controlnet_images"),
        lora_models=("tiny-lora",),
        motion_module="animatelcm",
        ip_adapter_id="tiny-ip-adapter",
        controlnet="openpose",
        use_improved_sampling=True,
    )
    layers = networks(studio, everything)
    with pytest.raises(Stopped):
        studio.clip(everything, on_step=stop)

    assert networks(studio, everything) == layers
    assert np.array_equal(before, studio.frames("tiny", Task.TEXT2VIDEO))


@pytest.fixture
def atelier(tiny_models: Path, tmp_path: Path) -> Studio:
    """The tiny model in a folder of its own, where anything may lie beside it."""
    for repo in MANIFEST.find("tiny").repos:
        (tmp_path / repo).parent.mkdir(exist_ok=True)
        (tmp_path / repo).symlink_to(tiny_models / repo)
    return Studio(tmp_path)


def spoil(tiny_models: Path, folder: Path, how: str) -> None:
    """Write what is no LoRA for the tiny model."""
    fitting = load_file(tiny_models / "worker-video/tiny-lora/pytorch_lora_weights.safetensors")
    folder.mkdir(parents=True)
    if how == "of another model":
        shutil.copytree(tiny_models / "worker-video/cogvideox-lora", folder, dirs_exist_ok=True)
    elif how == "of another width":
        wide = {name: torch.cat([value, value], dim=-1) for name, value in fitting.items()}
        save_file(wide, folder / "lora.safetensors")
    elif how == "of no layer":
        other = {name.replace("attn", "other"): value for name, value in fitting.items()}
        save_file(other, folder / "lora.safetensors")
    elif how == "cut short":
        save_file(fitting, folder / "lora.safetensors")
        whole = (folder / "lora.safetensors").read_bytes()
        (folder / "lora.safetensors").write_bytes(whole[: len(whole) // 2])
    elif how == "no weights":
        (folder / "lora.safetensors").write_bytes(b"<html>")
    else:
        torch.save(fitting, folder / "pytorch_lora_weights.bin")
        (folder / "config.json").write_text("{}", "utf-8")


@pytest.mark.real
@pytest.mark.parametrize(
    "how",
    [
        *("of another model", "of another width", "of no layer"),
        *("cut short", "no weights", "a pickle"),
    ],
)
def test_what_does_not_fit_is_the_callers_to_mend_and_leaves_the_model_as_it_was(
    atelier: Studio, tiny_models: Path, tmp_path: Path, how: str
) -> None:
    spoil(tiny_models, tmp_path / "worker-video" / "bad", how)
    before = atelier.frames("tiny", Task.TEXT2VIDEO)
    request = atelier.request("tiny", Task.TEXT2VIDEO, lora_models=("worker-video/bad",))
    layers = networks(atelier, request)

    with pytest.raises(InvalidRequest, match=r"^lora_models must be .* got 'worker-video/bad'$"):
        atelier.clip(request)
    assert networks(atelier, request) == layers
    assert np.array_equal(before, atelier.frames("tiny", Task.TEXT2VIDEO))


@pytest.mark.real
def test_what_does_not_fit_of_ours_is_ours_to_mend(atelier: Studio, tmp_path: Path) -> None:
    folder = tmp_path / "worker-video" / "tiny-lora"
    folder.mkdir()
    (folder / "pytorch_lora_weights.safetensors").write_bytes(b"<html>")

    with pytest.raises(ModelNotLoaded, match=r"^tiny-lora: "):
        atelier.frames("tiny", Task.TEXT2VIDEO, lora_models=("tiny-lora",))


@pytest.mark.real
def test_memory_that_runs_out_under_a_lora_is_not_the_callers_fault(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = studio.request(
        "tiny", Task.TEXT2VIDEO, lora_models=("worker-video/dark-sushi-mix-lora",)
    )
    pipeline = studio.room.load(request).pipeline(request.task)

    def run_out(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(pipeline.unet, "load_lora_adapter", run_out)
    with pytest.raises(OutOfMemory):
        studio.clip(request)


@pytest.mark.real
def test_a_lora_for_the_text_encoder_is_read_in_its_old_and_new_form(
    atelier: Studio, tiny_models: Path, tmp_path: Path
) -> None:
    """Transformers 5 has no `text_model` any more; older LoRAs name their layers after it."""
    fitting = load_file(tiny_models / "worker-video/tiny-lora/pytorch_lora_weights.safetensors")
    new = {name: value for name, value in fitting.items() if name.startswith("text_encoder.")}
    old = {name.replace(".encoder.", ".text_model.encoder."): value for name, value in new.items()}
    for name, weights in {"new": new, "old": old}.items():
        (tmp_path / "worker-video" / name).mkdir()
        save_file(weights, tmp_path / "worker-video" / name / "lora.safetensors")

    def frames(**given: Any) -> Any:
        return atelier.frames("tiny", Task.TEXT2VIDEO, **given)

    by_new, by_old = (frames(lora_models=(f"worker-video/{name}",)) for name in ("new", "old"))

    assert new
    assert not np.array_equal(frames(), by_new)
    assert np.array_equal(by_new, by_old)


def test_two_models_may_each_have_their_own_by_one_name() -> None:
    def lora(id_: str, model: str) -> AdapterEntry:
        return AdapterEntry(
            id=id_, aliases=("ink",), kind=AdapterKind.LORA, models=frozenset({model})
        )

    manifest = Manifest(models=(), adapters=(lora("a", "one"), lora("b", "two")))
    with pytest.raises(ValueError, match="ink names both"):
        Manifest(models=(), adapters=(*manifest.adapters, lora("c", "one")))


def test_every_adapter_fits_a_model_of_the_manifest() -> None:
    ids = {entry.id for entry in MANIFEST}

    assert [item.id for item in MANIFEST.adapters if not item.models <= ids] == []


def test_the_tiny_model_has_one_of_each_kind() -> None:
    assert {item.kind for item in MANIFEST.adapters if "tiny" in item.models} == set(AdapterKind)
