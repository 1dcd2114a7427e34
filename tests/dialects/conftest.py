"""What the worker does between a request and its answer, without the pixels."""

from collections.abc import Callable, Set
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import pytest

from src.generation import GenerationRequest, GenerationResult, Parameters, Timings

Finish = Callable[..., GenerationResult]


@pytest.fixture
def finish() -> Finish:
    """Settle a request for a model that has a use for `used`, and say what came of it."""
    everything = frozenset(item.name for item in fields(Parameters))

    def _finish(
        request: GenerationRequest, *, used: Set[str] = everything, **changes: Any
    ) -> GenerationResult:
        effective = request.parameters.over(request.defaults).given()
        kept = {name: value for name, value in effective.items() if name in used}
        seed = kept.pop("seed", None) or 3848624113
        made: dict[str, Any] = {
            "request": replace(
                request,
                model=request.model or "manifest-id",
                parameters=Parameters(seed=seed, **kept),
            ),
            "job_id": "8b1c6a0e-e1",
            "file_prefix": "8b1c6a0e",
            "output": "https://videos.example.com/8b1c6a0e.mp4",
            "width": 512,
            "height": 512,
            "num_frames": 16,
            "fps": Fraction(7),
            "size_bytes": 1000,
            "timings": Timings(fetch=0.1234, load=1.0, generate=6.00049, encode=0.2, store=0.3),
            "total_seconds": 8.4911,
        }
        return GenerationResult(**{**made, **changes})

    return _finish
