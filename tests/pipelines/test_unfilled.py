"""Networks that are read without being filled first."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from src.manifest import load_manifest
from src.pipelines import FAMILIES
from src.pipelines.loader import Loader, first_class
from src.pipelines.unfilled import unfilled


@pytest.mark.parametrize(
    "fill",
    [
        torch.nn.init.kaiming_uniform_,
        torch.nn.init.kaiming_normal_,
        torch.nn.init.xavier_uniform_,
        torch.nn.init.uniform_,
        torch.nn.init.normal_,
        torch.Tensor.normal_,
        torch.Tensor.uniform_,
    ],
)
def test_nothing_is_filled_in_the_block_and_all_is_after_it(
    fill: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    zeros = torch.zeros(4, 4)
    with unfilled():
        assert fill(zeros) is zeros
        assert not zeros.any()
    assert fill(zeros).any()


def test_what_is_no_random_number_is_written_all_the_same() -> None:
    with unfilled():
        assert torch.nn.init.ones_(torch.zeros(4)).all()
        assert torch.nn.LayerNorm(4).weight.all()


def test_other_threads_fill_as_ever() -> None:
    zeros = torch.zeros(64)
    thread = threading.Thread(target=torch.nn.init.normal_, args=(zeros,))
    with unfilled():
        thread.start()
        thread.join()
    assert zeros.any()


def test_it_ends_where_reading_fails() -> None:
    with pytest.raises(OSError, match="cut short"), unfilled():
        raise OSError("cut short")
    assert torch.zeros(64).normal_().any()


@pytest.mark.real
def test_every_weight_of_an_animatediff_comes_from_its_files(tiny_models: Path) -> None:
    """Read into memory that holds no numbers, it is what it is when filled first."""
    entry = load_manifest().find("tiny")
    loader = Loader(models_dir=tiny_models, device="cpu")
    assert FAMILIES["animatediff"].reading is unfilled
    torch.use_deterministic_algorithms(True)  # what is made empty is then full of NaN
    try:
        made = loader.read(entry)
    finally:
        torch.use_deterministic_algorithms(False)
    filled = loader._from_folders(first_class(entry), entry)

    for name, part in filled.components.items():
        if isinstance(part, torch.nn.Module):
            _same(part, made.components[name])


def _same(one: torch.nn.Module, other: torch.nn.Module) -> None:
    theirs = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    ours = {**dict(one.named_parameters()), **dict(one.named_buffers())}
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
