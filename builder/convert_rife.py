"""`python -m builder.convert_rife flownet.pkl FOLDER`: RIFE's published weights as safetensors.

Practical-RIFE publishes a pickle, which can run anything when it is read; this reads it once, at
bake time, with torch's loader that knows tensors only.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from src.pipelines.rife_network import IFNet

#: What DataParallel, in which it was trained, puts before every name.
PREFIX = "module."


def convert(source: Path, folder: Path) -> list[str]:
    """Write FOLDER/config.json and model.safetensors, and name the weights that were left out.

    Those serve training alone, as parts that the network has not. Raises ValueError for a file
    that holds anything but tensors, or tensors that are not those of version 4.22 lite.
    """
    weights = _read(source)
    network = IFNet()
    expected = network.state_dict()
    parts = {name.partition(".")[0] for name in expected}
    left_out = sorted(name for name in weights if name.partition(".")[0] not in parts)
    kept = {name: value for name, value in weights.items() if name not in left_out}
    problems = list(_problems(kept, expected))
    if problems:
        raise ValueError(f"{source}: not RIFE 4.22 lite: {_some(problems)}")
    network.load_state_dict(kept)
    network.save_pretrained(folder)
    return left_out


def _read(source: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a broken file trips the reader in any way
        raise ValueError(f"{source}: not a file of tensors alone: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(item, Tensor) for item in state.values()):
        raise ValueError(f"{source}: must hold a dictionary of tensors")
    return {str(name).removeprefix(PREFIX): value for name, value in state.items()}


def _problems(found: dict[str, Tensor], expected: dict[str, Tensor]) -> Iterable[str]:
    for name, tensor in expected.items():
        if name not in found:
            yield f"{name} is missing"
        elif found[name].shape != tensor.shape:
            yield f"{name} is {_shape(found[name])}, not {_shape(tensor)}"
    yield from (f"{name} is unknown" for name in sorted(found.keys() - expected.keys()))


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))


def _some(problems: list[str], most: int = 5) -> str:
    more = f" and {len(problems) - most} more" if len(problems) > most else ""
    return "; ".join(problems[:most]) + more


def main() -> None:
    """Convert one file."""
    parser = ArgumentParser(prog="python -m builder.convert_rife", description=main.__doc__)
    parser.add_argument("source", type=Path, help="flownet.pkl, as published")
    parser.add_argument("folder", type=Path, help="where to: MODELS_DIR/owner/name")
    wanted = parser.parse_args()
    left_out = convert(wanted.source, wanted.folder)
    print(f"{wanted.folder}: written; {len(left_out)} weights of training left out")


if __name__ == "__main__":
    main()
