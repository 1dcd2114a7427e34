"""Where a model's weights lie, whether they are there and whole, and what they will weigh.

Reads headers, never weights; knows no torch, so that weights can be read ahead while that is
imported.
"""

from __future__ import annotations

from .checks import WEIGHTLESS, check_components, check_files
from .folders import (
    DTYPE_BYTES,
    INDEX,
    LORA_FILE,
    ModelsDir,
    files_of,
    folder,
    missing,
    present,
    sizes,
)
from .locked import check_locked
from .places import Place, Places

__all__ = [
    "ModelsDir",
    "Place",
    "Places",
    "files_of",
    "folder",
    "missing",
    "present",
    "sizes",
    "check_components",
    "check_files",
    "check_locked",
    "DTYPE_BYTES",
    "INDEX",
    "LORA_FILE",
    "WEIGHTLESS",
]
