"""docs/api.md: ModelsLab's API, from its wire models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from src.dialects import DEFAULT, LOCALAI_ONLY, OPENAI_ONLY
from src.dialects.failure import OURS
from src.dialects.made import Seconds
from src.dialects.modelslab.answer import META, Answer, Failure
from src.dialects.modelslab.body import Body, Img2Video, Text2Video, Unused, Video2Video
from src.dialects.modelslab.endpoint import ENDPOINTS, TEXT2VIDEO
from src.dialects.modelslab.processing import Processing
from src.dialects.modelslab.webhook import Made, NotMade
from src.errors import WorkerError
from src.generation import GenerationResult, Parameters, Timings

from .parts import FIELDS, KEYS, example, fields, keys, rows, table

#: The parameters that the model of the example has a use for.
EFFECTIVE = {
    "prompt", "negative_prompt", "width", "height", "num_frames", "fps", "seed",
    "num_inference_steps", "guidance_scale",
}  # fmt: skip

INTRODUCTION = """\
# The API

<!-- Written by `make docs` from src/dialects/modelslab; edits here are lost. -->

The worker reads ModelsLab's video API from `input` of a RunPod job and answers as ModelsLab
does. It reads [OpenAI's](api-openai.md), as vLLM-Omni extends it, and
[LocalAI's](api-localai.md) as well, and answers each in its own words.

## Which API a body speaks

`input.endpoint` says it: a name, or a path or URL that ends in it, such as
`https://modelslab.com/api/v6/video/text2video`. ModelsLab's are

{endpoints}

LocalAI's is `/video` (or `localai`), OpenAI's are `/v1/videos` and `/v1/videos/sync` (or
`openai`). What comes to RunPod's own `/openai/v1/videos`, `openai_route` beside `openai_input`,
is OpenAI's. Any other is an error. Without it, the first of these that fits:

1. `model_id`, `key` or another field that only ModelsLab has: ModelsLab.
2. One of {localai}: LocalAI.
3. One of {openai}: OpenAI.
4. Anything else: ModelsLab.

In ModelsLab's API a body without `endpoint` that has `init_video` is video2video, one with
`init_image` is img2video, and any other is text2video.

`key` may be there, as ModelsLab's clients send it. It is dropped unread: never stored, logged
or echoed. Who may call is for the platform to decide.

## How values are read

- Numbers may be strings: `"16"`, `" 7.5 "`; `16.0` is a whole number, `16.5` and `true` are not.
- Booleans may be `"yes"`, `"no"`, `"TRUE"`, `"false"`, `1`, `0`.
- `null`, `""` and `[]` are the same as not saying the field. Spaces around a field's name are
  ignored.
- `init_image` and `init_video` may be an array of one; lists may be arrays or `"a, b"`.
- A value outside its rule fails the job, with every problem of the body in one message. Where
  ModelsLab documents a maximum of frames, pixels, steps or guidance, the model's own limit
  holds instead, which may be higher.
- A field that is unknown, that the endpoint does not have, or that the model cannot use never
  fails the job and is never dropped silently: `warnings` names it.

Where results go, and what holds when something fails on the way, is told in
[delivery.md](delivery.md).
"""

PROCESSING_TEXT = """\
## While it is made

Whoever asks the platform for the status of a job that is IN_PROGRESS finds this under `output`,
about once a second anew, and never after the answer:

"""

WEBHOOK_TEXT = """\
## Webhook

A request's own `webhook` gets a POST of this JSON before the job ends. Any 2xx takes it; 408,
425, 429, 5xx and connections that fail are tried again, with longer and longer pauses. A webhook
that does not hear never fails a job: the answer's `warnings` says so. A job that is tried again
may tell it twice, with the same `id`.

"""

SIGNED_TEXT = """
With `WEBHOOK_SECRET` it is signed by the
[Standard Webhooks](https://www.standardwebhooks.com) rules: `webhook-id` (the job's id),
`webhook-timestamp` and `webhook-signature`. The job's own top-level `webhook` is the platform's
and is left to it.
"""

META_TEXT = """\
## meta

Every parameter that was effective, in alphabetical order: booleans as `"yes"` and `"no"`, lists
with commas, the seed that was used, `file_prefix` (the stem of the result's name). Input media
are echoed when they are URLs, and shortened when they are base64. A key that the endpoint always
has is null where the model has no use for it. `enhanced_prompt` is there where `enhance_prompt`
made another one; `output_width`, `output_height`, `output_num_frames` and `output_fps` where the
file is larger or smoother than what was generated first:

"""


def page() -> str:
    """The whole document."""
    return "\n".join(
        [
            INTRODUCTION.format(
                endpoints="\n".join(f"- `{name}`" for name in ENDPOINTS),
                localai=_listed(LOCALAI_ONLY),
                openai=_listed(OPENAI_ONLY),
            ),
            *(_fields_section(body) for body in (Text2Video, Img2Video, Video2Video, Body)),
            _ultra_section(),
            _answer_section(),
            _failure_section(),
            PROCESSING_TEXT + table(KEYS, keys(Processing)),
            _webhook_section(),
            _example_section(),
        ]
    )


def _fields_section(body: type[Body]) -> str:
    """The fields of a body, or of an endpoint's body what goes beyond or against `Body`."""
    title, _, rest = (body.__doc__ or "").partition(": ")
    shared = {} if body is Body else dict(fields(Body))
    own = [(name, schema) for name, schema in fields(body) if schema != shared.get(name)]
    own.sort(key=lambda field: (not field[1]["required"], field[0] in Unused.model_fields))
    return f"## {title}\n\n{rest[0].upper()}{rest[1:]}\n\n{table(FIELDS, rows(own))}"


def _ultra_section() -> str:
    changed = _changes(TEXT2VIDEO.defaults, ENDPOINTS["text2video_ultra"].defaults)
    defaults = ((f"`{name}`", value) for name, value in changed)
    return (
        "## The ultra endpoints\n\n"
        "`text2video_ultra` and `img2video_ultra` read the same fields, with other defaults:\n\n"
        + table(("Field", "Default"), defaults)
    )


def _changes(plain: Parameters, ultra: Parameters) -> Iterator[tuple[str, str]]:
    before, after = plain.given(), ultra.given()
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            value = f"`{after[name]:g}`" if name in after else "the model's own"
            yield name.replace("flow_shift", "sample_shift"), value


def _answer_section() -> str:
    always = ((task.value, ", ".join(f"`{key}`" for key in sorted(META[task]))) for task in META)
    return (
        f"## Answer\n\n{table(KEYS, keys(Answer))}\n`timings` has seconds:\n\n"
        f"{table(KEYS, keys(Seconds))}\n{META_TEXT}{table(('Endpoint', 'Keys'), always)}"
    )


def _failure_section() -> str:
    return (
        "## Failure\n\nThe job is FAILED on the platform and carries ModelsLab's error body:\n\n"
        f"{table(KEYS, keys(Failure))}\n"
        f'What the caller cannot mend always reads "{OURS}"; the cause is in the worker\'s log.\n'
    )


def _webhook_section() -> str:
    return (
        f"{WEBHOOK_TEXT}{table(KEYS, keys(Made))}\nor, where there is no video,\n\n"
        f"{table(KEYS, keys(NotMade))}{SIGNED_TEXT}"
    )


def _example_section() -> str:
    body = {
        "endpoint": "text2video",
        "model_id": "cogvideox",
        "prompt": "An astronaut riding a horse",
        "negative_prompt": "low quality",
        "width": 512,
        "height": 512,
        "num_frames": "16",
        "seed": 3848624113,
        "watermark": "yes",
    }
    try:
        DEFAULT.decode_request({**body, "prompt": None, "width": "wide"})
    except WorkerError as error:
        refusal = DEFAULT.encode_error(error)
    return "\n".join(
        [
            "## Example",
            example("A job:", {"input": body}),
            example("Its answer:", _example_answer(body)),
            example('The same without `prompt` and with `"width": "wide"`:', refusal),
        ]
    )


def _example_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    request = DEFAULT.decode_request(body)
    effective = request.parameters.over(request.defaults).given()
    settled = Parameters(**{name: value for name, value in effective.items() if name in EFFECTIVE})
    stem = "7b0e5c1e-6a53-4d8e-9d0c-3f2f6a1b9c11"
    url = f"https://videos.example.com/{stem}.mp4"
    result = GenerationResult(
        request=replace(request, parameters=settled),
        job_id=f"{stem}-e1",
        file_prefix=stem,
        output=url,
        proxy_links=(url,),
        width=512,
        height=512,
        num_frames=16,
        fps=Fraction(7),
        size_bytes=181_406,
        timings=Timings(generate=8.102, encode=0.114, store=0.203),
        total_seconds=8.49,
    )
    return DEFAULT.encode_response(result)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
