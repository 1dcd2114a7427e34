"""Models from folders: what is whole, what is refused, what is kept."""

import json
import shutil
from pathlib import Path

import pytest

from src.errors import ModelNotLoaded
from src.generation import Task
from src.manifest import Manifest, ModelEntry, load_manifest
from src.pipelines.loader import Loader
from src.pipelines.weights import missing, present, sizes

pytestmark = pytest.mark.real

MANIFEST = load_manifest()
TINY = MANIFEST.find("tiny")


@pytest.fixture
def tiny_folder(tiny_models: Path, tmp_path: Path) -> Path:
    """A folder with the tiny model alone, to be damaged."""
    for repo in TINY.repos:
        shutil.copytree(tiny_models / repo, tmp_path / repo)
    return tmp_path


def weights(folder: Path, component: str = "unet") -> Path:
    return next((folder / TINY.repo / component).glob("*.safetensors"))


def load(folder: Path, entry: ModelEntry = TINY) -> Loader:
    loader = Loader(models_dir=folder, device="cpu")
    loader.load(entry)
    return loader


def test_a_model_is_loaded_once_and_its_tasks_share_its_weights(tiny_models: Path) -> None:
    loader = Loader(models_dir=tiny_models, device="cpu")
    model = loader.load(TINY)

    assert loader.load(TINY) is model
    text, video = model.pipeline(Task.TEXT2VIDEO), model.pipeline(Task.VIDEO2VIDEO)
    assert type(text) is not type(video)
    assert text.unet is video.unet
    assert text.vae is video.vae
    assert model.pipeline(Task.IMG2VIDEO) is text


def test_animatediff_runs_with_the_noise_schedule_that_its_adapter_was_trained_with(
    tiny_models: Path,
) -> None:
    pipeline = Loader(models_dir=tiny_models, device="cpu").load(TINY).pipeline(Task.VIDEO2VIDEO)

    assert type(pipeline.scheduler).__name__ == "DDIMScheduler"
    assert pipeline.scheduler.config.beta_schedule == "linear"
    assert pipeline.scheduler.config.clip_sample is False


def test_the_size_is_read_from_headers_and_is_that_of_the_numbers(tiny_models: Path) -> None:
    model = Loader(models_dir=tiny_models, device="cpu").load(MANIFEST.find("svd"))
    pipeline = model.pipeline(Task.IMG2VIDEO)
    numbers = sum(
        parameter.numel()
        for part in (pipeline.vae, pipeline.unet, pipeline.image_encoder)
        for parameter in part.parameters()
    )

    assert model.size_bytes == pytest.approx(4 * numbers, rel=0.01)
    halves = sizes(tiny_models, model.entry, {"default": "float16"})
    assert halves.keys() == {"image_encoder", "unet", "vae"}
    assert sum(halves.values()) == model.size_bytes // 2


def test_the_least_recently_used_model_makes_room(tiny_models: Path) -> None:
    entries = [MANIFEST.find(name) for name in ("tiny", "cogvideox", "svd")]
    total = sum(
        sum(sizes(tiny_models, entry, {"default": "float32"}).values()) for entry in entries
    )
    loader = Loader(models_dir=tiny_models, device="cpu", memory_budget=total - 1)
    tiny, cogvideox, svd = entries

    first = loader.load(tiny)
    loader.load(cogvideox)
    loader.load(tiny)
    loader.load(svd)

    assert loader.resident == ["tiny", "svd"]
    assert loader.load(tiny) is first


def test_a_model_above_the_budget_is_loaded_alone_with_a_warning(
    tiny_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loader = Loader(models_dir=tiny_models, device="cpu", memory_budget=1)
    loader.load(TINY)
    loader.load(MANIFEST.find("svd"))

    assert loader.resident == ["svd"]
    assert "above the budget" in caplog.text


def test_an_evicted_model_is_free_to_go(tiny_models: Path) -> None:
    import gc
    import weakref

    loader = Loader(models_dir=tiny_models, device="cpu", memory_budget=1)
    gone = weakref.ref(loader.load(TINY).pipeline(Task.TEXT2VIDEO).unet)
    loader.load(MANIFEST.find("svd"))
    gc.collect()

    assert gone() is None


def test_a_missing_folder_is_named(tiny_folder: Path) -> None:
    adapter = TINY.components["motion_adapter"]
    shutil.rmtree(tiny_folder / adapter)

    assert missing(tiny_folder, TINY) == [adapter]
    with pytest.raises(ModelNotLoaded, match=adapter):
        load(tiny_folder)


def test_a_file_that_is_cut_short_is_named(tiny_folder: Path) -> None:
    file = weights(tiny_folder)
    file.write_bytes(file.read_bytes()[:-1000])

    with pytest.raises(ModelNotLoaded, match=rf"{file.name}: should hold \d+ bytes"):
        load(tiny_folder)


@pytest.mark.parametrize("content", [b"", b"\x80\x02pickle", b"\x08" + 7 * b"\0" + b"not json"])
def test_a_file_that_is_no_safetensors_is_named(tiny_folder: Path, content: bytes) -> None:
    file = weights(tiny_folder)
    file.write_bytes(content)

    with pytest.raises(ModelNotLoaded, match="safetensors"):
        load(tiny_folder)


def test_pickled_weights_are_never_read(tiny_folder: Path) -> None:
    file = weights(tiny_folder, "vae")
    file.rename(file.with_suffix(".bin"))

    with pytest.raises(ModelNotLoaded, match="tiny"):
        load(tiny_folder)


def test_code_in_a_model_folder_is_never_run(tiny_folder: Path) -> None:
    folder = tiny_folder / TINY.repo
    marker = tiny_folder / "ran"
    (folder / "unet" / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Evil: pass\n")
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["evil", "Evil"]
    (folder / "model_index.json").write_text(json.dumps(index))

    with pytest.raises(ModelNotLoaded):
        load(tiny_folder)
    assert not marker.exists()


def test_only_models_with_weights_are_served(tiny_folder: Path) -> None:
    assert [entry.id for entry in present(tiny_folder, MANIFEST)] == ["tiny"]


def test_a_folder_without_any_model_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ModelNotLoaded, match=rf"{tmp_path}.*make tiny-models"):
        present(tmp_path, MANIFEST)


def test_the_manifest_names_families_that_there_are() -> None:
    from src.pipelines import FAMILIES

    for entry in Manifest(models=MANIFEST.models):
        assert entry.tasks <= FAMILIES[entry.family].tasks.keys()
