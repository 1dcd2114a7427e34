"""Random weights at the published size: made on the device, written as baked ones are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from src.manifest import ModelEntry

#: Of every weight of two dimensions and more: what trained ones are about.
DEVIATION = 0.02
#: Left free where weights are made and written.
SPARE = 2 * 10**9


def maker(entry: ModelEntry) -> Callable[[], Any]:
    """What makes the model at its published size; raises LookupError where nothing does."""
    module = import_module(f"builder.tiny_models.{entry.family}")
    if not hasattr(module, "published"):
        raise LookupError(f"builder/tiny_models/{entry.family}.py has no `published`")
    return lambda: module.published(entry)


def random_pipeline(entry: ModelEntry, make: Callable[[], Any], device: str) -> Any:
    """The pipeline in the manifest's dtypes, with weights that give finite numbers."""
    with torch.device(device), _default_dtype(entry.dtype), torch.no_grad():
        pipeline = make()
        for name, part in modules(pipeline).items():
            # To the device once more: not every class makes all of itself on the default one.
            part.to(device, getattr(torch, entry.dtypes.get(name, entry.dtype))).eval()
            _calm(part)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sizes(pipeline: Any) -> dict[str, int]:
    """Bytes of weights by component."""
    return {
        name: sum(weight.numel() * weight.element_size() for weight in part.parameters())
        for name, part in modules(pipeline).items()
    }


def published_bytes(entry: ModelEntry, make: Callable[[], Any]) -> int:
    """What the weights will take, without making any."""
    with torch.device("meta"), torch.no_grad():
        parts = modules(make())
    return sum(
        sum(weight.numel() for weight in part.parameters())
        * getattr(torch, entry.dtypes.get(name, entry.dtype)).itemsize
        for name, part in parts.items()
    )


def write(entry: ModelEntry, make: Callable[[], Any], folder: Path, device: str) -> ModelEntry:
    """Write the model under MODELS_DIR's layout and give its entry: one repository, all in it."""
    if not is_written(entry, folder):
        making = folder / f"{entry.repo}.making"
        shutil.rmtree(making, ignore_errors=True)
        random_pipeline(entry, make, device).save_pretrained(making)
        making.rename(folder / entry.repo)
    return entry.model_copy(update={"components": {}})


def is_written(entry: ModelEntry, folder: Path) -> bool:
    """Whether an earlier case has left the weights."""
    return (folder / entry.repo).is_dir()


def fits_on_gpu(size: int) -> bool:
    """Whether so many bytes can be made there, which is quicker than on the CPU."""
    return torch.cuda.mem_get_info()[0] > size + SPARE


def fits_on_disk(folder: Path, size: int) -> bool:
    """Whether so many bytes can be written there."""
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free > size + SPARE


def modules(pipeline: Any) -> dict[str, torch.nn.Module]:
    """The networks of a pipeline."""
    return {
        name: part
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }


def _calm(part: torch.nn.Module) -> None:
    """Small matrices, norms that change nothing, no biases: nothing can run away over the depth."""
    for name, weight in part.named_parameters():
        if weight.ndim > 1:
            weight.normal_(std=DEVIATION)
        else:
            weight.fill_(0.0 if name.endswith("bias") else 1.0)


@contextmanager
def _default_dtype(name: str) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)
