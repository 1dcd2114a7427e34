"""Weights in another dtype, file by file and tensor by tensor: never a whole model in memory.

What comes out of loading the result is what comes out of loading the source: numbers are rounded
here as the libraries would round them, and what these keep in float32 is left alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .failures import BakeFailed

#: dtypes that may become one another, by the format's words for them, and others that stay.
NAMES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
WORDS = {dtype: word for word, dtype in NAMES.items()}
ROUNDED = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
#: Suffixes of files that are read as safetensors; all else is a pickle.
SAFETENSORS = ".safetensors"
#: The alignment of numbers in a file: the header's length is a multiple of it.
ALIGNMENT = 8


def would_change(source: Path, dtype: str | None, kept: Collection[str]) -> bool:
    """Whether a safetensors file has numbers that are not in this dtype and should be."""
    with _opened(source) as (table, _read):
        return any(_target(name, one, dtype, kept) != one[1] for name, one in table.items())


def store(
    source: Path, target: Path, *, dtype: str | None, kept: Collection[str], pickled: bool
) -> tuple[Path, bool]:
    """Have weights as safetensors in a dtype: the file that holds them, and if numbers changed.

    That file is `target`, or the source where it is what it should be. `kept` are parts of
    tensors' names that stay in float32. Raises BakeFailed for what holds no tensors.
    """
    with (_unpickled if pickled else _opened)(source) as (table, read):
        dtypes = {name: _target(name, one, dtype, kept) for name, one in table.items()}
        changed = any(dtypes[name] != one[1] for name, one in table.items())
        if not (pickled or changed):
            return source, False
        _write(target, {name: one[0] for name, one in table.items()}, dtypes, read)
    return target, changed


def kept_in_float32(config: Mapping[str, Any], dtype: str | None) -> frozenset[str]:
    """Parts of the names of weights that a network's class keeps in float32, by its config.json."""
    import diffusers
    import transformers

    names = [config["_class_name"]] if "_class_name" in config else config.get("architectures")
    name = str((names or [""])[0])
    cls = getattr(diffusers, name, None) or getattr(transformers, name, None)
    kept = set(getattr(cls, "_keep_in_fp32_modules_strict", None) or ())
    # transformers' plain list is for float16 alone, diffusers' for any dtype.
    if dtype == "float16" or hasattr(diffusers, name):
        kept |= set(getattr(cls, "_keep_in_fp32_modules", None) or ())
    return frozenset(kept)


def with_dtype(config: Any, dtype: str) -> Any:
    """A configuration that says this dtype wherever it names the one of its weights."""
    if isinstance(config, dict):
        return {
            key: dtype
            if key in ("torch_dtype", "dtype") and isinstance(value, str)
            else with_dtype(value, dtype)
            for key, value in config.items()
        }
    return config


#: Name -> shape and dtype.
_Table = dict[str, tuple[tuple[int, ...], torch.dtype]]
_Read = Callable[[str], Tensor]


@contextmanager
def _opened(source: Path) -> Iterator[tuple[_Table, _Read]]:
    try:
        with safe_open(source, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  no mapping
            table = {
                name: (tuple(one.get_shape()), NAMES[one.get_dtype()])
                for name, one in slices.items()
            }
            yield table, file.get_tensor
    except (SafetensorError, KeyError) as error:
        raise BakeFailed(f"{source}: not a whole safetensors file: {error}") from error


@contextmanager
def _unpickled(source: Path) -> Iterator[tuple[_Table, _Read]]:
    """A pickle, read by torch's reader that knows tensors only and runs nothing."""
    try:
        # Old pickles are no archives, and can only be read whole.
        state = torch.load(source, map_location="cpu", weights_only=True, mmap=is_zipfile(source))
    except Exception as error:  # a broken file trips the reader in any way
        raise BakeFailed(f"{source}: not a file of tensors alone: {error}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(one, Tensor) for one in state.values()):
        raise BakeFailed(f"{source}: must hold a dictionary of tensors")
    table = {str(name): (tuple(one.shape), one.dtype) for name, one in state.items()}
    yield table, lambda name: state[name]


def _target(
    name: str,
    one: tuple[tuple[int, ...], torch.dtype],
    dtype: str | None,
    kept: Collection[str],
) -> torch.dtype:
    """What a tensor is stored in: never more bytes than it came in, which would say no more."""
    _shape, current = one
    if dtype is None or current not in ROUNDED:
        return current
    if current == torch.float32 and not set(kept).isdisjoint(name.split(".")):
        return current
    wanted: torch.dtype = getattr(torch, dtype)
    return wanted if wanted.itemsize <= current.itemsize else current


def _write(
    target: Path,
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, torch.dtype],
    read: _Read,
) -> None:
    """A safetensors file, one tensor at a time."""
    # The widest first, as the library does it, so that each lies on a multiple of its width.
    names = sorted(shapes, key=lambda name: (-dtypes[name].itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        start, end = end, end + math.prod(shapes[name]) * dtypes[name].itemsize
        header[name] = {
            "dtype": WORDS[dtypes[name]],
            "shape": list(shapes[name]),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with target.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            tensor = read(name).to(dtypes[name]).contiguous().reshape(-1)
            stream.write(tensor.view(torch.uint8).numpy().data)
