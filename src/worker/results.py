"""What came of a request: put together from the clip, from its delivery, or found again."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..delivery import Delivered, Found
from ..generation import Clip, GenerationRequest, GenerationResult, Timings
from ..job import Job
from ..stopwatch import Stopwatch

log = logging.getLogger(__name__)

#: S3 takes 2 KB of words beside an object, names included, and some servers 256 bytes a word.
FACT = 200
MOST_FACTS = 7


def seeded(request: GenerationRequest, job: Job) -> GenerationRequest:
    """The same with a seed that follows from its `request_id`, where it has that and no seed:
    two jobs of one request that know nothing of each other then make the same video.
    """
    if job.request_id is None or request.parameters.seed is not None:
        return request
    seed = int.from_bytes(hashlib.sha256(job.file_prefix.encode()).digest()[:4], "big")
    return replace(request, parameters=replace(request.parameters, seed=seed))


def result_of(request: GenerationRequest, job: Job, clip: Clip, path: Path) -> GenerationResult:
    """What was made, before it is anywhere."""
    return GenerationResult(
        request=request,
        job_id=job.id,
        file_prefix=job.file_prefix,
        output="",
        width=clip.width,
        height=clip.height,
        num_frames=clip.num_frames,
        fps=clip.fps,
        size_bytes=path.stat().st_size,
        enhanced_prompt=clip.enhanced_prompt,
        warnings=request.warnings,
    )


def brought(
    result: GenerationResult, delivered: Delivered, watch: Stopwatch, warnings: Iterable[str]
) -> GenerationResult:
    """The same where it is now."""
    width, height = delivered.size or (result.width, result.height)
    return replace(
        result,
        width=width,
        height=height,
        output=delivered.output,
        proxy_links=delivered.proxy_links,
        poster=delivered.poster,
        size_bytes=delivered.size_bytes,
        warnings=(*result.warnings, *warnings, *delivered.warnings),
        timings=watch.timings(),
        total_seconds=watch.total(),
    )


def facts_of(result: GenerationResult) -> dict[str, str]:
    """What has to be kept with a video to answer for it once more, in ASCII."""
    made: dict[str, Any] = {
        "seed": result.request.parameters.seed,
        "width": result.width,
        "height": result.height,
        "num_frames": result.num_frames,
        "fps": str(result.fps),
    }
    whole = _packed(made | {"enhanced_prompt": result.enhanced_prompt})
    return whole if len(whole) <= MOST_FACTS else _packed(made)


def again(request: GenerationRequest, job: Job, found: Found) -> GenerationResult | None:
    """The result that a video was answered with, from what is kept with it; None if it is not."""
    kept = found.video
    try:
        made = _unpacked(kept.facts)
        return GenerationResult(
            request=replace(request, parameters=replace(request.parameters, seed=made["seed"])),
            job_id=job.id,
            file_prefix=job.file_prefix,
            output=kept.links.url,
            proxy_links=kept.links.proxies,
            poster=found.poster,
            width=int(made["width"]),
            height=int(made["height"]),
            num_frames=int(made["num_frames"]),
            fps=Fraction(made["fps"]),
            size_bytes=kept.size_bytes,
            enhanced_prompt=made.get("enhanced_prompt"),
            warnings=request.warnings,
        )
    except (KeyError, ValueError, TypeError) as error:
        log.warning("an earlier result says too little of itself: %r", error)
        return None


def figures(result: GenerationResult) -> dict[str, Any]:
    """What was made and how long each part took, for the log: no prompt, and no link, which could
    carry a signature.
    """
    return {
        "model": result.request.model,
        "task": str(result.request.task),
        "width": result.width,
        "height": result.height,
        "num_frames": result.num_frames,
        "steps": result.request.parameters.num_inference_steps,
        "bytes": result.size_bytes,
        **_seconds(result.timings, result.total_seconds),
    }


def spent(watch: Stopwatch) -> dict[str, Any]:
    """How long a job has taken that came to nothing, for the log."""
    return _seconds(watch.timings(), watch.total())


def _seconds(timings: Timings, total: float) -> dict[str, Any]:
    parts = {f"{name}_seconds": round(value, 2) for name, value in vars(timings).items()}
    return {"seconds": round(total, 2), **parts}


def _packed(made: dict[str, Any]) -> dict[str, str]:
    """Words that hold it: `made-0`, `made-1`, ..."""
    text = base64.b64encode(json.dumps(made).encode()).decode("ascii")
    parts = range(0, len(text), FACT)
    return {f"made-{index}": text[start : start + FACT] for index, start in enumerate(parts)}


def _unpacked(facts: Mapping[str, str]) -> dict[str, Any]:
    parts = [facts[name] for name in (f"made-{i}" for i in range(MOST_FACTS)) if name in facts]
    made: dict[str, Any] = json.loads(base64.b64decode("".join(parts), validate=True))
    return made
