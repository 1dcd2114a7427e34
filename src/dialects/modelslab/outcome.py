"""What ModelsLab's answer says of its video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..outcome import Outcome, outcome_of


def outcome(answer: Mapping[str, Any]) -> Outcome:
    """Read an answer back. Raises ValueError where there is no video in it."""
    output, meta = answer.get("output"), answer.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    figures = {
        # `output_` stands before a figure where the file's is not what was generated first.
        **{
            name: meta.get(f"output_{name}", meta.get(name))
            for name in ("width", "height", "num_frames", "fps")
        },
        "seed": meta.get("seed"),
        "stem": meta.get("file_prefix"),
        "poster": answer.get("poster"),
        "warnings": answer.get("warnings"),
        "timings": answer.get("timings"),
    }
    return outcome_of(output[0] if isinstance(output, list) and output else None, figures)
