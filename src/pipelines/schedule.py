"""One call on another noise schedule: what flow_shift asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .family import Inputs, Pipeline

#: What diffusers' schedulers call it: UniPC in flow mode, and Euler for flow matching.
NAMES = ("flow_shift", "shift")


@contextmanager
def shifted(pipeline: Pipeline, inputs: Inputs) -> Iterator[None]:
    """Give the pipeline a scheduler with the asked flow_shift, and its own one back afterwards.

    Nothing changes where no flow_shift is asked for. Raises ValueError for a scheduler that has
    no such figure.
    """
    shift = inputs.parameters.flow_shift
    if shift is None:
        yield
        return
    kept = pipeline.scheduler
    name = next((name for name in NAMES if name in kept.config), None)
    if name is None:
        raise ValueError(f"{type(kept).__name__} has no flow shift")
    # A new one, since pipelines of one model share theirs, and Euler reads its shift only once.
    pipeline.scheduler = type(kept).from_config(kept.config, **{name: float(shift)})
    try:
        yield
    finally:
        pipeline.scheduler = kept
