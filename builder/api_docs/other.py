"""What the pages of LocalAI's and OpenAI's APIs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from pydantic import BaseModel

from src.dialects import Dialect
from src.dialects.extras import Extras
from src.dialects.failure import OURS, Failure
from src.dialects.made import Seconds
from src.errors import WorkerError
from src.generation import GenerationResult, Parameters, Timings, Unmade

from .parts import FIELDS, KEYS, example, fields, keys, rows, table

STEM = "7b0e5c1e-6a53-4d8e-9d0c-3f2f6a1b9c11"
#: What the example's model has of its own, and what came of it.
OF_THE_MODEL = Parameters(fps=8, seed=3848624113, num_inference_steps=50, guidance_scale=6.0)
STARTED = 1_790_000_000

VALUES_TEXT = """\
## How values are read

As in [ModelsLab's API](api.md#how-values-are-read): numbers and booleans may be strings, `null`
and `""` are the same as not saying the field, and a value outside its rule fails the job, with
every problem of the body in one message. A field that is unknown, or that the model cannot use,
never fails the job and is never dropped silently: `warnings` names it. What is not said is the
model's own default; the ceiling of frames, pixels, steps and guidance is the model's, too
([models.md](models.md)).

Images and videos are URLs, data URIs or base64. Sizes are exact: see
[parameters.md](parameters.md) for what each parameter does on each family of models. Where
results go, and what holds when something fails on the way, is told in [delivery.md](delivery.md).
"""

FAILURE_TEXT = """\
## Failure

The job is FAILED on the platform, with a string as its `error`, and its output has:

{keys}
`failure` has what this API tells as `error`; the platform takes a key of that name for its own,
so that it has another here. Whoever serves this API by HTTP answers `{{"error": failure}}` with
`failure.code` as the status.

{failure}
400 is for what the caller can mend, 500 for what is ours, 504 for a job above `JOB_TIMEOUT`;
a model that is not served is {unknown}. What the caller cannot mend always reads "{ours}"; the
cause is in the worker's log.
"""


def fields_section(body: type[BaseModel], unused: type[BaseModel]) -> str:
    """The request's fields: the required ones first, those of no use last."""
    named = sorted(
        fields(body),
        key=lambda field: (not field[1]["required"], field[0] in unused.model_fields),
    )
    return f"## Request\n\n{table(FIELDS, rows(named))}"


def extras_section(field: str) -> str:
    """The names that an open object may have."""
    return (
        f"## What `{field}` may have\n\nNames of diffusers and of ModelsLab's API for what there "
        "is no field of its own for; any other is named in `warnings`.\n\n"
        f"{table(FIELDS, rows(fields(Extras)))}"
    )


def answer_section(answer: type[BaseModel]) -> str:
    """The answer's keys."""
    return (
        f"## Answer\n\n{table(KEYS, keys(answer))}\n`timings` has seconds:\n\n"
        f"{table(KEYS, keys(Seconds))}"
    )


def failure_section(failed: type[BaseModel], unknown: str) -> str:
    """The failure's keys, and what each status stands for."""
    return FAILURE_TEXT.format(
        keys=table(KEYS, keys(failed)),
        failure=table(KEYS, keys(Failure)),
        ours=OURS,
        unknown=unknown,
    )


def processing_section(processing: type[BaseModel]) -> str:
    """What the platform's status has before there is an answer."""
    return (
        "## While it is made\n\nWhoever asks the platform for the status of a job that is "
        "IN_PROGRESS finds this under `output`, about once a second anew:\n\n"
        f"{table(KEYS, keys(processing))}"
    )


def example_section(dialect: Dialect, body: Mapping[str, Any], wrong: Mapping[str, Any]) -> str:
    """A job, its answer, and the same with something wrong."""
    bad = ", ".join(f'`"{name}": "{value}"`' for name, value in wrong.items())
    return "\n".join(
        [
            "## Example",
            example("A job:", {"input": body}),
            example("Its answer:", _answer(dialect, body)),
            example(f"The same with {bad}:", _refusal(dialect, {**body, **wrong})),
        ]
    )


def _answer(dialect: Dialect, body: Mapping[str, Any]) -> dict[str, Any]:
    request = dialect.decode_request(body)
    parameters = request.parameters.over(OF_THE_MODEL)
    width, height = parameters.width or 0, parameters.height or 0
    num_frames = parameters.num_frames or int((request.seconds or 0) * (parameters.fps or 0))
    result = GenerationResult(
        request=replace(request, parameters=parameters),
        job_id=f"{STEM}-e1",
        file_prefix=f"{STEM}-e1",
        output=f"https://videos.example.com/{STEM}-e1.mp4",
        width=width,
        height=height,
        num_frames=num_frames,
        fps=Fraction(parameters.fps or 1),
        size_bytes=181_406,
        timings=Timings(generate=8.102, encode=0.114, store=0.203),
        total_seconds=8.49,
        started_at=STARTED,
    )
    return dialect.encode_response(result)


def _refusal(dialect: Dialect, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        dialect.decode_request(body)
    except WorkerError as error:
        about = Unmade(job_id=f"{STEM}-e1", started_at=STARTED, failed_at=STARTED)
        return dialect.encode_error(error, about)
    raise ValueError("the example of a wrong body is right")
