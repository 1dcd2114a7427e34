"""Weights that are not baked: the order of the sources, and what is made of published ones."""

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from src.bootstrap import build_pipelines
from src.config import Settings
from src.errors import ModelNotLoaded, UnknownModel
from src.generation import GenerationRequest, Parameters, Sources, Task
from src.manifest import AdapterKind, Manifest, load_manifest
from src.pipelines.choices import Choices
from src.pipelines.loader import Loader
from src.pipelines.weights import Places, files_of, missing, present
from src.pipelines.weights.hub import Hub
from src.pipelines.weights.sources import Sources as Folders
from src.pipelines.weights.sources import tell
from tests.builder.hub_server import HubServer

from .hub_cache import Files, fill, published

pytestmark = pytest.mark.real

MANIFEST = load_manifest()
WAN = "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"
SUSHI = "Stax124/DarkSushiMix"
MOTION = "guoyww/animatediff-motion-adapter-v1-5-2"
ZEROSCOPE = "cerspense/zeroscope_v2_576w"
UNET = "unet/diffusion_pytorch_model"


class House:
    """The folders of one deployment, and a Hub to fill its model cache from."""

    def __init__(self, folder: Path, tiny_models: Path, server: HubServer) -> None:
        self.tiny_models = tiny_models
        self.server = server
        self.models = folder / "models"
        self.cache = folder / "runpod-volume" / "huggingface-cache" / "hub"
        self.volume = folder / "runpod-volume" / "models"
        self.state = folder / "state"

    def bake(self, repo: str) -> None:
        shutil.copytree(self.tiny_models / repo, self.models / repo)

    def put_on_volume(self, repo: str) -> None:
        shutil.copytree(self.tiny_models / repo, self.volume / repo)

    def cache_published(self, repo: str, files: Files | None = None) -> str:
        return fill(self.cache, self.server, repo, files or published(self.tiny_models, repo))

    def places(self, **options: Any) -> Places:
        folders = Folders(
            models_dir=self.models,
            cache_dir=self.cache,
            volume_dir=self.volume,
            downloads_dir=self.state / "models",
            **options,
        )
        return folders.find(MANIFEST, hub=lambda: Hub(endpoint="http://127.0.0.1:9"))

    def settings(self, **given: Any) -> Settings:
        return Settings(
            models_dir=self.models,
            model_cache_dir=self.cache,
            volume_models_dir=self.volume,
            state_dir=self.state,
            device="cpu",
            **given,
        )


@pytest.fixture
def house(tmp_path: Path, tiny_models: Path) -> Iterator[House]:
    with HubServer() as server:
        yield House(tmp_path, tiny_models, server)


def frames(room: Any, model: str) -> Any:
    request = room.settle(
        GenerationRequest(
            task=Task.TEXT2VIDEO,
            model=model,
            parameters=Parameters(
                prompt="a fox", width=64, height=64, num_frames=5, num_inference_steps=2, seed=1
            ),
        )
    )
    clip = room.generate(
        room.load(request), request, on_step=lambda _done, _total: None, sources=Sources()
    )
    return np.concatenate(list(clip.chunks))


def said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records)


# --- the order ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ({"baked", "cached", "volume"}, "baked, in {models} (MODELS_DIR)"),
        ({"baked", "volume"}, "baked, in {models} (MODELS_DIR)"),
        ({"cached", "volume"}, "cached, in {cache} (MODEL_CACHE_DIR)"),
        ({"volume"}, "on the volume, in {volume} (VOLUME_MODELS_DIR)"),
    ],
)
def test_the_first_source_that_has_a_repository_gives_it_and_the_log_says_which(
    house: House, caplog: pytest.LogCaptureFixture, where: set[str], how: str
) -> None:
    if "baked" in where:
        house.bake(WAN)
    if "cached" in where:
        house.cache_published(WAN)
    if "volume" in where:
        house.put_on_volume(WAN)
    places = house.places()
    caplog.set_level(logging.INFO)
    tell(places, present(places, MANIFEST))

    expected = how.format(models=house.models, cache=house.cache, volume=house.volume)
    assert f"wan2.1: weights {expected}" in said(caplog)
    assert len(files_of(places, MANIFEST.find("wan2.1"))) == 3


def test_a_repository_that_is_nowhere_is_looked_for_where_it_would_be_baked(house: House) -> None:
    places = house.places()

    assert places.folder(WAN) == house.models / WAN
    assert missing(places, MANIFEST.find("wan2.1")) == [WAN]
    with pytest.raises(ModelNotLoaded) as caught:
        present(places, MANIFEST)
    for folder, setting in [
        (house.models, "MODELS_DIR"),
        (house.cache, "MODEL_CACHE_DIR"),
        (house.volume, "VOLUME_MODELS_DIR"),
    ]:
        assert f"{folder} ({setting})" in str(caught.value)


def test_what_comes_to_the_volume_later_is_found(house: House) -> None:
    """LoRAs that LORA_REPOS allows are named by requests, and looked for then."""
    places = house.places()
    choices = Choices(
        MANIFEST,
        lora_repos=["worker-video/*"],
        is_there=lambda adapter: not missing(places, adapter),
    )
    wanted = ("wan2.1", AdapterKind.LORA, "worker-video/wan2.1-lora")

    assert choices.find(*wanted) is None
    house.put_on_volume("worker-video/wan2.1-lora")
    assert choices.find(*wanted)


def test_components_may_come_from_other_sources_than_their_model(
    house: House, tiny_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house.put_on_volume(MOTION)
    house.cache_published(SUSHI)
    caplog.set_level(logging.INFO)
    room = build_pipelines(house.settings(default_model="dark-sushi-mix"))
    room.check_weights()
    plain = build_pipelines(
        Settings(models_dir=tiny_models, device="cpu", default_model="dark-sushi-mix")
    )

    assert f"dark-sushi-mix: weights cached, in {house.cache} (MODEL_CACHE_DIR): {SUSHI}" in said(
        caplog
    )
    assert f"on the volume, in {house.volume} (VOLUME_MODELS_DIR): {MOTION}" in said(caplog)
    assert np.array_equal(frames(room, "dark-sushi-mix"), frames(plain, "dark-sushi-mix"))


# --- the model cache ------------------------------------------------------------------------------


def test_a_cached_repository_is_loaded_as_it_was_published(house: House, tiny_models: Path) -> None:
    files = published(tiny_models, WAN)
    extra = {
        "transformer/diffusion_pytorch_model.bin": b"pickle",
        "transformer/diffusion_pytorch_model.fp16.safetensors": b"not what is served",
        "wan2.1_all_in_one.safetensors": b"for other software",
        "google/umt5-xxl/tokenizer.json": b"{}",
        "LICENSE.txt": b"terms",
    }
    house.cache_published(WAN, files | extra)
    room = build_pipelines(house.settings(default_model="wan2.1", hash_weights=True))
    room.check_weights()
    shown = house.places().folder(WAN)
    plain = build_pipelines(Settings(models_dir=tiny_models, device="cpu", default_model="wan2.1"))

    assert {path.relative_to(shown).as_posix() for path in shown.rglob("*") if path.is_file()} == (
        {*files, "LICENSE.txt"} - {"README.md", ".gitattributes"}
    )
    assert np.array_equal(frames(room, "wan2.1"), frames(plain, "wan2.1"))


def test_more_bytes_than_are_served_are_said(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Wan 2.1 was published in float32."""
    house.cache_published(WAN)
    caplog.set_level(logging.INFO)
    places = house.places()
    tell(places, present(places, MANIFEST))

    assert "; loading reads 0.0 GB as published to serve 0.0 GB" in said(caplog)
    assert "which a bake would have stored" in said(caplog)


def test_damage_is_left_for_the_check_of_the_weights_to_tell(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The platform hears of a check that fails, and not of a start that does."""
    house.put_on_volume(WAN)
    file = house.volume / WAN / "transformer/diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    caplog.set_level(logging.INFO)
    room = build_pipelines(house.settings(default_model="wan2.1"))

    assert "wan2.1: weights on the volume" in said(caplog)
    with pytest.raises(ModelNotLoaded, match=f"^{file}: should hold"):
        room.check_weights()


def halves(content: bytes, name: str) -> Files:
    """Weights in two shards."""
    tensors = load(content)
    names = sorted(tensors)
    shards = [names[: len(names) // 2], names[len(names) // 2 :]]
    return {
        name.format(f"-0000{number}-of-00002"): save({key: tensors[key] for key in keys})
        for number, keys in enumerate(shards, start=1)
    }


def test_the_variant_that_a_bake_would_take_is_read_in_shards_too(
    house: House, tiny_models: Path
) -> None:
    files = published(tiny_models, SUSHI)
    whole = files.pop(f"{UNET}.safetensors")
    half = save({name: one.half() for name, one in load(whole).items()})
    files |= halves(half, f"{UNET}.fp16{{}}.safetensors")
    files |= {f"{UNET}.safetensors.index.fp16.json": b"{}", f"{UNET}.bin": b"pickle"}
    house.cache_published(SUSHI, files)
    house.cache_published(MOTION)
    places = house.places()
    entry = MANIFEST.find("dark-sushi-mix")
    loader = Loader(models_dir=places, device="cpu")
    loader.check_weights(entry)
    ours = loader.read(entry).unet
    theirs = Loader(models_dir=tiny_models, device="cpu").read(entry).unet

    assert all(
        torch.equal(one, theirs.get_parameter(name).half().float())
        for name, one in ours.named_parameters()
        if "motion_modules" not in name
    )


def test_a_cached_pickle_is_left_alone_and_the_log_says_what_to_do(
    house: House, tiny_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = published(tiny_models, ZEROSCOPE)
    files[f"{UNET}.bin"] = files.pop(f"{UNET}.safetensors")
    house.cache_published(ZEROSCOPE, files)
    house.bake("worker-video/tiny")
    house.bake("worker-video/tiny-motion-adapter")

    with pytest.raises(UnknownModel, match="zeroscope'; present are: tiny"):
        build_pipelines(house.settings(default_model="zeroscope"))
    assert f"{ZEROSCOPE}: in the model cache, but of no use: {ZEROSCOPE}: {UNET}.bin is a" in said(
        caplog
    )
    assert "`python -m builder.fetch_models` bakes it" in said(caplog)


def lose(house: House, name: str) -> None:
    """Take a file away, as if the download had been cut short."""
    (snapshot,) = (house.cache / f"models--{WAN.replace('/', '--')}" / "snapshots").iterdir()
    (snapshot / name).unlink()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model_index.json", "has no model_index.json"),
        ("transformer/config.json", "names"),
        ("transformer/diffusion_pytorch_model.safetensors", "has no weights as safetensors"),
    ],
)
def test_a_cached_repository_that_lacks_a_file_is_not_served(
    house: House, caplog: pytest.LogCaptureFixture, name: str, words: str
) -> None:
    house.cache_published(WAN)
    lose(house, name)
    places = house.places()
    loader = Loader(models_dir=places, device="cpu")
    if missing(places, MANIFEST.find("wan2.1")):
        assert f"{WAN}: in the model cache, but of no use: " in said(caplog)
        assert words in said(caplog)
    else:
        with pytest.raises(ModelNotLoaded, match="needed for WanTransformer3DModel"):
            loader.check_weights(MANIFEST.find("wan2.1"))


def base_of(house: House) -> Path:
    return house.cache / f"models--{WAN.replace('/', '--')}"


def test_without_a_reference_the_only_snapshot_counts(house: House) -> None:
    house.cache_published(WAN)
    shutil.rmtree(base_of(house) / "refs")
    places = house.places()

    assert places.of(WAN).how == "cached"
    assert len(files_of(places, MANIFEST.find("wan2.1"))) == 3


def test_the_snapshot_that_main_names_counts_among_several(house: House, tiny_models: Path) -> None:
    files = published(tiny_models, WAN)
    house.cache_published(WAN, files | {"LICENSE": b"old"})
    second = house.cache_published(WAN, files | {"LICENSE": b"new"})
    assert (base_of(house) / "refs/main").read_text() == second
    assert (house.places().folder(WAN) / "LICENSE").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (None, "refs/main is not there, and snapshots must have one folder, got 2"),
        ("0" * 40, f"refs/main: names {'0' * 40}, and snapshots has no such folder"),
        ("../../../elsewhere", "refs/main: names ../../../elsewhere, and snapshots has no such"),
    ],
)
def test_a_cache_that_does_not_tell_which_snapshot_is_not_used(
    house: House,
    tiny_models: Path,
    caplog: pytest.LogCaptureFixture,
    main: str | None,
    words: str,
) -> None:
    files = published(tiny_models, WAN)
    house.cache_published(WAN, files)
    house.cache_published(WAN, files | {"LICENSE": b"new"})
    reference = base_of(house) / "refs" / "main"
    reference.write_text(main) if main else reference.unlink()
    house.put_on_volume(WAN)

    assert house.places().of(WAN).how == "on the volume"
    assert words in said(caplog)


def test_a_copy_of_a_cache_without_links_is_read_as_well(house: House, tmp_path: Path) -> None:
    """Not every volume has symbolic links; huggingface_hub copies there."""
    house.cache_published(WAN)
    copied = tmp_path / "copied"
    shutil.copytree(house.cache, copied, symlinks=False)
    shutil.rmtree(next(copied.glob("models--*")) / "blobs")
    house.cache = copied
    Loader(models_dir=house.places(), device="cpu").check_weights(MANIFEST.find("wan2.1"))


def test_a_lora_in_the_cache_is_there_where_its_repository_is_allowed(
    house: House, tiny_models: Path
) -> None:
    repo = "worker-video/wan2.1-lora"
    house.cache_published(repo)

    assert not house.places().of(repo).stands_for
    assert not house.places(lora_repos=("someone-else/*",)).of(repo).stands_for
    allowed = house.places(lora_repos=("someone-else/*", "worker-video/*"))
    assert allowed.of(repo).stands_for == house.cache
    (file,) = allowed.folder(repo).rglob("*.safetensors")
    assert file.read_bytes() == (tiny_models / repo / file.name).read_bytes()


def change_last_byte(path: Path) -> None:
    path = Path(os.path.realpath(path))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("transformer/diffusion_pytorch_model.safetensors", "sha256"),
        ("scheduler/scheduler_config.json", "git hash"),
    ],
)
def test_a_changed_file_of_the_cache_is_named_where_hashes_are_asked_for(
    house: House, name: str, kind: str
) -> None:
    house.cache_published(WAN)
    places = house.places()
    served = Manifest(models=(MANIFEST.find("wan2.1"),))
    strict = Loader(models_dir=places, device="cpu", hash_weights=True)
    strict.check_locked(served)
    change_last_byte(places.folder(WAN) / name)

    Loader(models_dir=places, device="cpu").check_locked(served)
    with pytest.raises(ModelNotLoaded, match=rf"{name}: its {kind} must be \w+ by .*, got \w+"):
        strict.check_locked(served)
