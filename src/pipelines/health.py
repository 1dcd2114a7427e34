"""A device on which nothing runs any more, told from one that only had an error.

After some errors CUDA answers every further call with the same one, until the process is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..errors import DeviceBroken, OutOfMemory, WorkerError

#: CUDA's codes for which its manual says that the process must be terminated and relaunched, and
#: memory or a link that is defective: on an AcceleratorError, as torch raises for CUDA's own calls.
BROKEN_CODES = frozenset({214, 220, 700, 702, 710, *range(714, 720), 911})
#: The same in words, as they also stand in the errors of CUDA's libraries and of Triton.
BROKEN_WORDS = re.compile(
    r"device-side assert triggered"
    r"|illegal (memory access|instruction) was encountered"
    r"|unspecified launch failure"
    r"|launch timed out and was terminated"
    r"|misaligned address"
    r"|hardware stack error"
    r"|invalid program counter"
    r"|operation not supported on global/shared address space"
    r"|uncorrectable (ECC|NVLink) error"
    r"|(CUBLAS|CUDNN)_STATUS_EXECUTION_FAILED",
    re.IGNORECASE,
)
#: Rows and columns of ones; multiplied, each of them is this many.
_SIDE = 64


def is_broken(error: BaseException) -> bool:
    """Whether an error of torch's says that its device takes no more work."""
    if isinstance(error, torch.AcceleratorError):
        code = getattr(error, "error_code", None)  # set where CUDA raised it
        if code in BROKEN_CODES:
            return True
    return isinstance(error, RuntimeError) and BROKEN_WORDS.search(str(error)) is not None


def check(device: torch.device) -> None:
    """Multiply something small there, and wait for all else; raises DeviceBroken."""
    try:
        ones = torch.ones((_SIDE, _SIDE), device=device)
        total = float((ones @ ones).sum())
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    except (RuntimeError, AssertionError) as error:  # the latter where torch has no CUDA
        raise DeviceBroken(f"{device}: {_first_line(error)}") from error
    if total != _SIDE**3:
        raise DeviceBroken(f"{device}: a sum should be {_SIDE**3}, came to {total}")


def check_chosen(device: torch.device, *, wanted: str, files: Path = Path("/dev")) -> None:
    """Refuse a CPU that was fallen back to on a machine with a GPU; raises DeviceBroken.

    A driver that is too old is paid for by the second, and makes a video in an hour.
    """
    if wanted == "auto" and device.type == "cpu" and any(files.glob("nvidia[0-9]*")):
        raise DeviceBroken(
            "this machine has a GPU that torch cannot use: is its driver too old for torch "
            f"{torch.__version__}? DEVICE=cpu does without it"
        )


@contextmanager
def device_errors(device: torch.device) -> Iterator[None]:
    """Turn errors of a device that takes no more work into DeviceBroken.

    Also where they were taken for another fault on the way, such as a model's that could not be
    loaded. Of an error that does not say, a small try on the device decides.
    """
    try:
        yield
    except (RuntimeError, WorkerError) as error:
        cause = _broken_by(error, device)
        if cause is None:
            raise
        raise DeviceBroken(f"{device}: {_first_line(cause)}") from error


def _broken_by(error: BaseException, device: torch.device) -> BaseException | None:
    """What broke the device, if it is broken: the error itself or what it comes from."""
    if isinstance(error, DeviceBroken | OutOfMemory):
        return None
    raised = [item for item in _with_causes(error) if isinstance(item, RuntimeError)]
    for item in raised:
        if is_broken(item):
            return item
    return raised[0] if raised and device.type != "cpu" and not _works(device) else None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _works(device: torch.device) -> bool:
    try:
        check(device)
    except DeviceBroken:
        return False
    return True


def _first_line(error: BaseException) -> str:
    """CUDA's errors go on with advice for whoever debugs a kernel."""
    return next(iter(str(error).splitlines()), type(error).__name__)
