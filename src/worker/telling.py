"""How far a job is, put into words for whoever listens."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from ..delivery import Parcel
from ..dialects import Dialect
from ..generation import GenerationRequest, Report, Stage
from ..job import Job
from ..notify import Pace, PaceOfJob, Progress

log = logging.getLogger(__name__)


class Telling:
    """Tells of one job; from any thread."""

    def __init__(self, progress: Progress, pace: PaceOfJob, report: Report) -> None:
        """`report` is what is known before the job begins."""
        self._progress = progress
        self._pace = pace
        self._report = report

    def stage(self, stage: Stage) -> None:
        """The job enters a stage."""
        self._pace.stage(stage)
        self._tell(replace(self._report, stage=stage))

    def step(self, done: int, total: int) -> None:
        """So many denoising steps are done, of so many."""
        self._pace.step(done, total)
        log.debug("a step is done", extra={"step": done, "total": total})
        self._tell(replace(self._report, step=done, total=total))

    def _tell(self, report: Report) -> None:
        self._report = replace(report, eta=self._pace.eta())
        self._progress.tell(self._report)


def report_of(job: Job, request: GenerationRequest, parcel: Parcel) -> Report:
    """What is known of a job before it begins."""
    return Report(
        job_id=job.id,
        file_prefix=job.file_prefix,
        request=request,
        stage=Stage.FETCH,
        total=request.parameters.num_inference_steps or 0,
        links=(parcel.links.url,) if parcel.links else (),
    )


@asynccontextmanager
async def telling(
    progress: Progress,
    pace: Pace,
    report: Report,
    dialect: Dialect,
) -> AsyncIterator[Telling]:
    """While the block runs, listeners hear of the job; after it nothing is on its way to them.

    `report` is what is known before the job begins.
    """
    width, height, num_frames = report.request.parameters.output_shape
    steps, work = report.total, width * height * num_frames
    with pace.job(report.request.model or "", work=work, steps=steps) as paced:
        progress.started(report.job_id, dialect.encode_progress)
        try:
            yield Telling(progress, paced, report)
        finally:
            await progress.finished(report.job_id)
