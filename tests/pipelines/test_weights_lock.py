"""The fitness check holds what is there against the lock that was written when it was baked."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.tiny_models import build_models
from src.errors import ModelNotLoaded
from src.manifest import Manifest, load_manifest
from src.pipelines.choices import Choices
from src.pipelines.loader import Loader
from src.pipelines.room import Pipelines
from src.pipelines.weights.lock import LOCK, Lock

pytestmark = pytest.mark.real

MANIFEST = load_manifest()
SERVED = Manifest(
    models=(MANIFEST.find("tiny"),),
    adapters=tuple(entry for entry in MANIFEST.adapters if entry.id == "tiny-lora"),
    tools=tuple(entry for entry in MANIFEST.tools if entry.id == "rife"),
)
UNET = "worker-video/tiny/unet/diffusion_pytorch_model.safetensors"
SCHEDULER = "worker-video/tiny/scheduler/scheduler_config.json"
RIFE = "elfgum/RIFE-4.22.lite/config.json"
LORA = "worker-video/tiny-lora/pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("baked")
    build_models(folder, SERVED)
    return folder


@pytest.fixture
def models_dir(baked: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return shutil.copytree(baked, tmp_path / "models")


def check(models_dir: Path, *, hash_weights: bool = False) -> None:
    loader = Loader(models_dir=models_dir, device="cpu", hash_weights=hash_weights)
    Pipelines(
        manifest=SERVED, loader=loader, default_model="tiny", choices=Choices(SERVED)
    ).check_weights()


def flip(path: Path) -> None:
    """Change the last byte, and nothing else."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("hash_weights", [False, True])
def test_what_was_baked_passes(models_dir: Path, hash_weights: bool) -> None:
    lock = Lock.read(models_dir / LOCK)
    assert {
        repo for entry in (*SERVED, *SERVED.adapters, *SERVED.tools) for repo in entry.repos
    } <= (lock.repos.keys())
    assert lock.repos["worker-video/tiny"].commit is None  # made, not fetched
    check(models_dir, hash_weights=hash_weights)


@pytest.mark.parametrize("name", [SCHEDULER, RIFE, "worker-video/tiny/tokenizer/tokenizer.json"])
def test_a_small_file_is_held_by_its_hash_in_any_case(models_dir: Path, name: str) -> None:
    flip(models_dir / name)
    repo = "/".join(name.split("/")[:2])
    wanted = Lock.read(models_dir / LOCK).repos[repo].files[name.removeprefix(f"{repo}/")].sha256

    with pytest.raises(
        ModelNotLoaded,
        match=rf"^{models_dir / name}: its sha256 must be {wanted} by .*lock\.json, got \w{{64}}$",
    ):
        check(models_dir)


@pytest.mark.parametrize("name", [UNET, LORA])
def test_weights_are_held_by_their_hash_where_it_is_asked_for(models_dir: Path, name: str) -> None:
    flip(models_dir / name)
    check(models_dir)

    with pytest.raises(ModelNotLoaded, match=rf"^{models_dir / name}: its sha256 must be"):
        check(models_dir, hash_weights=True)


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize(
    ("damage", "name", "words"),
    [
        (longer, SCHEDULER, r"must have \d+ bytes by .*lock\.json, has \d+"),
        (Path.unlink, "worker-video/tiny/tokenizer/tokenizer.json", "No such file.*listed"),
        (shutil.rmtree, "worker-video/tiny/scheduler", "no configuration"),
        (shutil.rmtree, "worker-video/tiny-lora", "no safetensors files, needed for tiny-lora"),
        (Path.unlink, RIFE, r"No such file or directory, listed in .*lock\.json"),
    ],
)
def test_what_is_not_as_it_was_put_there_is_named(
    models_dir: Path, damage: Callable[[Path], object], name: str, words: str
) -> None:
    damage(models_dir / name)

    with pytest.raises(ModelNotLoaded, match=rf"^{models_dir / name}: {words}"):
        check(models_dir)


def test_another_build_of_the_same_size_is_found(models_dir: Path) -> None:
    """A folder from elsewhere, with whole files and none of them the locked ones."""
    lock = Lock.read(models_dir / LOCK)
    record = lock.repos["worker-video/tiny"].files["unet/config.json"]
    record.sha256 = "0" * 64
    lock.write(models_dir / LOCK)

    with pytest.raises(ModelNotLoaded, match=f"unet/config.json: its sha256 must be {'0' * 64}"):
        check(models_dir)


def test_without_a_lock_the_files_themselves_are_all_that_is_looked_at(models_dir: Path) -> None:
    (models_dir / LOCK).unlink()
    longer(models_dir / SCHEDULER)
    check(models_dir, hash_weights=True)


def test_repositories_that_the_lock_does_not_know_are_left_alone(models_dir: Path) -> None:
    lock = Lock.read(models_dir / LOCK)
    del lock.repos["worker-video/tiny"]
    lock.write(models_dir / LOCK)
    longer(models_dir / SCHEDULER)
    check(models_dir)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a lock file"),
        ('{"version": 2}', "version must be 1, got 2"),
        ("[]", "not a lock"),
    ],
)
def test_a_lock_that_cannot_be_read_is_named(models_dir: Path, content: str, words: str) -> None:
    (models_dir / LOCK).write_text(content, "utf-8")
    with pytest.raises(ModelNotLoaded, match=rf"lock\.json: {words}"):
        check(models_dir)


def test_models_that_are_made_go_into_the_lock_that_is_there(tmp_path: Path) -> None:
    before = Lock.model_validate(
        {"repos": {"o/n": {"commit": "1" * 40, "files": {"a": {"size": 1, "sha256": "2"}}}}}
    )
    before.write(tmp_path / LOCK)
    build_models(tmp_path, [MANIFEST.find("tiny")])
    after = Lock.read(tmp_path / LOCK)
    first = (tmp_path / LOCK).read_bytes()
    build_models(tmp_path, [MANIFEST.find("tiny")])

    assert after.repos["o/n"] == before.repos["o/n"]
    assert "unet/config.json" in after.repos["worker-video/tiny"].files
    assert (tmp_path / LOCK).read_bytes() == first
