import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from builder.convert_rife import convert
from src.pipelines.rife_network import IFNet


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """Random weights under the published names: as DataParallel saves them, training included."""
    torch.manual_seed(0)
    weights = {f"module.{name}": value for name, value in IFNet().state_dict().items()}
    training = {
        "teacher.conv0.0.0.weight": torch.zeros(32, 31, 3, 3),
        "caltime.0.bias": torch.ones(8),
    }
    return weights | {f"module.{name}": value for name, value in training.items()}


def saved(content: Any, folder: Path) -> Path:
    source = folder / "flownet.pkl"
    torch.save(content, source)
    return source


def test_a_published_pickle_becomes_safetensors_that_the_network_reads(
    published: dict[str, Any], tmp_path: Path
) -> None:
    left_out = convert(saved(published, tmp_path), tmp_path / "rife")
    read = IFNet.from_pretrained(tmp_path / "rife").state_dict()

    assert left_out == ["caltime.0.bias", "teacher.conv0.0.0.weight"]
    assert {path.name for path in (tmp_path / "rife").iterdir()} == {
        "config.json",
        "model.safetensors",
    }
    assert len(read) + 2 == len(published)
    assert all(torch.equal(value, published[f"module.{name}"]) for name, value in read.items())


def test_the_names_and_shapes_are_the_published_ones(published: dict[str, Any]) -> None:
    """Of Practical-RIFE's IFNet_HDv3.py for 4.22 lite, as far as public code tells."""
    shapes = {name.removeprefix("module."): tuple(value.shape) for name, value in published.items()}

    assert shapes["block0.conv0.0.0.weight"] == (96, 15, 3, 3)
    assert shapes["block0.conv0.1.0.weight"] == (192, 96, 3, 3)
    assert shapes["block3.conv0.0.0.weight"] == (16, 28, 3, 3)
    assert shapes["block3.convblock.7.beta"] == (1, 32, 1, 1)
    assert shapes["block2.convblock.0.conv.bias"] == (64,)
    assert shapes["block1.lastconv.0.weight"] == (128, 52, 4, 4)
    assert shapes["encode.cnn0.weight"] == (16, 3, 3, 3)
    assert shapes["encode.cnn3.weight"] == (16, 4, 4, 4)


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda weights: weights.pop(name)


def with_more(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda weights: weights.update({name: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("module.block1.convblock.3.beta"), r"block1\.convblock\.3\.beta is missing"),
        (
            with_more("module.block2.conv0.1.0.weight", torch.zeros(96, 48, 3, 3)),
            r"block2\.conv0\.1\.0\.weight is 96x48x3x3, not 64x32x3x3",
        ),
        (with_more("module.encode.cnn4.bias", torch.zeros(4)), r"encode\.cnn4\.bias is unknown"),
        (dict.clear, r"not RIFE 4\.22 lite: .* is missing; .* and \d+ more"),
        (with_more("epoch", 3), "must hold a dictionary of tensors"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_written(
    published: dict[str, Any], tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    weights = dict(published)
    change(weights)
    with pytest.raises(ValueError, match=words):
        convert(saved(weights, tmp_path), tmp_path / "rife")

    assert not (tmp_path / "rife").exists()


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def plain(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("write", [torch.save, plain])
def test_a_pickle_that_would_run_something_is_refused_unrun(
    published: dict[str, Any], tmp_path: Path, write: Callable[[Any, Path], Any]
) -> None:
    mark, source = tmp_path / "it-ran", tmp_path / "flownet.pkl"
    write({**published, "module.block0.bias": Evil(mark)}, source)
    with pytest.raises(ValueError, match="not a file of tensors alone"):
        convert(source, tmp_path / "rife")

    assert not mark.exists()
    assert not (tmp_path / "rife").exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04cut short"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "flownet.pkl"
    source.write_bytes(content)
    with pytest.raises(ValueError, match="not a file of tensors alone"):
        convert(source, tmp_path / "rife")
