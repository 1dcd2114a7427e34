"""The model that the repository carries is whole, small, and gets to where it is served from."""

from pathlib import Path

import pytest

from builder import embedded
from builder.demo.model import MOST_BYTES
from builder.fetch_models.__main__ import main
from src.manifest import load_manifest
from src.pipelines.weights.lock import LOCK, Lock, sha256_of

DEMO = load_manifest().find("demo")


def test_the_lock_names_every_file_that_is_there_with_its_hash() -> None:
    base = embedded.FOLDER / DEMO.repo
    there = {
        path.relative_to(base).as_posix(): sha256_of(path)
        for path in base.rglob("*")
        if path.is_file()
    }
    locked = Lock.read(embedded.FOLDER / LOCK).repos

    assert list(locked) == [DEMO.repo]
    assert {name: file.sha256 for name, file in locked[DEMO.repo].files.items()} == there


def test_all_weights_are_safetensors_and_a_repository_can_carry_them() -> None:
    files = [path for path in (embedded.FOLDER / DEMO.repo).rglob("*") if path.is_file()]
    weights = [path for path in files if path.suffix == ".safetensors"]

    assert len(weights) == 3
    assert {path.suffix for path in files} == {".safetensors", ".json"}
    assert sum(path.stat().st_size for path in weights) <= MOST_BYTES


def test_it_alone_is_embedded() -> None:
    assert [entry.id for entry in load_manifest() if embedded.is_embedded(entry)] == ["demo"]


def test_it_is_copied_once_and_again_where_it_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / DEMO.repo / "transformer" / "diffusion_pytorch_model.safetensors"

    assert embedded.put(tmp_path, [DEMO]) == [DEMO.repo]
    whole = file.read_bytes()
    assert embedded.put(tmp_path, [DEMO]) == []
    file.write_bytes(whole[:-1])
    assert embedded.put(tmp_path, [DEMO]) == [DEMO.repo]
    assert file.read_bytes() == whole
    assert Lock.read(tmp_path / LOCK).repos == Lock.read(embedded.FOLDER / LOCK).repos


def test_a_bake_of_it_asks_no_hub(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    assert main(["--models", "demo", "--out", str(tmp_path), "--lock", str(tmp_path / "l")]) == 0
    assert f"{DEMO.repo}: made here" in capsys.readouterr().out
    assert (tmp_path / DEMO.repo / "model_index.json").is_file()
