"""The story of one job: decode the request, fetch, generate, encode, store, answer.

The only catcher: what goes wrong below becomes the caller's answer here.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .dialects import DEFAULT, Dialect
from .errors import (
    GenerationCancelled,
    InvalidRequest,
    RequestError,
    ServiceError,
    WorkerError,
    field_error,
)
from .generation import (
    Clip,
    Delivery,
    GenerationRequest,
    GenerationResult,
    MediaReference,
    Sources,
)
from .media import Media, check_fps, check_size
from .notify import Progress
from .pipelines.base import PipelineRoom
from .stopwatch import Stopwatch
from .storage import Storage

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Job ids that may name a file as they are; RunPod's are such (a uuid and a region).
SAFE_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII)


class Worker:
    """Does jobs, one at a time on the GPU."""

    def __init__(
        self,
        *,
        detect: Callable[[Mapping[str, Any]], Dialect],
        pipelines: PipelineRoom,
        media: Media,
        storage: Storage,
        inline: Storage,
        progress: Progress,
    ) -> None:
        """`storage` takes results; `inline` those that the caller wants as base64 outright."""
        self._detect = detect
        self._pipelines = pipelines
        self._media = media
        self._storage = storage
        self._inline = inline
        self._progress = progress
        self._gpu = asyncio.Lock()

    def warm(self) -> None:
        """Have the default model loaded and run once, before the first job."""
        started = time.monotonic()
        name = self._pipelines.warm()
        log.info("%s is ready after %.1f s", name, time.monotonic() - started)

    async def handle(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Do one of RunPod's jobs and give its output, in the dialect that it was asked in.

        A failed job's output carries the dialect's error body and, for the platform, a string
        under `error`, which makes the job FAILED. Raises nothing but CancelledError.
        """
        dialect = DEFAULT
        try:
            payload = _payload(job)
            dialect = self._detect(payload)
            result = await self._make(dialect.decode_request(payload), str(job["id"]))
            log.info("%s: %s", result.job_id, _summary(result))
            return dialect.encode_response(result)
        except RequestError as error:
            log.info("%s: refused: %s", job.get("id"), error)
            return _failed(dialect, error)
        except WorkerError as error:
            log.exception("%s: failed", job.get("id"))
            return _failed(dialect, error)
        except Exception:
            log.exception("%s: failed unexpectedly", job.get("id"))
            return _failed(dialect, ServiceError())

    async def _make(self, request: GenerationRequest, job_id: str) -> GenerationResult:
        watch = Stopwatch()
        request = self._pipelines.settle(request)
        _check_format(request)
        with watch.measure("fetch"):
            sources = await self._fetch(request)
        with tempfile.TemporaryDirectory(prefix="worker-video-") as folder:
            path = Path(folder) / f"{file_prefix(job_id)}.{request.delivery.format}"
            async with self._gpu:
                clip = await self._generate(request, job_id, sources, path, watch)
            with watch.measure("store"):
                output = await asyncio.to_thread(self._store, request, path)
            result = _result(request, job_id, clip, path, output)
        return replace(result, timings=watch.timings(), total_seconds=watch.total())

    async def _fetch(self, request: GenerationRequest) -> Sources:
        """Everything that the request refers to, one after the other, at its size."""
        width, height, num_frames = request.parameters.shape
        size = {"width": width, "height": height}

        async def image(reference: MediaReference | None) -> Image | None:
            return await self._media.read_image(reference, **size) if reference else None

        video = None
        if request.video:
            video = await self._media.read_video(request.video, num_frames=num_frames, **size)
        return Sources(
            image=await image(request.image),
            last_image=await image(request.last_image),
            ip_adapter_image=await image(request.ip_adapter_image),
            controlnet_images=tuple(
                [
                    await self._media.read_image(item, **size)
                    for item in request.controlnet_images or ()
                ]
            )
            or None,
            video=video,
        )

    async def _generate(
        self,
        request: GenerationRequest,
        job_id: str,
        sources: Sources,
        path: Path,
        watch: Stopwatch,
    ) -> Clip:
        """Load, denoise, decode and encode in one thread, which is never left behind."""
        stop = threading.Event()

        def on_step(done: int, total: int) -> None:
            if stop.is_set():
                raise GenerationCancelled
            self._progress.step(job_id, done, total)

        def work() -> Clip:
            with watch.measure("load"):
                model = self._pipelines.load(request)
            with watch.measure("generate"):
                clip = self._pipelines.generate(model, request, on_step=on_step, sources=sources)
            num_frames = request.parameters.output_shape[2]
            with self._media.interpolated(clip, num_frames=num_frames) as whole:
                chunks = _until(stop, whole.chunks)
                return self._write(replace(whole, chunks=chunks), path, request, watch)

        try:
            return await _in_thread(work, stop)
        finally:
            self._progress.finished(job_id)

    def _write(self, clip: Clip, path: Path, request: GenerationRequest, watch: Stopwatch) -> Clip:
        """Encode while the frames are being decoded; each part's seconds go to its own account."""
        timed = replace(clip, chunks=watch.measured(clip.chunks, "generate"))
        before = watch.seconds("generate")
        with watch.measure("encode"):
            self._media.write(timed, path, video_format=request.delivery.format)
        watch.add("encode", before - watch.seconds("generate"))
        return timed

    def _store(self, request: GenerationRequest, path: Path) -> str:
        content_type = request.delivery.format.content_type
        if request.delivery.as_base64:
            uri = self._inline.save(path, key=path.name, content_type=content_type)
            return uri.partition(",")[2]
        return self._storage.save(path, key=path.name, content_type=content_type)


def file_prefix(job_id: str) -> str:
    """The stem of a job's file: the job's id, or a uuid made from one that cannot name a file."""
    if SAFE_ID.fullmatch(job_id):
        return job_id
    return str(uuid.uuid5(uuid.NAMESPACE_URL, job_id))


async def _in_thread(work: Callable[[], T], stop: threading.Event) -> T:
    """Run blocking work in a thread; when cancelled, tell it to stop and wait until it has.

    Left alone, the thread would still hold the GPU when the next job starts.
    """
    future = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([future])
        raise


def _until(stop: threading.Event, items: Iterator[T]) -> Iterator[T]:
    """The items, up to the moment that the job is told to stop."""
    for item in items:
        if stop.is_set():
            raise GenerationCancelled
        yield item


def _payload(job: Mapping[str, Any]) -> Mapping[str, Any]:
    payload = job.get("input")
    if not isinstance(payload, Mapping):
        raise field_error("input", payload, "must be a JSON object")
    return payload


def _summary(result: GenerationResult) -> str:
    """What was made, in a line; no prompt, and no link that could carry a signature."""
    timings = ", ".join(f"{name} {seconds:.2f}" for name, seconds in vars(result.timings).items())
    return (
        f"{result.request.model}, {result.width}x{result.height}, {result.num_frames} frames at "
        f"{float(result.fps):g} fps, {result.size_bytes / 1000:.0f} kB, "
        f"{result.total_seconds:.2f} s ({timings})"
    )


def _check_format(request: GenerationRequest) -> None:
    """Refuse before generating what could not be written after."""
    parameters, video_format = request.parameters, request.delivery.format
    try:
        width, height, _ = parameters.output_shape
        check_size(video_format, width=width, height=height)
        check_fps(video_format, parameters.output_fps)
    except InvalidRequest as error:
        if parameters.output_shape == parameters.shape:
            raise
        # The figures are not those that the caller sent for the fields that the message names.
        raise InvalidRequest(f"after upscaling and interpolation, {error}") from error


def _failed(dialect: Dialect, error: WorkerError) -> dict[str, Any]:
    body = dialect.encode_error(error)
    return {**body, "error": body["message"]}


def _not_yet(delivery: Delivery) -> Iterator[str]:
    """What the caller asked of the delivery and does not get; nothing is dropped in silence."""
    for name in ("instant_response", "temp", "webhook"):
        if getattr(delivery, name):
            yield f"{name}: not supported yet, ignored"


def _result(
    request: GenerationRequest, job_id: str, clip: Clip, path: Path, output: str
) -> GenerationResult:
    return GenerationResult(
        request=request,
        job_id=job_id,
        file_prefix=path.stem,
        output=output,
        width=clip.width,
        height=clip.height,
        num_frames=clip.num_frames,
        fps=clip.fps,
        size_bytes=path.stat().st_size,
        enhanced_prompt=clip.enhanced_prompt,
        warnings=(*request.warnings, *_not_yet(request.delivery)),
    )
