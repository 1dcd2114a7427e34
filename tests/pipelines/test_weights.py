"""Weights that are checked without being read: what is whole passes, each fault has its name."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.errors import ModelNotLoaded
from src.manifest import Manifest, load_manifest
from src.pipelines.choices import Choices
from src.pipelines.loader import Loader
from src.pipelines.room import Pipelines
from src.pipelines.weights import files_of

from .conftest import Studio

pytestmark = pytest.mark.real

MANIFEST = load_manifest()
TINY = MANIFEST.find("tiny")
#: The tiny model, one adapter of each layout, and a tool.
ADAPTERS = tuple(
    entry
    for entry in MANIFEST.adapters
    if entry.id in ("tiny-lora", "tiny-animatelcm", "tiny-lightning", "tiny-ip-adapter")
)
TOOLS = tuple(entry for entry in MANIFEST.tools if entry.id == "rife")
SERVED = Manifest(models=(TINY,), adapters=ADAPTERS, tools=TOOLS)


@pytest.fixture
def models_dir(tiny_models: Path, tmp_path: Path) -> Path:
    """Their folders, to be damaged."""
    for entry in (*SERVED, *SERVED.adapters, *SERVED.tools):
        for repo in entry.repos:
            shutil.copytree(tiny_models / repo, tmp_path / repo, dirs_exist_ok=True)
    return tmp_path


def check(models_dir: Path) -> None:
    loader = Loader(models_dir=models_dir, device="cpu")
    Pipelines(
        manifest=SERVED, loader=loader, default_model="tiny", choices=Choices(SERVED)
    ).check_weights()
    assert loader.resident == []


def test_everything_that_there_is_passes(studio: Studio, models_dir: Path) -> None:
    studio.room.check_weights()
    check(models_dir)


UNET = "worker-video/tiny/unet/diffusion_pytorch_model.safetensors"
MODEL_FILES = [
    UNET,
    "worker-video/tiny/text_encoder/model.safetensors",
    "worker-video/tiny-motion-adapter/diffusion_pytorch_model.safetensors",
    "worker-video/tiny-lora/pytorch_lora_weights.safetensors",
    "worker-video/tiny-animatelcm/AnimateLCM_sd15_t2v_lora.safetensors",
    "worker-video/tiny-lightning/animatediff_lightning_4step_diffusers.safetensors",
    "worker-video/tiny-ip-adapter/models/ip-adapter_sd15.safetensors",
    "worker-video/tiny-ip-adapter/models/image_encoder/model.safetensors",
    "elfgum/RIFE-4.22.lite/model.safetensors",
]


@pytest.mark.parametrize("name", MODEL_FILES)
def test_a_file_that_is_cut_short_is_named_wherever_it_lies(models_dir: Path, name: str) -> None:
    file = models_dir / name
    file.write_bytes(file.read_bytes()[:-1])

    with pytest.raises(ModelNotLoaded, match=rf"^{file}: should hold \d+ bytes of weights, holds"):
        check(models_dir)


def table(content: object) -> bytes:
    """A safetensors file's beginning."""
    text = json.dumps(content).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x07",
        b"PK\x03\x04 a zip, as pickled weights are",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        table([]),
        table({"weight": 3}),
        table({"weight": {"shape": [2]}}),
        table({"weight": {"shape": [2], "data_offsets": []}}),
        table({"weight": {"shape": 2, "data_offsets": [0, 0]}}),
        table({"weight": {"shape": [1], "data_offsets": [0, 4]}}),
        (10**12).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"\xff\xfe",
    ],
)
def test_a_file_that_is_no_safetensors_is_named(models_dir: Path, content: bytes) -> None:
    (models_dir / UNET).write_bytes(content)

    with pytest.raises(ModelNotLoaded, match=rf"^{models_dir / UNET}: (not|should)"):
        check(models_dir)


def test_a_header_longer_than_the_format_allows_is_not_read(models_dir: Path) -> None:
    with (models_dir / UNET).open("wb") as file:
        file.write((200_000_000).to_bytes(8, "little"))
        file.truncate(300_000_000)  # a hole, which takes no room on the disk

    with pytest.raises(ModelNotLoaded, match="not a whole safetensors file"):
        check(models_dir)


def without(name: str) -> Callable[[Path], None]:
    """Take a file or a folder away."""

    def damage(models_dir: Path) -> None:
        path = models_dir / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def with_text(name: str, text: str) -> Callable[[Path], None]:
    """Write over a file."""

    def damage(models_dir: Path) -> None:
        (models_dir / name).write_text(text)

    return damage


MODEL = "worker-video/tiny"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without(UNET), f"{MODEL}/unet: no safetensors files, needed for UNet2DConditionModel"),
        (without(f"{MODEL}/vae"), f"{MODEL}/vae: no configuration, needed for AutoencoderKL"),
        (without(f"{MODEL}/tokenizer"), f"{MODEL}/tokenizer: no configuration"),
        (without(f"{MODEL}/scheduler/scheduler_config.json"), f"{MODEL}/scheduler: no config"),
        (without(f"{MODEL}/model_index.json"), f"{MODEL}/model_index.json: .*No such file"),
        (with_text(f"{MODEL}/model_index.json", '{"unet": ['), f"{MODEL}/model_index.json: "),
        (with_text(f"{MODEL}/model_index.json", "[]"), "model_index.json: not a JSON object"),
        (without(f"{MODEL}-motion-adapter/config.json"), "motion-adapter/config.json: not there"),
        (without(f"{MODEL}-lora"), f"{MODEL}-lora: no safetensors files, needed for tiny-lora"),
        (
            without("worker-video/tiny-animatelcm/AnimateLCM_sd15_t2v_lora.safetensors"),
            "lora.safetensors: not there, needed for tiny-animatelcm",
        ),
        (
            without("worker-video/tiny-ip-adapter/models/ip-adapter_sd15.safetensors"),
            "ip-adapter_sd15.safetensors: not there, needed for tiny-ip-adapter",
        ),
        (without("elfgum/RIFE-4.22.lite"), "RIFE-4.22.lite: no safetensors files, needed for rife"),
    ],
)
def test_what_is_missing_is_named(
    models_dir: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(models_dir)

    with pytest.raises(ModelNotLoaded, match=message):
        check(models_dir)


def test_components_that_the_pipeline_does_not_take_need_not_be_there(models_dir: Path) -> None:
    """Checkpoints for still images name a safety checker, of a gigabyte."""
    file = models_dir / MODEL / "model_index.json"
    index = json.loads(file.read_text())
    index |= {
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "image_encoder": [None, None],
        "boundary_ratio": 0.9,
    }
    file.write_text(json.dumps(index))

    check(models_dir)


@pytest.fixture
def sharded(models_dir: Path) -> Path:
    """The tiny model's UNet, its weights in several files as diffusers writes them."""
    from diffusers import UNet2DConditionModel

    path = models_dir / MODEL / "unet"
    network = UNet2DConditionModel.from_pretrained(path, use_safetensors=True)
    (path / "diffusion_pytorch_model.safetensors").unlink()
    network.save_pretrained(path, max_shard_size="200KB")
    assert len(list(path.glob("*-of-*.safetensors"))) > 1
    return path


def test_weights_in_several_files_pass_when_all_are_there(sharded: Path, models_dir: Path) -> None:
    check(models_dir)

    shard = sorted(sharded.glob("*-of-*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(ModelNotLoaded, match=rf"^{shard}: not there, named by .*\.index\.json$"):
        check(models_dir)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": []}', "\x00"])
def test_an_index_that_is_none_is_named(sharded: Path, models_dir: Path, text: str) -> None:
    index = next(sharded.glob("*.index.json"))
    index.write_text(text)

    with pytest.raises(ModelNotLoaded, match=rf"^{index}: "):
        check(models_dir)


def test_the_files_of_a_model_are_known_before_torch_is_imported(tiny_models: Path) -> None:
    """So that they can be read ahead while it is."""
    script = (
        "import sys; from pathlib import Path; from src.manifest import load_manifest;"
        "from src.pipelines.weights import files_of;"
        "print(*files_of(Path(sys.argv[1]), load_manifest().find('tiny')), sep='\\n');"
        "assert not {'torch', 'diffusers', 'transformers'} & sys.modules.keys()"
    )
    files = subprocess.run(
        [sys.executable, "-c", script, str(tiny_models)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stdout.splitlines()

    assert files == [
        f"{tiny_models}/{name}"
        for name in (
            "worker-video/tiny-motion-adapter/diffusion_pytorch_model.safetensors",
            "worker-video/tiny/text_encoder/model.safetensors",
            UNET,
            "worker-video/tiny/vae/diffusion_pytorch_model.safetensors",
        )
    ]


def test_of_what_lies_in_a_models_folder_only_what_is_loaded_is_read(models_dir: Path) -> None:
    for name in ("all_in_one.safetensors", "safety_checker/model.safetensors"):
        (models_dir / MODEL / name).parent.mkdir(exist_ok=True)
        shutil.copy(models_dir / UNET, models_dir / MODEL / name)

    assert len(files_of(models_dir, TINY)) == 4
    (models_dir / MODEL / "model_index.json").unlink()
    with pytest.raises(ModelNotLoaded, match=r"model_index\.json: .*No such file"):
        files_of(models_dir, TINY)
