"""Networks made without random numbers in them, because weights from a file come next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def unfilled() -> Iterator[None]:
    """Leave what would be filled with random numbers, in this thread, as the memory was.

    diffusers and transformers make most networks so themselves; not so diffusers' AnimateDiff
    (0.42.1), which copies the UNet that it is given into a new one with room for motion: filling
    that took more than half of the time of loading it.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    init = torch.nn.init
    # Some of torch's are seen as such and others by what they call.
    fillers: set[Any] = {torch.Tensor.uniform_, torch.Tensor.normal_}
    fillers |= {init.uniform_, init.normal_, init.kaiming_uniform_, init.kaiming_normal_}

    class Unfilled(TorchFunctionMode):
        def __torch_function__(
            self,
            func: Callable[..., Any],
            _types: Sequence[type],
            args: Sequence[Any] = (),
            kwargs: Mapping[str, Any] | None = None,
        ) -> Any:
            kwargs = kwargs or {}
            if func in fillers:
                return args[0] if args else kwargs["tensor"]
            return func(*args, **kwargs)

    with Unfilled():
        yield
