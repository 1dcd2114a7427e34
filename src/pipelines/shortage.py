"""Memory that ran out: our error for it, with what would fit, and what is let go of after it."""

from __future__ import annotations

import gc
import math
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from ..errors import OutOfMemory
from .family import Family, Plan

#: What torch and CUDA's libraries say of it where they raise no OutOfMemoryError.
WORDS = re.compile(
    r"can't allocate memory|CUDA error: out of memory|(CUBLAS|CUDNN)_STATUS_ALLOC_FAILED"
)
TRIED = re.compile(r"Tried to allocate ([\d.]+) (KiB|MiB|GiB)")
BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
#: The most that is suggested, as a share of what did not fit. What is known of the need is what
#: had been taken when it failed, and more would have been.
MOST = 0.5


@contextmanager
def memory_errors(advise: Callable[[float], str] | None = None) -> Iterator[None]:
    """Turn torch's ways of saying that memory ran out into OutOfMemory, and free what can be.

    `advise` makes the caller's sentence from the share of the clip that would have fitted.
    """
    before = _Memory()
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        public = advise(before.share(str(error))) if advise else None
        _let_go(error)
        raise OutOfMemory(str(error) or None, public=public) from error


def suggestion(
    family: Family, plan: Plan, share: float, *, size_multiple: int | None = None
) -> str:
    """What to ask for instead: a smaller size with these frames, or fewer frames at this size.

    Pixels times frames are at most `share` of what was asked for. `size_multiple` is the model's
    own, where it has one.
    """
    size = _smaller(family, plan, share, size_multiple or family.size_multiple)
    frames = _fewer(family, plan, share)
    smaller = [_shape(*size, plan.num_frames)] if size else []
    fewer = [_shape(plan.width, plan.height, frames)] if frames else []
    asked = f"The device ran out of memory at {_shape(plan.width, plan.height, plan.num_frames)}"
    if not smaller and not fewer:
        return f"{asked}, and this model does no less."
    if smaller and fewer:
        return f"{asked}; {smaller[0]}, or {fewer[0]}, should fit."
    return f"{asked}; {(smaller + fewer)[0]} should fit."


def share_that_fits(*, available: int, needed: int) -> float:
    """The share of a clip that fits, when all of it needed more than was available."""
    return min(MOST, MOST * available / needed) if needed > 0 else MOST


class _Memory:
    """What a GPU had free when the work began."""

    def __init__(self) -> None:
        self._on_gpu = torch.cuda.is_available()
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats()
            self._taken = torch.cuda.memory_allocated()
            free, _total = torch.cuda.mem_get_info()
            self._available = free + torch.cuda.memory_reserved() - self._taken

    def share(self, message: str) -> float:
        """The share of the clip that would have fitted; on the CPU nothing is known of it."""
        if not self._on_gpu:
            return MOST
        needed = torch.cuda.max_memory_allocated() - self._taken + tried(message)
        return share_that_fits(available=self._available, needed=needed)


def tried(message: str) -> int:
    """The bytes that torch says it could not get.

    >>> tried("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ...")
    2147483648
    """
    found = TRIED.search(message)
    return int(float(found[1]) * BYTES[found[2]]) if found else 0


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or WORDS.search(str(error)) is not None


def _let_go(error: BaseException) -> None:
    """Drop the tensors that the failed calls still hold, which the log has no use for."""
    traceback.clear_frames(error.__traceback__)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _smaller(family: Family, plan: Plan, share: float, multiple: int) -> tuple[int, int] | None:
    """The same shape at a share of the pixels, of sides that the model does as they are."""
    least = -(-family.least_size // multiple) * multiple
    scale = math.sqrt(share)
    width, height = (
        max(least, int(side * scale) // multiple * multiple)
        for side in (plan.generated_width, plan.generated_height)
    )
    asked = plan.generated_width * plan.generated_height
    return (width, height) if width * height <= asked * share else None


def _fewer(family: Family, plan: Plan, share: float) -> int | None:
    steps = (int(plan.generated_frames * share) - 1) // family.frame_step
    frames = steps * family.frame_step + 1
    return frames if frames >= max(2, family.least_frames) else None


def _shape(width: int, height: int, num_frames: int) -> str:
    return f"{width}x{height} with {num_frames} frame{'s' if num_frames > 1 else ''}"
