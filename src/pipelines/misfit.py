"""Weights that cannot be read, or do not fit the model that they were to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError

from .adapters import Adapter

#: What diffusers, transformers and peft raise over them.
MISFITS = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, SafetensorError)


@contextmanager
def blamed_on(adapter: Adapter) -> Iterator[None]:
    """What goes wrong within is the adapter's fault, and an error for whoever can mend it.

    InvalidRequest for a repository of the caller's choice, ModelNotLoaded for one of ours. Memory
    that runs out is nobody's fault, and comes through.
    """
    try:
        yield
    except MISFITS as error:
        from .shortage import is_shortage  # it imports torch, which a family's file must not

        if is_shortage(error):
            raise
        raise adapter.unusable(f"{type(error).__name__}: {error}") from error
