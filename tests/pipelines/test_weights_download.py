"""Models that are fetched before the first job: whole or not at all, and only where asked for."""

import logging
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants

from src.errors import ModelNotLoaded, UnknownModel
from src.manifest import load_manifest
from src.pipelines.loader import Loader
from src.pipelines.weights import Places, missing
from src.pipelines.weights.download import UNFINISHED
from src.pipelines.weights.hub import Hub
from src.pipelines.weights.lock import LOCK, Lock
from src.pipelines.weights.sources import Sources
from tests.builder.hub_server import HubServer

from .hub_cache import published
from .test_weights_sources import MOTION, SUSHI, UNET, WAN, ZEROSCOPE, halves

pytestmark = pytest.mark.real

MANIFEST = load_manifest()
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
TOKEN = "hf_secretsecret"


class Deployment:
    """One worker's folders; the Hub has Wan 2.1."""

    def __init__(self, folder: Path, server: HubServer) -> None:
        self.server = server
        self.mount = folder / "runpod-volume"
        self.mount.mkdir()
        self.volume = self.mount / "models"
        self.state = folder / "state" / "models"
        self.models = folder / "models"

    def start(self, *models: str, token: str | None = None, url: str | None = None) -> Places:
        sources = Sources(
            models_dir=self.models,
            cache_dir=self.mount / "huggingface-cache" / "hub",
            volume_dir=self.volume,
            downloads_dir=self.state,
            downloads=models,
        )
        return sources.find(MANIFEST, hub=lambda: Hub(endpoint=url or self.server.url, token=token))


@pytest.fixture
def deployment(tmp_path: Path, tiny_models: Path) -> Iterator[Deployment]:
    with HubServer() as server:
        server.publish(WAN, published(tiny_models, WAN))
        yield Deployment(tmp_path, server)


def ready(places: Places, model: str) -> bool:
    """Whether a model's files are all there and what the lock says."""
    entry = MANIFEST.find(model)
    if missing(places, entry):
        return False
    loader = Loader(models_dir=places, device="cpu", hash_weights=True)
    loader.check_weights(entry)
    loader.check_locked([entry])
    return True


def test_nothing_is_fetched_that_is_not_asked_for(deployment: Deployment) -> None:
    assert not ready(deployment.start(), "wan2.1")
    assert deployment.server.asked == []
    assert not deployment.volume.exists()


def test_a_model_is_fetched_to_the_volume_and_the_next_start_finds_it_there(
    deployment: Deployment, tiny_models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    places = deployment.start("wan2.1")

    assert ready(places, "wan2.1")
    assert places.of(WAN).how == "on the volume"
    files = published(tiny_models, WAN)
    assert set(Lock.read(deployment.volume / LOCK).repos[WAN].files) == (
        files.keys() - {"README.md", ".gitattributes"}
    )
    assert (deployment.volume / WAN / TRANSFORMER).read_bytes() == files[TRANSFORMER]
    assert not (deployment.volume / UNFINISHED).exists()
    assert f"{WAN}: fetching 0.0 GB at " in caplog.text
    assert f"{WAN}: fetched in " in caplog.text

    deployment.server.asked.clear()
    assert ready(deployment.start("wan2.1", url="http://127.0.0.1:9"), "wan2.1")
    assert ready(deployment.start(url="http://127.0.0.1:9"), "wan2.1")


def test_without_a_volume_it_goes_to_the_workers_own_folder(deployment: Deployment) -> None:
    deployment.mount.rmdir()
    places = deployment.start("wan2.1")

    assert ready(places, "wan2.1")
    assert str(places.of(WAN)) == f"{deployment.state} (DOWNLOAD_MODELS)"
    assert not deployment.mount.exists()
    deployment.server.asked.clear()
    assert ready(deployment.start("wan2.1"), "wan2.1")
    assert deployment.server.asked == []


def test_what_some_place_has_is_not_fetched(deployment: Deployment, tiny_models: Path) -> None:
    deployment.server.publish(SUSHI, published(tiny_models, SUSHI))
    deployment.server.publish(MOTION, published(tiny_models, MOTION))
    shutil.copytree(tiny_models / MOTION, deployment.models / MOTION)
    places = deployment.start("dark-sushi-mix", "wan2.1")

    assert ready(places, "dark-sushi-mix")
    assert ready(places, "wan2.1")
    assert places.of(MOTION).how == "baked"
    assert not (deployment.volume / MOTION).exists()


def test_shards_of_a_variant_have_an_index_of_their_own(
    deployment: Deployment, tiny_models: Path
) -> None:
    files = published(tiny_models, SUSHI)
    files |= halves(files.pop(f"{UNET}.safetensors"), f"{UNET}.fp16{{}}.safetensors")
    deployment.server.publish(SUSHI, files)
    deployment.server.publish(MOTION, published(tiny_models, MOTION))
    places = deployment.start("dark-sushi-mix")

    assert ready(places, "dark-sushi-mix")
    assert (
        f"{UNET}.safetensors.index.json" in Lock.read(deployment.volume / LOCK).repos[SUSHI].files
    )
    Loader(models_dir=places, device="cpu").load(MANIFEST.find("dark-sushi-mix"))


def test_a_file_that_is_cut_short_is_continued_by_the_next_start(deployment: Deployment) -> None:
    deployment.server.faults.short[TRANSFORMER] = 50_000
    with pytest.raises(ModelNotLoaded, match=rf"{TRANSFORMER}: cut short, wanted \d+ bytes"):
        deployment.start("wan2.1")
    assert not (deployment.volume / WAN).exists()
    assert not ready(deployment.start(), "wan2.1")

    deployment.server.asked.clear()
    assert ready(deployment.start("wan2.1"), "wan2.1")
    (again,) = deployment.server.asked_for(TRANSFORMER)
    assert again.range == "bytes=50000-"
    assert deployment.server.asked_for("text_encoder/model.safetensors") == []


def test_what_was_begun_is_ended_at_its_own_commit(
    deployment: Deployment, tiny_models: Path
) -> None:
    deployment.server.faults.short[TRANSFORMER] = 100
    with pytest.raises(ModelNotLoaded):
        deployment.start("wan2.1")
    begun = Lock.read(deployment.volume / UNFINISHED / LOCK).repos[WAN].commit
    newer = published(tiny_models, WAN) | {"tokenizer/tokenizer.json": b"{}"}
    assert deployment.server.publish(WAN, newer) != begun
    deployment.start("wan2.1")

    assert Lock.read(deployment.volume / LOCK).repos[WAN].commit == begun


def test_bytes_that_are_not_those_listed_never_get_there(
    deployment: Deployment, tiny_models: Path
) -> None:
    good = published(tiny_models, WAN)[TRANSFORMER]
    deployment.server.faults.other[TRANSFORMER] = good[:-1] + bytes([good[-1] ^ 1])
    with pytest.raises(ModelNotLoaded, match=rf"{WAN}/{TRANSFORMER}: its sha256 must be \w+, got"):
        deployment.start("wan2.1")
    assert not (deployment.volume / WAN).exists()


def gate(server: HubServer) -> None:
    server.faults.gated[WAN] = TOKEN


def fail(status: int) -> Callable[[HubServer], None]:
    return lambda server: setattr(server.faults, "status", status)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (gate, rf"{WAN}/model_index.json: its licence has to be accepted: do so at http"),
        (fail(401), f"{WAN}: refused with status 401: HF_TOKEN must be valid"),
        (fail(500), f"{WAN}: .* answers with status 500"),
    ],
)
def test_a_refusal_says_what_to_do(
    deployment: Deployment, break_it: Callable[[HubServer], None], words: str
) -> None:
    break_it(deployment.server)
    with pytest.raises(ModelNotLoaded, match=words) as caught:
        deployment.start("wan2.1", token="hf_not_the_one")
    assert "hf_not_the_one" not in str(caught.value)
    assert not (deployment.volume / WAN).exists()


def test_a_gated_model_opens_for_a_token(deployment: Deployment) -> None:
    gate(deployment.server)
    assert ready(deployment.start("wan2.1", token=TOKEN), "wan2.1")


def test_a_repository_that_the_hub_does_not_have_is_named(deployment: Deployment) -> None:
    with pytest.raises(ModelNotLoaded, match=f"{ZEROSCOPE}: not found at .*HF_TOKEN is not set"):
        deployment.start("zeroscope")


def test_no_network_is_an_error_that_says_so(deployment: Deployment) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(ModelNotLoaded, match=rf"{url} could not be reached \(ConnectError"):
        deployment.start("wan2.1", url=url)


def test_a_pickle_is_refused_before_anything_large_is_fetched(
    deployment: Deployment, tiny_models: Path
) -> None:
    files = published(tiny_models, ZEROSCOPE)
    files[f"{UNET}.bin"] = files.pop(f"{UNET}.safetensors")
    deployment.server.publish(ZEROSCOPE, files)

    with pytest.raises(ModelNotLoaded, match=rf"{ZEROSCOPE}: {UNET}\.bin is a pickle"):
        deployment.start("zeroscope")
    assert {asked.path for asked in deployment.server.asked} == {"model_index.json"}


def test_a_model_that_is_none_is_named_with_its_setting(deployment: Deployment) -> None:
    with pytest.raises(UnknownModel, match=r"^DOWNLOAD_MODELS: Model not found: 'wan9'"):
        deployment.start("wan2.1", "wan9")
    assert deployment.server.asked == []


def test_a_disk_without_room_is_known_before_it_is_full(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    with pytest.raises(ModelNotLoaded, match=rf"{WAN} takes 0\.0 GB more, and 0\.0 GB are free"):
        deployment.start("wan2.1")
    assert deployment.server.asked_for(TRANSFORMER) == []


def test_the_images_own_offline_mode_is_lifted_for_it_and_set_again(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotLoaded, match="HF_HUB_OFFLINE is set"):
        Hub(endpoint=deployment.server.url).files(WAN, "main")

    assert ready(deployment.start("wan2.1"), "wan2.1")
    assert constants.HF_HUB_OFFLINE is True
    assert "offline mode is set, and lifted for what DOWNLOAD_MODELS names" in caplog.text


def test_two_workers_on_one_volume_fetch_it_once(deployment: Deployment) -> None:
    failures: list[Any] = []

    def start() -> None:
        try:
            assert ready(deployment.start("wan2.1"), "wan2.1")
        except Exception as error:  # told by the test's own thread
            failures.append(error)

    workers = [threading.Thread(target=start) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert failures == []
    assert len(deployment.server.asked_for(TRANSFORMER)) == 1
