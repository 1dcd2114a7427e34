from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from builder.tiny_models import build_models
from src.manifest import Manifest, ModelEntry, load_manifest
from src.pipelines import FAMILIES
from src.pipelines.weights.lock import LOCK, Lock

pytestmark = [
    pytest.mark.real,
    # diffusers' EulerDiscreteScheduler hands a tensor to np.array in each set_timesteps.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

#: The embedded model is trained: tests/demo is about it.
ENTRIES = [entry for entry in load_manifest() if entry.id != "demo"]
HERE = {"use_safetensors": True, "local_files_only": True}
#: Published structure that the rules for sizes and frames follow from: component -> its figures.
STRUCTURE = {
    "animatediff": {
        "unet": {"down_block_types": 4, "up_block_types": 4, "in_channels": 4},
        "vae": {"down_block_types": 4, "up_block_types": 4, "latent_channels": 4},
        "motion_adapter": {"block_out_channels": 4, "motion_max_seq_length": 32},
    },
    "cogvideox": {
        "transformer": {
            "patch_size": 2,
            "temporal_compression_ratio": 4,
            "max_text_seq_length": 226,
        },
        "vae": {"down_block_types": 4, "temporal_compression_ratio": 4, "latent_channels": 16},
    },
    "stable_video_diffusion": {
        "unet": {"down_block_types": 4, "up_block_types": 4, "in_channels": 8},
        "vae": {"down_block_types": 4, "latent_channels": 4},
    },
    "text_to_video_sd": {
        "unet": {"down_block_types": 4, "up_block_types": 4, "in_channels": 4},
        "vae": {"down_block_types": 4, "up_block_types": 4, "latent_channels": 4},
    },
    "ltx_video": {
        "transformer": {"patch_size": 1, "patch_size_t": 1},
        "vae": {
            "down_block_types": 4,
            "decoder_block_out_channels": 3,
            "patch_size": 4,
            "spatial_compression_ratio": 32,
            "temporal_compression_ratio": 8,
            "timestep_conditioning": True,
        },
    },
    "ltx2": {
        "transformer": {"patch_size": 1, "patch_size_t": 1, "audio_patch_size": 1},
        "vae": {
            "down_block_types": 4,
            "patch_size": 4,
            "spatial_compression_ratio": 32,
            "temporal_compression_ratio": 8,
            "timestep_conditioning": False,
        },
        "audio_vae": {"mel_bins": 64, "mel_hop_length": 160, "ch_mult": 3},
    },
    "hunyuan_video": {
        "transformer": {"patch_size": 2, "patch_size_t": 1, "in_channels": 16},
        "vae": {
            "down_block_types": 4,
            "latent_channels": 16,
            "spatial_compression_ratio": 8,
            "temporal_compression_ratio": 4,
        },
    },
    "hunyuan_video15": {
        "transformer": {"patch_size": 1, "patch_size_t": 1, "in_channels": 65, "out_channels": 32},
        "vae": {
            "block_out_channels": 5,
            "latent_channels": 32,
            "spatial_compression_ratio": 16,
            "temporal_compression_ratio": 4,
        },
    },
    "wan": {
        "transformer": {"patch_size": 3},
        "vae": {"dim_mult": 4, "temperal_downsample": 3, "scale_factor_temporal": 4},
    },
}
PROMPTS = ("a calm sea at dawn", "a stormy sea at dawn", "海", "湖", "🐱", "🐶", "é", "Привет", "")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other on busy cores take many times longer here."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pipeline(folder: Path, entry: ModelEntry) -> Any:
    """The entry's first pipeline, read as the published weights would be."""
    from diffusers import AnimateDiffPipeline, DiffusionPipeline, MotionAdapter

    if entry.family != "animatediff":
        model = DiffusionPipeline.from_pretrained(folder / entry.repo, **HERE)
        if entry.id == "cogvideox-5b-i2v":  # diffusers alone has it make one size only
            FAMILIES[entry.family].configure(model)
        if not _takes_size(model):  # it would choose a size near to the published one
            model.target_size = 64
        return model
    adapter = MotionAdapter.from_pretrained(folder / entry.components["motion_adapter"], **HERE)
    return AnimateDiffPipeline.from_pretrained(folder / entry.repo, motion_adapter=adapter, **HERE)


def frames(model: Any, entry: ModelEntry, *, seed: int = 0, **changed: Any) -> npt.NDArray[Any]:
    """Nine frames of 64x64, floats from 0 to 1; None takes a keyword away."""
    import torch
    from PIL import Image

    takes_size = _takes_size(model)
    image = Image.new("RGB", (9, 7) if takes_size else (9, 9))
    keywords = {
        **({"prompt": ""} if "prompt" in signature(type(model).__call__).parameters else {}),
        **({"image": image} if _starts_from_image(entry) else {}),
        **({"last_image": image} if entry.id == "wan2.1-flf2v" else {}),
        **({"width": 64, "height": 64} if takes_size else {}),
        "num_frames": 9,
        "num_inference_steps": 4,
        **changed,
    }
    model.set_progress_bar_config(disable=True)
    result = model(
        **{name: value for name, value in keywords.items() if value is not None},
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    )
    return np.asarray(result.frames[0])


def _takes_size(model: Any) -> bool:
    """False for HunyuanVideo 1.5 from an image."""
    return "width" in signature(type(model).__call__).parameters


def _starts_from_image(entry: ModelEntry) -> bool:
    return "img2video" in entry.tasks and "text2video" not in entry.tasks


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_every_model_makes_frames_with_something_to_see(
    tiny_models: Path, entry: ModelEntry
) -> None:
    model = pipeline(tiny_models, entry)
    first = frames(model, entry)
    assert first.shape == (9, 64, 64, 3)
    assert np.isfinite(first).all()
    assert first.std() > 0.1
    assert np.ptp(first) > 0.8
    assert np.abs(np.diff(first, axis=0)).mean() > 0.01
    assert np.array_equal(first, frames(model, entry))
    assert not np.array_equal(first, frames(model, entry, seed=1))
    if "text2video" in entry.tasks:
        assert np.abs(first - frames(model, entry, prompt="a calm sea")).max() > 1 / 255


def test_inputs_are_heard(tiny_models: Path) -> None:
    from PIL import Image

    entry = load_manifest().find("svd")
    model = pipeline(tiny_models, entry)
    plain = frames(model, entry)
    for changed in (
        {"fps": 16},
        {"motion_bucket_id": 20},
        {"max_guidance_scale": 6.0},
        {"image": Image.linear_gradient("L").convert("RGB")},
    ):
        assert np.abs(plain - frames(model, entry, **changed)).mean() > 1 / 255, changed


def test_an_input_video_is_heard(tiny_models: Path) -> None:
    from diffusers import AnimateDiffVideoToVideoPipeline
    from PIL import Image

    entry = load_manifest().find("tiny")
    model = AnimateDiffVideoToVideoPipeline(**pipeline(tiny_models, entry).components)
    red, blue = (
        frames(
            model,
            entry,
            num_frames=None,
            strength=0.7,
            video=[Image.new("RGB", (64, 64), name)] * 9,
        )
        for name in ("red", "blue")
    )
    assert np.abs(red - blue).mean() > 1 / 255


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_the_published_block_structure_is_kept(tiny_models: Path, entry: ModelEntry) -> None:
    from diffusers import DiffusionPipeline, MotionAdapter

    parts = dict(DiffusionPipeline.from_pretrained(tiny_models / entry.repo, **HERE).components)
    for name, repo in entry.components.items():
        parts[name] = MotionAdapter.from_pretrained(tiny_models / repo, **HERE)
    for name, figures in STRUCTURE[entry.family].items():
        for key, expected in figures.items():
            value = getattr(parts[name].config, key)
            assert (value if isinstance(value, int) else len(value)) == expected, f"{name}.{key}"


@pytest.mark.parametrize("id_", ["cogvideox", "tiny"])
def test_any_prompt_has_its_own_ids(tiny_models: Path, id_: str) -> None:
    model = pipeline(tiny_models, load_manifest().find(id_))
    ids = [tuple(model.tokenizer(prompt).input_ids) for prompt in PROMPTS]
    assert len(set(ids)) == len(PROMPTS)
    if id_ == "cogvideox":
        assert not any(model.tokenizer.unk_token_id in each for each in ids)


def test_a_second_run_writes_the_same_bytes(tiny_models: Path, tmp_path: Path) -> None:
    build_models(tmp_path, load_manifest())
    once = files(tmp_path)
    assert len(once) > 50
    for name, content in once.items():
        if name != LOCK:  # there are LoRAs in it, too
            assert (tiny_models / name).read_bytes() == content, name
    locks = [Lock.read(folder / LOCK).repos for folder in (tmp_path, tiny_models)]
    assert locks[0].items() <= locks[1].items()


def test_there_are_no_pickles_and_little_of_it(tiny_models: Path) -> None:
    there = [path for repo in repos() for path in (tiny_models / repo).rglob("*") if path.is_file()]
    assert not [path for path in there if path.suffix in {".bin", ".ckpt", ".pt", ".pkl"}]
    # Nearly half is HunyuanVideo 1.5's, four times: its class has a layer of 2048 by 2048.
    assert sum(path.stat().st_size for path in there) < 250e6


def repos() -> set[str]:
    return {repo for entry in ENTRIES for repo in entry.repos}


def test_what_is_current_is_left_and_what_is_not_is_replaced(tmp_path: Path) -> None:
    tiny = Manifest(models=(load_manifest().find("tiny"),))
    assert build_models(tmp_path, tiny) == ["worker-video/tiny", "worker-video/tiny-motion-adapter"]
    assert build_models(tmp_path, tiny) == []
    stale = tmp_path / "worker-video" / "tiny"
    (stale / "tiny-model.txt").write_text("of another day\n", "utf-8")
    (stale / "left-over.bin").write_bytes(b"")
    assert build_models(tmp_path, tiny) == ["worker-video/tiny"]
    assert not (stale / "left-over.bin").exists()


def test_nothing_is_there_until_it_is_complete(tmp_path: Path) -> None:
    from builder.tiny_models.shelf import put

    class Halfway:
        def save_pretrained(self, save_directory: Path, *, safe_serialization: bool) -> None:
            save_directory.mkdir()
            (save_directory / "config.json").write_text(f"{safe_serialization}", "utf-8")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        put(tmp_path, "owner/name", Halfway)
    assert files(tmp_path) == {}
    assert list((tmp_path / "owner").iterdir()) == []
