"""The story of one job: decode the request, fetch, generate, encode, deliver, answer.

The only catcher: what goes wrong below becomes the caller's answer here.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..cancelling import to_the_end
from ..delivery import Delivered, Delivery, Parcel, size_of
from ..dialects import DEFAULT, Dialect
from ..errors import (
    DeviceBroken,
    RequestError,
    ServiceError,
    WebhookFailed,
    WorkerError,
)
from ..generation import GenerationRequest, GenerationResult, Stage, Unmade
from ..job import Job
from ..logs import job_scope
from ..media import Media
from ..notify import Pace, Progress, Webhook
from ..pipelines.base import PipelineRoom
from ..stopwatch import Stopwatch
from ..storage import Attempts
from .making import Maker, Order
from .notes import Notes
from .refusals import check_format, timed_out
from .results import again, brought, facts_of, figures, result_of, seeded, spent
from .telling import report_of, telling
from .threads import Stuck, in_thread
from .turns import Turns

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the operator lets one job have."""

    job_seconds: float = 3600.0
    #: How often a job is begun whose worker died of it; 0 is for ever.
    attempts: int = 2
    #: Whether a job may have been handed out before. A file of one's own is another job each time.
    redelivery: bool = True


@dataclass(kw_only=True)
class Run:
    """One job on its way, and what is known of it so far."""

    job: Job
    dialect: Dialect = DEFAULT
    request: GenerationRequest | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)
    #: When it arrived, in Unix seconds.
    started_at: float = field(default_factory=time.time)
    stop: threading.Event = field(default_factory=threading.Event)
    #: What has to be taken back if it is cancelled now.
    brought: Parcel | None = None
    #: When it is stopped; never once there is a video to be delivered.
    deadline: asyncio.Timeout | None = None


class Worker:
    """Does jobs: one at a time on the GPU, what comes before and after beside it."""

    def __init__(
        self,
        *,
        detect: Callable[[Mapping[str, Any]], Dialect],
        pipelines: PipelineRoom,
        media: Media,
        delivery: Delivery,
        attempts: Attempts,
        progress: Progress,
        webhook: Webhook,
        limits: Limits | None = None,
    ) -> None:
        """Every room is a parameter; bootstrap has the production ones."""
        self._detect = detect
        self._pipelines = pipelines
        self._media = media
        self._delivery = delivery
        self._progress = progress
        self._webhook = webhook
        self._limits = limits or Limits()
        self._maker = Maker(pipelines=pipelines, media=media)
        self._pace = Pace(on_gpu=(Stage.LOAD, Stage.GENERATE))
        self._notes = Notes(attempts, most=self._limits.attempts)
        self._turns = Turns()
        #: Called when nothing more can be done in this process; the door's to set.
        self.on_broken: Callable[[], None] = _unheard

    def checks(self, *, warm_up: bool | None = None) -> dict[str, Callable[[], None]]:
        """What must hold before the first job, by name, in the order of what it costs.

        Each raises WorkerError. The last has the default model loaded and, as `warm_up` says, run
        once: without (None) on a GPU. Whatever is done in the GPU's thread is begun here; its
        checks wait for it.
        """
        device = self._maker.begin(self._pipelines.check_device)
        model = self._maker.begin(lambda: self._warm(run=warm_up))
        return {
            "ffmpeg": self._media.check,
            "weights": self._pipelines.check_weights,
            "storage": self._delivery.check,
            "device": device.result,
            "model": model.result,
        }

    def warm(self) -> None:
        """Have the default model loaded and run once, and wait for it."""
        self._maker.begin(lambda: self._warm(run=True)).result()

    def _warm(self, *, run: bool | None) -> None:
        started = time.monotonic()
        name = self._pipelines.warm(run=run)
        log.info("%s is ready after %.1f s", name, time.monotonic() - started)

    def pardon(self) -> None:
        """The worker is told to go: jobs under way that do not end now are not at fault. Blocks."""
        self._notes.pardon()

    async def handle(self, envelope: Mapping[str, Any]) -> dict[str, Any]:
        """Do one of RunPod's jobs and give its output, in the dialect that it was asked in.

        A failed job's output carries the dialect's error body and, for the platform, a string
        under `error`, which makes the job FAILED. Raises nothing but CancelledError.
        """
        run = Run(job=Job(envelope))
        with job_scope(run.job.id):
            try:
                return await self._answer(run)
            except asyncio.CancelledError:
                log.info("cancelled", extra=spent(run.watch))
                if run.brought:
                    await to_the_end(asyncio.to_thread(self._delivery.take_back, run.brought))
                raise
            except Stuck as error:
                log.exception("failed")
                if _is_cancelled():  # nothing is posted for such a job, whatever became of it
                    self.on_broken()
                    raise asyncio.CancelledError from error
                return await self._failed(run, error)
            except RequestError as error:
                log.info("refused: %s", error)
                return await self._failed(run, error)
            except WorkerError as error:
                log.exception("failed")
                return await self._failed(run, error)
            except Exception:
                log.exception("failed unexpectedly")
                return await self._failed(run, ServiceError())

    async def _answer(self, run: Run) -> dict[str, Any]:
        payload = run.job.payload
        run.dialect = self._detect(payload)
        run.request = seeded(run.dialect.decode_request(payload), run.job)
        request = run.request = self._pipelines.settle(run.request)
        check_format(request)
        parcel = self._delivery.parcel(run.job, request)
        result = await self._in_time(run, request, parcel)
        run.brought = None  # from here on somebody may have been told of it
        log.info("done", extra=figures(result))
        result = await self._posted(run, result)
        return run.dialect.encode_response(result)

    async def _in_time(
        self, run: Run, request: GenerationRequest, parcel: Parcel
    ) -> GenerationResult:
        """The result, found, or made before the job's time is over."""
        try:
            async with asyncio.timeout(self._limits.job_seconds) as run.deadline:
                if not self._limits.redelivery and run.job.request_id is None:
                    return await self._made(run, request, parcel)
                return await self._made_once(run, request, parcel)
        except TimeoutError as error:
            if run.deadline is None or not run.deadline.expired():
                raise
            raise timed_out(self._limits.job_seconds) from error

    async def _made_once(
        self, run: Run, request: GenerationRequest, parcel: Parcel
    ) -> GenerationResult:
        """What an earlier try of this job has brought to its place; else it is made, unless
        earlier tries have killed their workers.
        """
        async with self._turns.of(run.job.file_prefix), self._notes.of(run.job) as noting:
            found = await asyncio.to_thread(self._delivery.found, parcel)
            result = again(request, run.job, found) if found else None
            if result:
                log.info("found what an earlier try of this job has made")
                total = run.watch.total()
                return replace(result, started_at=run.started_at, total_seconds=total)
            # Shielded: a note whose thread is still at it would come after its end.
            self._notes.hold(await asyncio.shield(noting))
            return await self._made(run, request, parcel)

    async def _made(self, run: Run, request: GenerationRequest, parcel: Parcel) -> GenerationResult:
        self._get_ready(parcel)
        with tempfile.TemporaryDirectory(prefix="worker-video-") as folder:
            path = Path(folder) / parcel.item.name
            async with telling(
                self._progress,
                self._pace,
                replace(report_of(run.job, request, parcel), started_at=run.started_at),
                run.dialect,
            ) as tell:
                order = Order(
                    request=request,
                    path=path,
                    watch=run.watch,
                    on_stage=tell.stage,
                    on_step=tell.step,
                    stop=run.stop,
                )
                clip = await self._maker.make(order)
                if run.deadline:
                    run.deadline.reschedule(None)
                tell.stage(Stage.STORE)
                result = result_of(request, run.job, clip, path)
                result = replace(result, started_at=run.started_at)
                with run.watch.measure("store"):
                    delivered = await self._deliver(run, parcel, path, result)
                result = brought(result, delivered, run.watch, parcel.warnings)
                if delivered.is_stored:
                    await self._keep_answer(run, parcel, Path(folder), result)
                return result

    def _get_ready(self, parcel: Parcel) -> None:
        """Have the storage's client built and connected while the model denoises.

        In a thread that nothing waits for: a caller's bucket may take minutes to say nothing, and
        other jobs, or the end of the worker, would wait for it.
        """
        work = contextvars.copy_context().run
        threading.Thread(target=work, args=(parcel.storage.warm,), name="warm", daemon=True).start()

    async def _deliver(
        self, run: Run, parcel: Parcel, path: Path, result: GenerationResult
    ) -> Delivered:
        """Bring the video to its place."""
        facts = {**parcel.item.facts, **facts_of(result)}
        parcel = replace(parcel, item=replace(parcel.item, facts=facts))
        answer_bytes = size_of(run.dialect.encode_response(result))
        run.brought = parcel
        return await in_thread(
            lambda: self._delivery.deliver(parcel, path, answer_bytes=answer_bytes, stop=run.stop),
            run.stop,
        )

    async def _posted(self, run: Run, result: GenerationResult) -> GenerationResult:
        """Tell the request's own webhook; that it did not hear becomes a warning."""
        failure = await self._tell_webhook(run, lambda: run.dialect.encode_webhook(result))
        if failure is None:
            return result
        return replace(result, warnings=(*result.warnings, f"webhook: not told: {failure}"))

    async def _failed(self, run: Run, error: WorkerError) -> dict[str, Any]:
        """The answer of a job that failed; the webhook hears of it too."""
        log.info("not done", extra={"code": error.code, **spent(run.watch)})
        job_id, dialect, request = run.job.id, run.dialect, run.request
        if request:
            await self._tell_webhook(
                run, lambda: dialect.encode_failed_webhook(error, request, job_id)
            )
        about = Unmade(
            job_id=job_id, request=request, started_at=run.started_at, failed_at=time.time()
        )
        body = dialect.encode_error(error, about)
        answer = {**body, "error": body["message"]}
        if isinstance(error, DeviceBroken):
            self.on_broken()
            answer["refresh_worker"] = True
        return answer

    async def _tell_webhook(
        self, run: Run, encode: Callable[[], dict[str, Any]]
    ) -> WebhookFailed | None:
        """Post to the request's own webhook, if it has one; gives why it did not hear."""
        url = run.request.delivery.webhook if run.request else None
        if not url:
            return None
        try:
            await self._webhook.post(url, encode(), message_id=run.job.name)
        except WebhookFailed as error:
            log.warning("the webhook was not told: %s", error)
            return error
        return None

    async def _keep_answer(
        self, run: Run, parcel: Parcel, folder: Path, result: GenerationResult
    ) -> None:
        text = json.dumps(run.dialect.encode_response(result), ensure_ascii=False, indent=2)
        await in_thread(
            lambda: self._delivery.keep_answer(parcel, folder, text, stop=run.stop), run.stop
        )


def _unheard() -> None:
    """Outside the platform nobody replaces a broken worker."""


def _is_cancelled() -> bool:
    """Whether the platform has stopped this job; our own deadline takes its cancelling back."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
