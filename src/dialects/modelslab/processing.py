"""What ModelsLab's clients read while a video is being made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from ...generation import Report
from .answer import meta_of, number_of

#: Clients wait for so many seconds, or show them: a number is better than none.
UNKNOWN_ETA = 60.0

TIP = "The video is being made; ask for this job's status to have its progress and its result."
MESSAGE = "Ask for the job's status after the seconds estimated"


class Processing(BaseModel):
    """A video under way."""

    status: Literal["processing"] = Field("processing", description="Always `processing`.")
    tip: str = Field(TIP, description="What to do.")
    eta: float = Field(
        description=f"Seconds until the answer, from measured steps; {UNKNOWN_ETA:g} before any "
        "was measured."
    )
    message: str = Field(MESSAGE, description="What to do, in ModelsLab's words.")
    id: int = Field(description="The answer's `id`.")
    output: list[str] = Field(default=[], description="Empty until the answer.")
    future_links: list[str] = Field(
        description="Where the video will be, if `instant_response` was set and a bucket or folder "
        "takes the result."
    )
    meta: dict[str, Any] = Field(description="The answer's `meta`.")
    stage: str = Field(
        description="One of fetch, wait (for the GPU), load, generate, encode, store."
    )
    step: int = Field(description="Denoising steps done.")
    total: int = Field(description="Denoising steps in all; 0 before they are known.")
    percent: float = Field(description="The share of the steps that is done.")


def processing(report: Report) -> Processing:
    """Say how far a job is."""
    eta = UNKNOWN_ETA if report.eta is None else report.eta
    return Processing(
        eta=round(eta, 1),
        id=number_of(report.job_id),
        future_links=list(report.links),
        meta=meta_of(report.request, report.file_prefix),
        stage=report.stage.value,
        step=report.step,
        total=report.total,
        percent=round(report.percent, 1),
    )
