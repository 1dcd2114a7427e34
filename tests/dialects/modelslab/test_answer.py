"""What ModelsLab's clients read: the answer's meta, its id, and its errors."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from src.dialects.failure import OURS
from src.dialects.modelslab import ModelsLab
from src.errors import (
    FetchFailed,
    InvalidRequest,
    OutOfMemory,
    StorageError,
    UnknownModel,
    WorkerError,
)
from src.generation import GenerationResult

Finish = Callable[..., GenerationResult]
DATA_URI = "data:image/png;base64," + "iVBORw0KGgo" * 1000
BARE = "iVBORw0KGgo" * 1000


def meta(finish: Finish, said: dict[str, Any], **changes: Any) -> dict[str, Any]:
    request = ModelsLab().decode_request({"prompt": "a cat", **said})
    answered: dict[str, Any] = ModelsLab().encode_response(finish(request, **changes))["meta"]
    return answered


@pytest.mark.parametrize(
    ("said", "field", "written"),
    [
        ({"seed": 7}, "seed", 7),
        ({"seed": -1}, "seed", 3848624113),
        ({"guidance_scale": "7.0"}, "guidance_scale", 7),
        ({"guidance_scale": 7.5}, "guidance_scale", 7.5),
        ({"clip_skip": 2}, "clip_skip", 2),
        ({"clip_skip": 1}, "clip_skip", None),
        ({"use_improved_sampling": True}, "use_improved_sampling", "yes"),
        ({"use_improved_sampling": False}, "use_improved_sampling", "no"),
        ({"enhance_prompt": "yes"}, "enhance_prompt", "yes"),
        ({"temp": 1}, "temp", "yes"),
        ({"instant_response": "TRUE"}, "instant_response", "yes"),
        ({"base64": "yes"}, "base64", "yes"),
        ({"output_type": "base64"}, "base64", "yes"),
        ({"output_type": "base64"}, "output_type", "mp4"),
        ({"output_type": "gif"}, "output_type", "gif"),
        ({"lora_models": ["a", "b"]}, "lora_models", "a,b"),
        ({"lora_models": ["a", "b"], "lora_strength": "0.7,1"}, "lora_strength", "0.7,1"),
        ({"lora_strength": "1"}, "lora_strength", 1),
        ({"shift_sample": 3}, "sample_shift", 3),
        ({"track_id": 300}, "track_id", 300),
        ({"webhook": "https://e.x/hook"}, "webhook", "https://e.x/hook"),
        ({"model_id": "Zeroscope "}, "model_id", "Zeroscope"),
        ({}, "model_id", "manifest-id"),
        ({}, "negative_prompt", None),
        ({"upscale_width": 1024}, "upscale_width", 1024),
        ({"init_image": "https://e.x/a.png?sig=1"}, "init_image", "https://e.x/a.png?sig=1"),
        ({"init_image": DATA_URI}, "init_image", "data:image/png;base64,... (11022 characters)"),
        ({"init_image": BARE}, "init_image", "iVBORw0KGgoiVBORw0KGgoiV... (11000 characters)"),
        ({"init_video": "https://e.x/a.gif"}, "init_video", "https://e.x/a.gif"),
        ({"init_image": "https://e.x/" + "a" * 9000}, "init_image",
         "https://e.x/aaaaaaaaaaaa... (9012 characters)"),
        ({"ip_adapter_image": DATA_URI}, "ip_adapter_image",
         "data:image/png;base64,... (11022 characters)"),
    ],
)  # fmt: skip
def test_meta_echoes_what_was_effective(
    finish: Finish, said: dict[str, Any], field: str, written: object
) -> None:
    got = meta(finish, said)[field]
    assert got == written
    assert type(got) is type(written)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"prompt": None, "init_image": "https://e.x/a.png"}, "prompt"),
        ({}, "track_id"),
        ({}, "webhook"),
        ({}, "lora_models"),
        ({"shift_sample": 3}, "flow_shift"),
        ({"key": "sk-1"}, "key"),
    ],
)
def test_meta_holds_nothing_that_nobody_said(
    finish: Finish, said: dict[str, Any], field: str
) -> None:
    assert field not in meta(finish, said)


def test_what_the_model_has_no_use_for_is_null(finish: Finish) -> None:
    answered = meta(finish, {"guidance_scale": 3}, used={"prompt", "width", "height"})
    assert answered["guidance_scale"] is None
    assert answered["use_improved_sampling"] == "no"
    assert "lora_strength" not in answered


def test_warnings_of_the_request_and_of_the_work_are_told_once(finish: Finish) -> None:
    request = ModelsLab().decode_request({"prompt": "a cat", "foo": 1})
    result = finish(request, warnings=(*request.warnings, "the clip was cropped"))
    assert ModelsLab().encode_response(result)["warnings"] == [
        "foo: unknown field, ignored",
        "the clip was cropped",
    ]


def test_an_id_is_the_job_s_and_safe_for_javascript(finish: Finish) -> None:
    request = ModelsLab().decode_request({"prompt": "a cat"})
    ids = [
        ModelsLab().encode_response(finish(request, job_id=job))["id"]
        for job in ("job-1", "job-1", *(f"job-{number}" for number in range(2, 200)))
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == len(ids) - 1
    assert all(0 < number < 2**53 for number in ids)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InvalidRequest("width must be 8, got 7"), "width must be 8, got 7"),
        (UnknownModel("Model not found: 'x'"), "Model not found: 'x'"),
        (FetchFailed(), "The media could not be fetched."),
        (OutOfMemory("CUDA out of memory at /app/src"), OURS),
        (StorageError("bucket secret-bucket"), OURS),
        (WorkerError("something"), OURS),
    ],
)  # fmt: skip
def test_errors_say_what_the_caller_can_mend(error: WorkerError, message: str) -> None:
    assert ModelsLab().encode_error(error) == {"status": "error", "message": message}


def test_meta_has_the_files_own_figures_where_they_are_not_those_asked_for(finish: Finish) -> None:
    said = {"upscale_width": 1024, "upscale_height": 640, "enable_frame_interpolation": "yes"}
    made = {"width": 1024, "height": 640, "num_frames": 31, "fps": Fraction(14)}
    got = meta(finish, said, **made)

    assert (got["width"], got["height"], got["num_frames"], got["fps"]) == (512, 512, 16, 7)
    assert (got["output_width"], got["output_height"]) == (1024, 640)
    assert (got["output_num_frames"], got["output_fps"]) == (31, 14)
