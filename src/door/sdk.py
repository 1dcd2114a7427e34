"""The platform's SDK, imported without the second that it sleeps for.

Read in runpod 1.12.0: its debugger asks py-cpuinfo for the processor's name when it is imported,
and that measures the clock as well, by a sleep of a second in a process of its own. The name is
shown by the debugger alone.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..startup import phase

CPUINFO = Path("/proc/cpuinfo")


def import_sdk() -> Any:  # noqa: ANN401  it has no types
    """The SDK's package."""
    if "runpod" in sys.modules:
        return sys.modules["runpod"]
    with phase("SDK"), _processor_by_name():
        import runpod
    return runpod


@contextmanager
def _processor_by_name() -> Iterator[None]:
    """Have py-cpuinfo, where it is, answer with the processor's name and nothing else."""
    try:
        import cpuinfo
    except ImportError:
        yield
        return
    real = cpuinfo.get_cpu_info
    cpuinfo.get_cpu_info = lambda: {"brand_raw": processor()}
    try:
        yield
    finally:
        cpuinfo.get_cpu_info = real


def processor(file: Path = CPUINFO) -> str:
    """The processor's name, as Linux has it in a file; its architecture where that has none."""
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
