"""What compiled models need where they run: a compiler, or what one has made there before.

Read in torch 2.13.0 and Triton 3.7.1: on a GPU torch leaves kernels to Triton, whose own assembler
comes with it; but Triton builds one helper in C, `cuda_utils`, with gcc or clang and Python's
headers, and keeps it in its cache. On a CPU torch builds every kernel in C++.
"""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

import torch

HELPER = "*/cuda_utils*.so"
ADVICE = "build the image with WITH_COMPILER=1"


def lacking(
    device: torch.device,
    *,
    which: Callable[[str], str | None] = shutil.which,
    headers: Path | None = None,
    cache: Path | None = None,
) -> str | None:
    """Why nothing can be compiled for the device; None where it can.

    `headers` is the folder of Python's own, `cache` Triton's: those that the two look into.
    """
    if device.type == "cpu":
        name = _cpu_compiler()
        return None if which(name) else f"torch needs {name}, which is not there; {ADVICE}"
    if any((cache or _triton_cache(device)).glob(HELPER)):
        return None
    if not (which("gcc") or which("clang")):
        return f"Triton needs gcc or clang, and neither is there; {ADVICE}"
    folder = headers or Path(sysconfig.get_paths()["include"])
    if not (folder / "Python.h").is_file():
        return f"Triton needs {folder / 'Python.h'}, which is not there; {ADVICE}"
    return None


def _cpu_compiler() -> str:
    from torch._inductor import config

    return [name for name in config.cpp.cxx if name][-1]


def _triton_cache(device: torch.device) -> Path:
    from torch._inductor.runtime.cache_dir_utils import triton_cache_dir

    return Path(triton_cache_dir(device.index or 0))
