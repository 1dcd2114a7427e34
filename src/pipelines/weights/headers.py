"""What a safetensors file says of itself: the table of tensors at its beginning, and nothing else.

Knows no torch. The format is described at https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ...errors import ModelNotLoaded

#: Bytes of a table of tensors, at most: the format's own limit.
MOST_HEADER = 100_000_000


def numbers(file: Path) -> int:
    """How many numbers a file holds; raises ModelNotLoaded for one that is not whole."""
    return sum(math.prod(tensor["shape"]) for tensor in tensors(file).values())


def tensors(file: Path) -> dict[str, dict[str, Any]]:
    """Each tensor's `shape`, `dtype` and `data_offsets`; raises ModelNotLoaded as `numbers`."""
    try:
        header, payload = _header(file)
        table = {name: one for name, one in header.items() if name != "__metadata__"}
        end = max((one["data_offsets"][1] for one in table.values()), default=0)
        sum(math.prod(one["shape"]) for one in table.values())
    except OSError as error:
        raise ModelNotLoaded(f"{file}: {error.strerror}") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ModelNotLoaded(f"{file}: not a safetensors file") from error
    if end != payload:
        raise ModelNotLoaded(f"{file}: should hold {end} bytes of weights, holds {payload}")
    return table


def shard_table(shards: Collection[Path]) -> bytes:
    """The index of weights in several files, from their own headers; raises ModelNotLoaded."""
    where: dict[str, str] = {}
    total = 0
    for shard in sorted(shards):
        for name, tensor in tensors(shard).items():
            start, end = tensor["data_offsets"]
            where[name] = shard.name
            total += end - start
    index = {"metadata": {"total_size": total}, "weight_map": where}
    return (json.dumps(index, indent=2, sort_keys=True) + "\n").encode()


def shard_table_name(shard: str) -> str:
    """What the index of a set of shards is called, by the name of one of them."""
    return f"{shard.rsplit('-', 3)[0]}.safetensors.index.json"


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """A safetensors file's table, and the bytes that follow it."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(size, MOST_HEADER):
            raise ModelNotLoaded(f"{file}: not a whole safetensors file")
        return json.loads(stream.read(length)), size - 8 - length
