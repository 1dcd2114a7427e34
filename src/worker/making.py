"""The part of a job's story that has pixels: fetch, wait for the GPU, generate, encode."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import DeviceBroken, GenerationCancelled
from ..generation import Clip, GenerationRequest, MediaReference, Sources, Stage
from ..media import Media
from ..pipelines.base import PipelineRoom
from ..relay import Relay
from ..stopwatch import Stopwatch
from .threads import in_thread, until_done

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Order:
    """One video that is being made."""

    request: GenerationRequest
    path: Path
    watch: Stopwatch
    #: Hears of each stage, and of each step with their number; called from any thread.
    on_stage: Callable[[Stage], None]
    on_step: Callable[[int, int], None]
    stop: threading.Event = field(default_factory=threading.Event)


class Maker:
    """Makes videos, one at a time on the GPU."""

    def __init__(self, *, pipelines: PipelineRoom, media: Media) -> None:
        """What is fetched before and encoded after may overlap with another video's generation."""
        self._pipelines = pipelines
        self._media = media
        self._turn = asyncio.Lock()
        # Always the same thread: CUDA's libraries keep workspaces for each.
        self._gpu = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gpu")
        self._writers = ThreadPoolExecutor(thread_name_prefix="encoder")
        self._broken = False

    def begin(self, work: Callable[[], T]) -> Future[T]:
        """Have something run in the GPU's thread, after all that was begun there before."""
        return self._gpu.submit(work)

    async def make(self, order: Order) -> Clip:
        """Write the video to the order's path; the clip says what it is.

        Raises RequestError for what was sent, ServiceError for what went wrong here.
        """
        order.on_stage(Stage.FETCH)
        with order.watch.measure("fetch"):
            sources = await self._fetch(order.request)
        order.on_stage(Stage.WAIT)
        async with self._turn:
            writing = await self._generate(order, sources)
        order.on_stage(Stage.ENCODE)
        return await until_done(asyncio.wrap_future(writing), order.stop)

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

    async def _generate(self, order: Order, sources: Sources) -> Future[Clip]:
        """Hold the GPU until the last frame is decoded; the encoder may still be at work then."""
        if self._broken:
            raise DeviceBroken("a job before this one broke the device")
        try:
            return await in_thread(
                lambda: self._on_gpu(order, sources), order.stop, executor=self._gpu
            )
        except DeviceBroken:
            self._broken = True
            raise

    def _on_gpu(self, order: Order, sources: Sources) -> Future[Clip]:
        """Load, denoise and decode; the frames go to a thread that encodes them."""
        watch, request = order.watch, order.request
        order.on_stage(Stage.LOAD)
        with watch.measure("load"):
            model = self._pipelines.load(request)
        order.on_stage(Stage.GENERATE)
        with watch.measure("generate"):
            clip = self._pipelines.generate(
                model, request, on_step=_stopping(order), sources=sources
            )
        relay = Relay(stop=order.stop)
        context = contextvars.copy_context()
        writing = self._writers.submit(context.run, self._write, order, clip, relay)
        try:
            relay.feed(watch.measured(clip.chunks, "generate"))
        except GenerationCancelled:
            writing.result()  # where the encoder has failed, its own error says why
            raise
        except BaseException:
            wait([writing])
            raise
        return writing

    def _write(self, order: Order, clip: Clip, relay: Relay) -> Clip:
        """Encode what comes through the relay; waiting for frames is not encoding."""
        own = Stopwatch()
        with relay, own.measure("all"):
            timed = replace(clip, chunks=own.measured(relay.chunks(), "waiting"))
            num_frames = order.request.parameters.output_shape[2]
            with self._media.interpolated(timed, num_frames=num_frames) as whole:
                video_format = order.request.delivery.format
                self._media.write(whole, order.path, video_format=video_format)
        order.watch.add("encode", own.seconds("all") - own.seconds("waiting"))
        return replace(clip, num_frames=whole.num_frames, fps=whole.fps, chunks=iter(()))


def _stopping(order: Order) -> Callable[[int, int], None]:
    """Between two steps: stop if told to, else say how far it is."""

    def on_step(done: int, total: int) -> None:
        if order.stop.is_set():
            raise GenerationCancelled
        order.on_step(done, total)

    return on_step
