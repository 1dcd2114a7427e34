"""Writes docs/api.md from the wire models, so that what is documented is what is checked.

`python -m builder.api_docs` writes it; with `--check` it only says whether it is up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from src.dialects import DEFAULT
from src.dialects.modelslab.answer import META, OURS, Answer, Failure, Seconds
from src.dialects.modelslab.body import Body, Img2Video, Text2Video, Unused, Video2Video
from src.dialects.modelslab.endpoint import ENDPOINTS, TEXT2VIDEO
from src.dialects.modelslab.processing import Processing
from src.dialects.modelslab.webhook import Made, NotMade
from src.dialects.rules import rule_of, without_null
from src.errors import WorkerError
from src.generation import GenerationResult, Parameters, Timings

PAGE = Path(__file__).parent.parent / "docs" / "api.md"

#: The parameters that the model of the example has a use for.
EFFECTIVE = {
    "prompt", "negative_prompt", "width", "height", "num_frames", "fps", "seed",
    "num_inference_steps", "guidance_scale",
}  # fmt: skip

INTRODUCTION = """\
# The API

<!-- Written by `make docs` from src/dialects/modelslab; edits here are lost. -->

The worker reads ModelsLab's video API from `input` of a RunPod job and answers as ModelsLab
does. `input.endpoint` names the endpoint, or is a path or URL that ends in its name, such as
`https://modelslab.com/api/v6/video/text2video`:

{endpoints}

Without it a body with `init_video` is video2video, one with `init_image` is img2video, and any
other is text2video.

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
            INTRODUCTION.format(endpoints="\n".join(f"- `{name}`" for name in ENDPOINTS)),
            *(_fields_section(body) for body in (Text2Video, Img2Video, Video2Video, Body)),
            _ultra_section(),
            _answer_section(),
            _failure_section(),
            PROCESSING_TEXT + _table(("Key", "Type", "Meaning"), _keys(Processing)),
            _webhook_section(),
            _example_section(),
        ]
    )


def _fields_section(body: type[Body]) -> str:
    """The fields of a body, or of an endpoint's body what goes beyond or against `Body`."""
    title, _, rest = (body.__doc__ or "").partition(": ")
    shared = {} if body is Body else dict(_fields(Body))
    own = [(name, schema) for name, schema in _fields(body) if schema != shared.get(name)]
    own.sort(key=lambda field: (not field[1]["required"], field[0] in Unused.model_fields))
    rows = (
        (f"`{name}`", _type(schema), _default(schema), _rule(schema), schema["description"])
        for name, schema in own
    )
    return (
        f"## {title}\n\n{rest[0].upper()}{rest[1:]}\n\n"
        f"{_table(('Field', 'Type', 'Default', 'Rule', 'Meaning'), rows)}"
    )


def _ultra_section() -> str:
    changed = _changes(TEXT2VIDEO.defaults, ENDPOINTS["text2video_ultra"].defaults)
    rows = ((f"`{name}`", value) for name, value in changed)
    return (
        "## The ultra endpoints\n\n"
        "`text2video_ultra` and `img2video_ultra` read the same fields, with other defaults:\n\n"
        + _table(("Field", "Default"), rows)
    )


def _changes(plain: Parameters, ultra: Parameters) -> Iterator[tuple[str, str]]:
    before, after = plain.given(), ultra.given()
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            value = f"`{after[name]:g}`" if name in after else "the model's own"
            yield name.replace("flow_shift", "sample_shift"), value


def _answer_section() -> str:
    header = ("Key", "Type", "Meaning")
    always = ((task.value, ", ".join(f"`{key}`" for key in sorted(META[task]))) for task in META)
    return (
        f"## Answer\n\n{_table(header, _keys(Answer))}\n`timings` has seconds:\n\n"
        f"{_table(header, _keys(Seconds))}\n{META_TEXT}{_table(('Endpoint', 'Keys'), always)}"
    )


def _failure_section() -> str:
    return (
        "## Failure\n\nThe job is FAILED on the platform and carries ModelsLab's error body:\n\n"
        f"{_table(('Key', 'Type', 'Meaning'), _keys(Failure))}\n"
        f'What the caller cannot mend always reads "{OURS}"; the cause is in the worker\'s log.\n'
    )


def _webhook_section() -> str:
    header = ("Key", "Type", "Meaning")
    return (
        f"{WEBHOOK_TEXT}{_table(header, _keys(Made))}\nor, where there is no video,\n\n"
        f"{_table(header, _keys(NotMade))}{SIGNED_TEXT}"
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
            _json("A job:", {"input": body}),
            _json("Its answer:", _example_answer(body)),
            _json('The same without `prompt` and with `"width": "wide"`:', refusal),
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


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, dict[str, Any]]]:
    schema = model.model_json_schema()
    required = schema.get("required", ())
    for name, item in schema["properties"].items():
        yield name, {**without_null(item), "required": name in required}


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, schema in _fields(model):
        yield f"`{name}`", _type(schema), schema["description"]


def _type(schema: Mapping[str, Any]) -> str:
    branches = schema.get("anyOf", [schema])
    names = [str(item.get("type", "any")) for item in branches if item.get("type") != "null"]
    if names == ["array"]:
        return f"array of {schema['items']['type']}s"
    return " or ".join(names) if "$ref" not in schema else "object"


def _default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if schema["required"]:
        return "required"
    if isinstance(default, list):
        (default,) = default
    return "" if default is None else f"`{json.dumps(default)}`"


def _rule(schema: Mapping[str, Any]) -> str:
    if "type" not in schema and "rule" not in schema:
        return ""
    return rule_of(schema).removeprefix("must be ")


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(header)]
    cells += [["---"] * len(cells[0]), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _json(title: str, value: Mapping[str, Any]) -> str:
    return f"\n{title}\n\n```json\n{json.dumps(value, indent=2)}\n```"


def main(arguments: list[str]) -> int:
    """Write the page, or with --check tell whether it is the one that would be written."""
    if "--check" not in arguments:
        PAGE.write_text(page(), "utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text("utf-8") == page():
        return 0
    print("docs/api.md is out of date: run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
