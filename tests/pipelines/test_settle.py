from typing import Any

import pytest

from src.errors import InvalidRequest, UnsupportedTask
from src.generation import GenerationRequest, MediaReference, Parameters, Task
from src.manifest import Limits, ModelEntry
from src.pipelines import FAMILIES
from src.pipelines.choices import Choices
from src.pipelines.settle import settle

DEFAULTS = {"width": 720, "height": 480, "num_frames": 49, "fps": 8, "num_inference_steps": 50}
LIMITS = Limits(pixels=1024 * 1024, num_frames=32, num_inference_steps=50, guidance_scale=20)
ENTRY = ModelEntry(
    id="some-model",
    family="animatediff",
    repo="owner/name",
    licence="none",
    tasks=frozenset({Task.TEXT2VIDEO, Task.VIDEO2VIDEO}),
    defaults={**DEFAULTS, "num_frames": 16},
    limits=LIMITS,
)
VIDEO = MediaReference(field="init_video", value="https://example.com/a.mp4")


def plainly(request: GenerationRequest) -> GenerationRequest:
    return settle(request, entry=ENTRY, family=FAMILIES["animatediff"], choices=Choices())


def settled(task: Task = Task.TEXT2VIDEO, **given: Any) -> GenerationRequest:
    request = GenerationRequest(
        task=task,
        parameters=Parameters(**given),
        defaults=Parameters(num_inference_steps=20, strength=0.7, motion_bucket_id=127),
        video=VIDEO if task is Task.VIDEO2VIDEO else None,
        field_names={"num_inference_steps": "step"},
    )
    return plainly(request)


def test_the_callers_word_goes_over_the_apis_and_that_over_the_models() -> None:
    parameters = settled(width=512, prompt="a fox").parameters

    assert parameters.width == 512
    assert parameters.num_inference_steps == 20
    assert parameters.height == 480


def test_a_documented_default_that_the_model_cannot_do_gives_way_to_its_own() -> None:
    documented = Parameters(num_frames=81, width=2000, height=1000, num_inference_steps=25)
    request = GenerationRequest(task=Task.TEXT2VIDEO, defaults=documented)
    parameters = settle(
        request, entry=ENTRY, family=FAMILIES["animatediff"], choices=Choices()
    ).parameters

    assert (parameters.num_frames, parameters.num_inference_steps) == (16, 25)
    assert (parameters.width, parameters.height) == (720, 480)


def test_a_model_made_for_its_defaults_has_them_over_the_apis_and_under_the_callers() -> None:
    request = GenerationRequest(
        task=Task.TEXT2VIDEO,
        parameters=Parameters(width=512),
        defaults=Parameters(width=640, height=640, num_inference_steps=20, guidance_scale=9.0),
    )
    entry = ENTRY.model_copy(update={"defaults_first": True})
    parameters = settle(
        request, entry=entry, family=FAMILIES["animatediff"], choices=Choices()
    ).parameters

    assert (parameters.width, parameters.height, parameters.num_inference_steps) == (512, 480, 50)
    assert parameters.guidance_scale == 9.0


def test_what_the_model_has_no_use_for_is_not_effective_even_as_a_default() -> None:
    request = settled()

    assert request.parameters.motion_bucket_id is None
    assert request.parameters.strength is None
    assert request.warnings == ()


def test_what_the_caller_set_and_the_model_cannot_use_is_named() -> None:
    request = settled(motion_bucket_id=20, strength=0.3, num_inference_steps=9)

    assert request.warnings == (
        "motion_bucket_id: not used by some-model, ignored",
        "strength: not used by some-model, ignored",
    )
    assert request.parameters.motion_bucket_id is None


def test_a_request_without_a_seed_gets_one_and_keeps_one_that_it_has() -> None:
    seeds = {settled().parameters.seed for _ in range(5)}

    assert len(seeds) == 5
    assert all(seed is not None and 0 <= seed < 2**32 for seed in seeds)
    assert settled(seed=0).parameters.seed == 0


def test_a_model_that_does_not_do_the_task_says_what_it_does() -> None:
    with pytest.raises(UnsupportedTask, match="does not do img2video; it does: text2video, video"):
        settled(Task.IMG2VIDEO)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"width": 1025, "height": 1024}, "width x height must be at most 1048576 pixels"),
        ({"num_frames": 33}, "num_frames must be at most 32 for some-model, got 33"),
        ({"num_inference_steps": 51}, "step must be at most 50 for some-model, got 51"),
        ({"guidance_scale": 20.5}, "guidance_scale must be at most 20 for some-model, got 20.5"),
    ],
)
def test_above_a_limit_the_field_the_value_and_the_rule_are_named(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        settled(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"width": 1024, "height": 1024, "num_frames": 32, "num_inference_steps": 50},
        {"guidance_scale": 20.0},
        {"guidance_scale": 0.0},
    ],
)
def test_a_limit_itself_is_within(given: dict[str, Any]) -> None:
    assert settled(**given).parameters.given().items() >= given.items()


@pytest.mark.parametrize(
    ("strength", "fits"), [(0.0, False), (0.09, False), (0.1, True), (1.0, True)]
)
def test_strength_must_leave_a_step(strength: float, fits: bool) -> None:
    given = {"strength": strength, "num_inference_steps": 10}
    if fits:
        assert settled(Task.VIDEO2VIDEO, **given).parameters.strength == strength
    else:
        with pytest.raises(InvalidRequest, match=r"strength must leave a step .*\(10\)"):
            settled(Task.VIDEO2VIDEO, **given)


def test_the_request_without_a_model_is_told_which_one_it_got() -> None:
    assert settled().model == "some-model"
    request = GenerationRequest(task=Task.TEXT2VIDEO, model="Alias")
    assert plainly(request).model == "Alias"


@pytest.mark.parametrize(
    ("seconds", "given", "num_frames"),
    [
        (2, {}, 16),  # the model's 8 frames per second
        (2, {"fps": 16}, 32),
        (2, {"fps": 5, "num_frames": 9}, 9),
        (0.01, {}, 1),
        (1.3, {}, 10),
        (2, {"fps": 8, "enable_frame_interpolation": True}, 16),
    ],
)
def test_seconds_become_frames_at_the_rate_that_is_effective(
    seconds: float, given: dict[str, Any], num_frames: int
) -> None:
    request = GenerationRequest(
        task=Task.TEXT2VIDEO, parameters=Parameters(**given), seconds=seconds
    )
    assert plainly(request).parameters.num_frames == num_frames


def test_seconds_go_over_the_number_of_frames_that_the_api_documents() -> None:
    request = GenerationRequest(
        task=Task.TEXT2VIDEO, defaults=Parameters(num_frames=25, fps=4), seconds=3
    )
    assert plainly(request).parameters.num_frames == 12


def test_too_many_seconds_are_refused_in_seconds() -> None:
    request = GenerationRequest(
        task=Task.TEXT2VIDEO, seconds=5, field_names={"num_frames": "frames"}
    )
    with pytest.raises(InvalidRequest) as caught:
        plainly(request)
    words = "seconds must be at most 4 for some-model (32 frames at 8 fps), got 5"
    assert (str(caught.value), caught.value.field) == (words, "seconds")


def test_one_field_for_both_sides_is_named_once() -> None:
    request = GenerationRequest(
        task=Task.TEXT2VIDEO,
        parameters=Parameters(width=4000, height=4000),
        field_names={"width": "size", "height": "size"},
    )
    with pytest.raises(InvalidRequest, match=r"^size must be at most 1048576 pixels"):
        plainly(request)
