"""Weights in another dtype: the same numbers as the libraries make of them while loading."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from builder.fetch_models import BakeFailed
from builder.fetch_models.conversion import (
    kept_in_float32,
    store,
    with_dtype,
    would_change,
)
from src.pipelines.weights.headers import shard_table

pytestmark = pytest.mark.real


def converted(
    tensors: dict[str, torch.Tensor], folder: Path, dtype: str | None, kept: frozenset[str]
) -> tuple[dict[str, torch.Tensor], bool]:
    save_file(tensors, folder / "source.safetensors")
    path, changed = store(
        folder / "source.safetensors", folder / "target", dtype=dtype, kept=kept, pickled=False
    )
    return load_file(path), changed


@pytest.mark.parametrize(
    ("published", "wanted", "stored"),
    [
        (torch.float32, "float16", torch.float16),
        (torch.float32, "bfloat16", torch.bfloat16),
        (torch.float64, "float32", torch.float32),
        (torch.float16, "bfloat16", torch.bfloat16),
        (torch.bfloat16, "float16", torch.float16),
        # More bytes would not say more.
        (torch.float16, "float32", torch.float16),
        (torch.bfloat16, "float32", torch.bfloat16),
        (torch.float32, "float32", torch.float32),
        (torch.float32, None, torch.float32),
        (torch.int64, "float16", torch.int64),
        (torch.float8_e4m3fn, "float16", torch.float8_e4m3fn),
    ],
)
def test_numbers_are_rounded_and_never_widened(
    tmp_path: Path, published: torch.dtype, wanted: str | None, stored: torch.dtype
) -> None:
    tensor = (torch.arange(60, dtype=torch.float32) / 7).reshape(3, 4, 5).to(published)
    got, changed = converted({"a": tensor}, tmp_path, wanted, frozenset())

    assert got["a"].dtype == stored
    assert torch.equal(got["a"].view(torch.uint8), tensor.to(stored).view(torch.uint8))
    assert changed is (stored != published)


def test_tensors_of_all_shapes_and_dtypes_keep_their_places(tmp_path: Path) -> None:
    tensors = {
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 3),
        "bytes": torch.arange(3, dtype=torch.uint8),
        "ids": torch.arange(5),
        "wide": torch.randn(2, 3),
        "flags": torch.tensor([True, False]),
    }
    got, _ = converted(tensors, tmp_path, "bfloat16", frozenset())

    assert {name: one.shape for name, one in got.items()} == {
        name: one.shape for name, one in tensors.items()
    }
    assert torch.equal(got["wide"], tensors["wide"].bfloat16())
    assert torch.equal(got["ids"], tensors["ids"])
    assert got["scalar"] == 1.5
    with safe_open(tmp_path / "target", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_names_that_stay_in_float32_are_whole_words(tmp_path: Path) -> None:
    tensors = {"block.wo.weight": torch.ones(2) / 3, "block.wordy.weight": torch.ones(2) / 3}
    got, _ = converted(tensors, tmp_path, "float16", frozenset({"wo"}))

    assert got["block.wo.weight"].dtype == torch.float32
    assert got["block.wordy.weight"].dtype == torch.float16
    assert not would_change(tmp_path / "target", "float16", {"wo"})
    assert would_change(tmp_path / "target", "bfloat16", {"wo"})


@pytest.mark.parametrize(
    ("config", "dtype", "kept"),
    [
        ({"architectures": ["T5EncoderModel"]}, "float16", {"wo"}),
        ({"architectures": ["T5EncoderModel"]}, "bfloat16", set()),
        ({"architectures": ["UMT5EncoderModel"]}, "bfloat16", set()),
        ({"_class_name": "AutoencoderKL"}, "float16", set()),
        ({"_class_name": "SomethingNew"}, "float16", set()),
        ({}, "float16", set()),
    ],
)
def test_a_class_says_what_it_keeps(config: dict[str, Any], dtype: str, kept: set[str]) -> None:
    assert kept_in_float32(config, dtype) == kept


@pytest.mark.parametrize(
    ("repo", "component", "library", "dtype"),
    [
        ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "transformer", "diffusers", "bfloat16"),
        ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "text_encoder", "transformers", "bfloat16"),
        ("zai-org/CogVideoX-2b", "text_encoder", "transformers", "float16"),
        ("zai-org/CogVideoX-2b", "transformer", "diffusers", "float16"),
    ],
)
def test_what_is_loaded_is_bit_by_bit_what_would_have_been_loaded(
    tiny_models: Path, tmp_path: Path, repo: str, component: str, library: str, dtype: str
) -> None:
    source = tiny_models / repo / component
    config = json.loads((source / "config.json").read_text("utf-8"))
    [weights] = source.glob("*.safetensors")
    store(
        weights,
        tmp_path / weights.name,
        dtype=dtype,
        kept=kept_in_float32(config, dtype),
        pickled=False,
    )
    (tmp_path / "config.json").write_text(json.dumps(with_dtype(config, dtype)), "utf-8")
    name = config.get("_class_name") or config["architectures"][0]
    cls = getattr(__import__(library), name)
    before, after = (
        cls.from_pretrained(folder, dtype=getattr(torch, dtype), use_safetensors=True).state_dict()
        for folder in (source, tmp_path)
    )

    assert {key: one.dtype for key, one in before.items()} == {
        key: one.dtype for key, one in after.items()
    }
    assert all(torch.equal(one, after[key]) for key, one in before.items())
    assert (tmp_path / weights.name).stat().st_size < 0.9 * weights.stat().st_size


def test_a_configuration_says_the_new_dtype_at_every_depth() -> None:
    config = {"torch_dtype": "float32", "text_config": {"dtype": "float32", "size": 3}}

    assert with_dtype(config, "bfloat16") == {
        "torch_dtype": "bfloat16",
        "text_config": {"dtype": "bfloat16", "size": 3},
    }


def test_the_index_of_shards_is_that_of_their_headers(tmp_path: Path) -> None:
    shards = [tmp_path / f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    save_file({"b": torch.zeros(3), "a": torch.zeros(1, dtype=torch.float16)}, shards[0])
    save_file({"c": torch.zeros(2)}, shards[1])

    assert json.loads(shard_table(shards)) == {
        "metadata": {"total_size": 3 * 4 + 2 + 2 * 4},
        "weight_map": {"a": shards[0].name, "b": shards[0].name, "c": shards[1].name},
    }


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_pickle_of_tensors_becomes_safetensors(tmp_path: Path, *, wrapped: bool) -> None:
    weight = torch.randn(4, 3)
    state: dict[str, Any] = {"weight": weight, "tied": weight, "turned": weight.t()}
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "model.bin")
    path, changed = store(
        tmp_path / "model.bin", tmp_path / "target", dtype=None, kept=(), pickled=True
    )
    got = load_file(path)

    assert not changed
    assert all(torch.equal(got[name], one) for name, one in state.items())


@pytest.mark.parametrize("content", ["evil", "list", "cut"])
def test_a_pickle_of_anything_else_is_refused_unrun(tmp_path: Path, content: str) -> None:
    mark, source = tmp_path / "it-ran", tmp_path / "model.bin"
    things: dict[str, Callable[[], Any]] = {
        "evil": lambda: torch.save({"a": Evil(mark)}, source),
        "list": lambda: torch.save([torch.zeros(1)], source),
        "cut": lambda: source.write_bytes(b"PK\x03\x04cut short"),
    }
    things[content]()
    with pytest.raises(BakeFailed, match="tensors"):
        store(source, tmp_path / "target", dtype=None, kept=(), pickled=True)

    assert not mark.exists()
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff" * 100])
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "model.safetensors"
    source.write_bytes(content)
    with pytest.raises(BakeFailed, match="not a whole safetensors file"):
        store(source, tmp_path / "target", dtype="float16", kept=(), pickled=False)
