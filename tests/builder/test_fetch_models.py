"""Bakes from a Hub on loopback, and what the product's own loader makes of the result."""

import io
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file, save

from builder.fetch_models import Hub, Rules, bake, choose, find_token
from builder.fetch_models.__main__ import main
from builder.tiny_models import build_models
from src.errors import ModelNotLoaded
from src.generation import GenerationRequest, Parameters, Sources, Task
from src.manifest import load_manifest
from src.pipelines.loader import Loader
from src.pipelines.rife_network import IFNet
from src.pipelines.room import Pipelines
from src.pipelines.weights.lock import LOCK, Lock, sha256_of

from .hub_server import HubServer

pytestmark = pytest.mark.real

WAN = "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"
SUSHI = "Stax124/DarkSushiMix"
MOTION = "guoyww/animatediff-motion-adapter-v1-5-2"
ZEROSCOPE = "cerspense/zeroscope_v2_576w"
UNET = "unet/diffusion_pytorch_model"
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
TOKEN = "hf_secretsecret"

Files = dict[str, bytes]


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def published(tiny_models: Path) -> Callable[[str], Files]:
    """The files of a repository, as tiny models have them, with what published ones have too."""

    def files(repo: str) -> Files:
        base = tiny_models / repo
        found = {
            path.relative_to(base).as_posix(): path.read_bytes()
            for path in sorted(base.rglob("*"))
            if path.is_file() and path.name != "tiny-model.txt"
        }
        return found | {"README.md": b"# A model", ".gitattributes": b"* lfs"}

    return files


class Bakery:
    """One folder and one lock, beside a Hub that has Wan 2.1 in float32."""

    #: Of Wan, when it was first published.
    commit = ""

    def __init__(self, server: HubServer, folder: Path) -> None:
        self.server = server
        self.out = folder / "models"
        self.lock = folder / "models.lock.json"

    def bake(self, *models: str, token: str | None = None, **options: Any) -> None:
        chosen = choose(
            load_manifest(), models, adapters=options.pop("adapters", False), tools=False
        )
        hub = Hub(endpoint=self.server.url, token=token)
        bake(chosen, hub=hub, out=self.out, lock=self.lock, rules=Rules(**options))

    def files(self, repo: str) -> list[str]:
        base = self.out / repo
        return sorted(
            path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()
        )

    def left(self) -> list[str]:
        """Everything that is neither in its place nor a lock."""
        return [path.name for path in self.out.rglob("*.part")]


@pytest.fixture
def bakery(server: HubServer, published: Callable[[str], Files], tmp_path: Path) -> Bakery:
    bakery = Bakery(server, tmp_path)
    bakery.commit = server.publish(WAN, published(WAN))
    return bakery


def frames(models_dir: Path, model: str) -> Any:
    room = Pipelines(
        manifest=load_manifest(),
        loader=Loader(models_dir=models_dir, device="cpu"),
        default_model=model,
    )
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


def test_a_baked_model_is_loaded_and_makes_the_published_ones_frames(
    bakery: Bakery, tiny_models: Path
) -> None:
    bakery.bake("wan2.1")
    Loader(models_dir=bakery.out, device="cpu").check_weights(load_manifest().find("wan2.1"))
    ours, theirs = (frames(folder, "wan2.1") for folder in (bakery.out, tiny_models))

    assert ours.shape == (5, 64, 64, 3)
    assert ours.std() > 1
    assert np.abs(ours.astype(int) - theirs).mean() < 12  # bfloat16 has three digits


def test_weights_are_stored_in_the_dtype_that_they_are_served_in(
    bakery: Bakery, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bakery.bake("wan2.1")
    encoder = "text_encoder/model.safetensors"
    vae = "vae/diffusion_pytorch_model.safetensors"
    sizes = {
        name: (bakery.out / WAN / name).stat().st_size / (tiny_models / WAN / name).stat().st_size
        for name in (encoder, TRANSFORMER, vae)
    }
    dtypes = {
        name: {one.dtype for one in load_file(bakery.out / WAN / name).values()} for name in sizes
    }

    assert sizes[encoder] == pytest.approx(0.5, abs=0.02)
    assert dtypes[encoder] == {torch.bfloat16}
    assert dtypes[TRANSFORMER] == {torch.bfloat16, torch.float32}  # norms and time stay
    assert sha256_of(bakery.out / WAN / vae) == sha256_of(tiny_models / WAN / vae)
    config = json.loads((bakery.out / WAN / "text_encoder/config.json").read_text("utf-8"))
    assert config["dtype"] == "bfloat16"
    assert f"{WAN} at {bakery.commit[:12]}" in capsys.readouterr().out


def test_published_weights_can_be_stored_as_they_are(
    bakery: Bakery, published: Callable[[str], Files]
) -> None:
    bakery.bake("wan2.1", stored="published")

    for path, content in published(WAN).items():
        if path not in ("README.md", ".gitattributes"):
            assert (bakery.out / WAN / path).read_bytes() == content


def test_only_what_the_pipelines_need_is_fetched(
    bakery: Bakery, server: HubServer, published: Callable[[str], Files]
) -> None:
    extra = {
        f"{UNET}.bin": b"pickle",
        "unet/model.onnx": b"onnx",
        "flax_model.msgpack": b"flax",
        "v2.ckpt": b"checkpoint",
        "DarkSushiMix.safetensors": b"all in one",
        "safety_checker/config.json": b"{}",
        "safety_checker/model.safetensors": b"checker",
        "LICENSE": b"terms",
    }
    files = published(SUSHI)
    server.publish(SUSHI, files | extra)
    server.publish(MOTION, published(MOTION))
    bakery.bake("dark-sushi-mix")

    assert bakery.files(SUSHI) == sorted({*files, "LICENSE"} - {"README.md", ".gitattributes"})
    assert bakery.files(MOTION) == ["config.json", "diffusion_pytorch_model.safetensors"]
    assert {asked.path for asked in server.asked}.isdisjoint(extra.keys() - {"LICENSE"})
    assert [path.name for path in bakery.out.iterdir() if path.name.startswith(".")] == []


def halves(content: bytes, name: str) -> Files:
    """Weights in two shards, with their index."""
    tensors = load(content)
    names = sorted(tensors)
    shards = [names[: len(names) // 2], names[len(names) // 2 :]]
    return {
        name.format(f"-0000{number}-of-00002"): save({key: tensors[key] for key in keys})
        for number, keys in enumerate(shards, start=1)
    }


def test_a_variant_in_shards_is_stored_under_plain_names_with_its_index(
    bakery: Bakery, server: HubServer, published: Callable[[str], Files], tiny_models: Path
) -> None:
    files = published(SUSHI)
    whole = files.pop(f"{UNET}.safetensors")
    half = save({name: one.half() for name, one in load(whole).items()})
    files |= halves(half, f"{UNET}.fp16{{}}.safetensors")
    files |= {f"{UNET}.safetensors.index.fp16.json": b"{}", f"{UNET}.bin": b"pickle"}
    server.publish(SUSHI, files)
    server.publish(MOTION, published(MOTION))
    bakery.bake("dark-sushi-mix")

    shards = [f"{UNET}-0000{number}-of-00002.safetensors" for number in (1, 2)]
    stored = [path for path in bakery.files(SUSHI) if path.startswith("unet/")]
    assert stored == sorted(["unet/config.json", *shards, f"{UNET}.safetensors.index.json"])
    ours, theirs = (
        Loader(models_dir=folder, device="cpu").read(load_manifest().find("dark-sushi-mix")).unet
        for folder in (bakery.out, tiny_models)
    )
    assert all(
        torch.equal(one, theirs.get_parameter(name).half().float())
        for name, one in ours.named_parameters()
        if "motion_modules" not in name
    )


def test_one_form_of_the_weights_takes_the_place_of_another(
    bakery: Bakery, server: HubServer, published: Callable[[str], Files]
) -> None:
    files = published(SUSHI)
    whole = files.pop(f"{UNET}.safetensors")
    files[f"{UNET}.fp16.safetensors"] = save({key: one.half() for key, one in load(whole).items()})
    server.publish(SUSHI, files | halves(whole, f"{UNET}{{}}.safetensors"))
    server.publish(MOTION, published(MOTION))
    stored = {}
    for dtype in ("published", "served"):
        bakery.bake("dark-sushi-mix", stored=dtype, update=True)
        stored[dtype] = [path for path in bakery.files(SUSHI) if path.startswith("unet/")]

    assert len(stored["published"]) == 4  # two shards, their index, the configuration
    assert stored["served"] == ["unet/config.json", f"{UNET}.safetensors"]
    for lock in (bakery.lock, bakery.out / LOCK):
        assert sorted(Lock.read(lock).repos[SUSHI].files) == bakery.files(SUSHI)


def test_pickles_are_converted_where_there_is_nothing_else(
    bakery: Bakery, server: HubServer, published: Callable[[str], Files], tiny_models: Path
) -> None:
    files: Files = {}
    for path, content in published(ZEROSCOPE).items():
        if path.endswith(".safetensors"):
            pickle = io.BytesIO()
            torch.save(load(content), pickle)
            stem = path.removesuffix(".safetensors").replace("/model", "/pytorch_model")
            files[f"{stem}.bin"] = pickle.getvalue()
        else:
            files[path] = content
    server.publish(ZEROSCOPE, files)
    bakery.bake("zeroscope")

    weights = [path for path in bakery.files(ZEROSCOPE) if path.endswith(".safetensors")]
    assert weights == sorted(
        f"{folder}/{stem}.safetensors"
        for folder, stem in [
            ("text_encoder", "model"),
            ("unet", "diffusion_pytorch_model"),
            ("vae", "diffusion_pytorch_model"),
        ]
    )
    for path in weights:
        ours, theirs = (load_file(at / ZEROSCOPE / path) for at in (bakery.out, tiny_models))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(one, theirs[name].half()) for name, one in ours.items())


def test_adapters_and_tools_are_baked_with_the_models_that_they_fit(
    server: HubServer, published: Callable[[str], Files], tmp_path: Path
) -> None:
    chosen = choose(load_manifest(), ["dark-sushi-mix"])
    repos = {
        repo
        for served in (*chosen.models, *chosen.adapters, *chosen.tools)
        for repo in served.repos  # type: ignore[attr-defined]
    }
    for repo in repos:
        server.publish(repo, published(repo))
    pickle = io.BytesIO()
    torch.save({f"module.{key}": one for key, one in IFNet().state_dict().items()}, pickle)
    server.publish("elfgum/RIFE-4.22.lite", {"train_log/flownet.pkl": pickle.getvalue()})
    out = tmp_path / "models"
    bake(chosen, hub=Hub(endpoint=server.url), out=out, lock=tmp_path / "lock.json", rules=Rules())

    assert set(Lock.read(out / LOCK).repos) == repos
    IFNet.from_pretrained(out / "elfgum/RIFE-4.22.lite")
    image_encoder = load_file(out / "h94/IP-Adapter/models/image_encoder/model.safetensors")
    assert {one.dtype for one in image_encoder.values() if one.is_floating_point()} == {
        torch.float16
    }
    lora = load_file(out / "wangfuyun/AnimateLCM/AnimateLCM_sd15_t2v_lora.safetensors")
    assert {one.dtype for one in lora.values()} == {torch.float32}
    server.asked.clear()
    bake(chosen, hub=Hub(endpoint=server.url), out=out, lock=tmp_path / "lock.json", rules=Rules())
    assert [asked.path for asked in server.asked if asked.path.endswith(".safetensors")] == []
    assert server.asked_for("train_log/flownet.pkl") == []


# --- the lock -------------------------------------------------------------------------------------


def test_a_later_bake_has_the_first_ones_commit_and_bytes(
    bakery: Bakery, server: HubServer, published: Callable[[str], Files], tmp_path: Path
) -> None:
    bakery.bake("wan2.1")
    first = bakery.lock.read_bytes()
    newer = published(WAN) | {"scheduler/scheduler_config.json": b'{"_class_name": "Other"}'}
    moved = server.publish(WAN, newer)
    later = Bakery(server, tmp_path / "later")
    later.lock = bakery.lock
    later.bake("wan2.1", frozen=True)

    assert later.lock.read_bytes() == first
    assert (later.out / LOCK).read_bytes() == (bakery.out / LOCK).read_bytes()
    for path in bakery.files(WAN):
        assert sha256_of(later.out / WAN / path) == sha256_of(bakery.out / WAN / path)

    server.asked.clear()
    later.bake("wan2.1", update=True)
    assert Lock.read(later.lock).repos[WAN].commit == moved
    assert b"Other" in (later.out / WAN / "scheduler/scheduler_config.json").read_bytes()
    assert server.asked_for(TRANSFORMER) == []  # has not changed


def test_the_lock_says_what_is_there_and_where_it_came_from(
    bakery: Bakery, tiny_models: Path
) -> None:
    bakery.bake("wan2.1")
    repository = Lock.read(bakery.lock).repos[WAN]
    record = repository.files[TRANSFORMER]
    text = bakery.lock.read_text("utf-8")

    assert repository.commit == bakery.commit
    assert list(repository.files) == sorted(bakery.files(WAN))
    assert record.dtype == "bfloat16"
    assert record.sha256 == sha256_of(bakery.out / WAN / TRANSFORMER)
    assert record.source
    assert record.source.sha256 == sha256_of(tiny_models / WAN / TRANSFORMER)
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert Lock.read(bakery.out / LOCK).repos[WAN] == repository


def other_weights(content: bytes) -> bytes:
    return save({name: one + 1 for name, one in load(content).items()})


@pytest.mark.parametrize("path", [TRANSFORMER, "tokenizer/tokenizer.json"])
def test_a_commit_that_holds_something_else_is_refused_by_file_wanted_and_got(
    bakery: Bakery,
    server: HubServer,
    published: Callable[[str], Files],
    tmp_path: Path,
    path: str,
) -> None:
    bakery.bake("wan2.1")
    before = published(WAN)[path]
    changed = other_weights(before) if path == TRANSFORMER else before.replace(b"1", b"2")
    server.rewrite(WAN, path, changed)
    later = Bakery(server, tmp_path / "later")
    later.lock = bakery.lock
    locked = Lock.read(bakery.lock).repos[WAN].files[path].source
    assert locked

    with pytest.raises(
        ModelNotLoaded, match=rf"{path}: sha256 .* must be {locked.sha256}.* got \w{{64}}"
    ):
        later.bake("wan2.1")
    assert not (later.out / WAN / path).exists()


def test_another_dtype_than_the_locks_is_refused(bakery: Bakery, tmp_path: Path) -> None:
    bakery.bake("wan2.1")
    later = Bakery(bakery.server, tmp_path / "later")
    later.lock = bakery.lock

    with pytest.raises(
        ModelNotLoaded, match="the lock has it in bfloat16, got its published dtype"
    ):
        later.bake("wan2.1", stored="published")


def test_a_frozen_bake_takes_nothing_that_is_not_locked(bakery: Bakery) -> None:
    with pytest.raises(ModelNotLoaded, match=rf"{WAN}: not in .*models\.lock\.json"):
        bakery.bake("wan2.1", frozen=True)
    assert not (bakery.out / WAN).exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "not a lock file"), ('{"version": 2}', "version must be 1, got 2")],
)
def test_a_lock_that_cannot_be_read_is_named(bakery: Bakery, content: str, words: str) -> None:
    bakery.lock.write_text(content, "utf-8")
    with pytest.raises(ModelNotLoaded, match=words):
        bakery.bake("wan2.1")


def test_a_folder_that_no_bake_has_made_is_left_alone(bakery: Bakery) -> None:
    mine = bakery.out / WAN / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.touch()
    with pytest.raises(ModelNotLoaded, match="holds files that are not in"):
        bakery.bake("wan2.1")
    assert bakery.files(WAN) == ["mine.txt"]


# --- faults ---------------------------------------------------------------------------------------


def test_a_file_that_ends_early_is_not_put_in_place_and_continued_by_the_next_run(
    bakery: Bakery, server: HubServer
) -> None:
    server.faults.short[TRANSFORMER] = 50_000
    with pytest.raises(ModelNotLoaded, match=rf"{TRANSFORMER}: cut short, wanted \d+ bytes"):
        bakery.bake("wan2.1")
    assert not (bakery.out / WAN / TRANSFORMER).exists()
    assert len(bakery.left()) >= 1
    assert not bakery.lock.exists()

    server.asked.clear()
    bakery.bake("wan2.1")
    assert [asked.range for asked in server.asked_for(TRANSFORMER)] == ["bytes=50000-"]
    assert server.asked_for("text_encoder/model.safetensors") == []
    assert bakery.left() == []


def test_a_connection_that_breaks_is_continued_at_once(
    bakery: Bakery, server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is less than one of the library's chunks is asked for again.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    server.faults.cut[TRANSFORMER] = 60_000
    bakery.bake("wan2.1")
    first, second = server.asked_for(TRANSFORMER)

    assert first.range is None
    assert second.range
    assert 0 < int(second.range.removeprefix("bytes=").rstrip("-")) <= 60_000
    assert bakery.left() == []


def test_an_unfinished_bake_goes_on_with_its_own_commit(
    bakery: Bakery, server: HubServer, published: Callable[[str], Files]
) -> None:
    server.faults.short[TRANSFORMER] = 100
    with pytest.raises(ModelNotLoaded):
        bakery.bake("wan2.1")
    server.publish(WAN, published(WAN) | {"tokenizer/tokenizer.json": b"{}"})
    bakery.bake("wan2.1")

    assert Lock.read(bakery.lock).repos[WAN].commit == bakery.commit


@pytest.mark.parametrize("path", [TRANSFORMER, "transformer/config.json"])
def test_bytes_that_are_not_those_listed_are_thrown_away(
    bakery: Bakery, server: HubServer, published: Callable[[str], Files], path: str
) -> None:
    server.faults.other[path] = published(WAN)[path][:-1] + b"?"
    with pytest.raises(
        ModelNotLoaded, match=rf"{WAN}/{path}: its \w+( hash)? must be \w+, got \w+"
    ):
        bakery.bake("wan2.1")
    assert not (bakery.out / WAN / path).exists()

    server.faults.other.clear()
    bakery.bake("wan2.1")
    assert (bakery.out / WAN / path).is_file()


def test_a_damaged_file_is_fetched_again(bakery: Bakery) -> None:
    bakery.bake("wan2.1")
    path = bakery.out / WAN / TRANSFORMER
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    bakery.bake("wan2.1")

    assert path.read_bytes() == good


def gate(server: HubServer) -> None:
    server.faults.gated[WAN] = TOKEN


def lose(server: HubServer) -> None:
    server.faults.lost.add(TRANSFORMER)


def fail(status: int) -> Callable[[HubServer], None]:
    return lambda server: setattr(server.faults, "status", status)


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (gate, rf"licence has to be accepted: do so at http://[\w.:]+/{WAN}, then set HF_TOKEN"),
        (lose, rf"{WAN}/{TRANSFORMER}: is listed at \w+, but not there"),
        (fail(401), "refused with status 401: HF_TOKEN must be valid"),
        (fail(403), "refused with status 403: HF_TOKEN must be valid"),
        (fail(404), "answers with status 404"),
        (fail(500), "answers with status 500"),
        (fail(204), "answers as no Hub does"),
    ],
)
def test_a_refusal_says_what_to_do(
    bakery: Bakery,
    server: HubServer,
    capsys: pytest.CaptureFixture[str],
    break_it: Callable[[HubServer], None],
    words: str,
) -> None:
    break_it(server)
    with pytest.raises(ModelNotLoaded, match=words) as caught:
        bakery.bake("wan2.1", token="hf_not_the_one")

    said = str(caught.value) + "".join(capsys.readouterr())
    assert "hf_not_the_one" not in said
    assert "signature" not in said
    assert bakery.files(WAN) == [] or break_it is lose


def test_a_gated_repository_opens_for_a_token(bakery: Bakery, server: HubServer) -> None:
    gate(server)
    bakery.bake("wan2.1", token=TOKEN)

    assert (bakery.out / WAN / TRANSFORMER).is_file()
    assert server.asked_for("transformer/config.json")[0].token == f"Bearer {TOKEN}"
    assert server.asked_for(TRANSFORMER)[0].token is None  # it lies on another host
    assert TOKEN not in bakery.lock.read_text("utf-8")


def test_a_repository_that_is_not_there_is_named(bakery: Bakery) -> None:
    with pytest.raises(
        ModelNotLoaded, match=r"14B-Diffusers: not found at .*: HF_TOKEN is not set"
    ):
        bakery.bake("wan2.1-t2v-14b")


def test_a_commit_that_is_gone_is_named(bakery: Bakery) -> None:
    lock = Lock.model_validate({"repos": {WAN: {"commit": "0" * 40}}})
    lock.write(bakery.lock)
    with pytest.raises(ModelNotLoaded, match=f"{WAN}: has no revision 0{{40}} .*--update"):
        bakery.bake("wan2.1")


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_no_network_is_an_error_that_says_so(tmp_path: Path) -> None:
    url = closed_port()
    chosen = choose(load_manifest(), ["wan2.1"])
    with pytest.raises(ModelNotLoaded, match=rf"{url} could not be reached \(ConnectError"):
        bake(chosen, hub=Hub(endpoint=url), out=tmp_path, lock=tmp_path / "lock", rules=Rules())


# --- the command ----------------------------------------------------------------------------------


def test_the_command_ends_with_1_and_one_line(
    bakery: Bakery, server: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    gate(server)
    hub = Hub(endpoint=server.url)
    arguments = ["--out", str(bakery.out), "--lock", str(bakery.lock), "--without-tools"]

    assert main(["--models", "wan2.1", *arguments], hub=hub) == 1
    assert "error: " in capsys.readouterr().err
    assert main(["--models", "nothing", *arguments], hub=hub) == 1
    assert "Model not found: 'nothing'" in capsys.readouterr().err
    server.faults.gated.clear()
    assert main(["--models", " WAN2.1 ,", *arguments], hub=hub) == 0
    assert "wan2.1 ready" in capsys.readouterr().out


def test_the_embedded_model_is_made_without_any_network(tmp_path: Path) -> None:
    out, lock = tmp_path / "models", tmp_path / "models.lock.json"
    arguments = ["--models", "tiny", "--out", str(out), "--lock", str(lock)]

    assert main(arguments, hub=Hub(endpoint=closed_port())) == 0
    assert not lock.exists()
    made = Lock.read(out / LOCK).repos
    assert made["worker-video/tiny"].commit is None
    assert "unet/config.json" in made["worker-video/tiny"].files
    assert "worker-video/tiny-ip-adapter" in made
    assert frames(out, "tiny").shape == (5, 64, 64, 3)


def test_what_is_new_in_the_lock_is_said_once(
    bakery: Bakery, capsys: pytest.CaptureFixture[str]
) -> None:
    bakery.bake("wan2.1")
    assert f"{bakery.lock}: new in it, to be committed: {WAN}" in capsys.readouterr().out
    bakery.bake("wan2.1")
    assert "to be committed" not in capsys.readouterr().out


def test_what_is_made_and_what_is_fetched_stand_in_one_lock_beside_the_weights(
    bakery: Bakery, tmp_path: Path
) -> None:
    build_models(bakery.out, [load_manifest().find("tiny")])
    bakery.bake("wan2.1")
    both = Bakery(bakery.server, tmp_path / "both")
    both.bake("tiny", "wan2.1")

    for folder in (bakery.out, both.out):
        assert {"worker-video/tiny", WAN} <= Lock.read(folder / LOCK).repos.keys()
    assert set(Lock.read(both.lock).repos) == {WAN}  # what is made is not held to anything


def test_the_token_is_the_environments_or_the_builds_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    secret = tmp_path / "HF_TOKEN"

    assert find_token(secret) is None
    secret.write_text(" hf_of_the_build\n", "utf-8")
    assert find_token(secret) == "hf_of_the_build"
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
    assert find_token(secret) == "hf_of_the_environment"
