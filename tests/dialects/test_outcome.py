"""What an answer says is what was made, whichever dialect wrote it."""

import base64
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from src.dialects import DIALECTS, Dialect
from src.dialects.outcome import outcome_of
from src.generation import GenerationResult

Finish = Callable[..., GenerationResult]
FILE = b"\x00\x00\x00\x20ftypisom"
BARE = base64.b64encode(FILE).decode()
BODY = {"prompt": "a fox", "width": 64, "height": 48, "num_frames": 5, "fps": 8, "seed": 0}
MADE: dict[str, Any] = {
    "width": 96,
    "height": 72,
    "num_frames": 9,
    "fps": Fraction(15),
    "warnings": ("the clip was cropped",),
    "poster": "https://videos.example.com/8b1c6a0e.jpg",
}
#: How each dialect is asked for the bytes themselves.
AS_BASE64: dict[str, dict[str, Any]] = {
    "modelslab": {"base64": "yes"},
    "localai": {"response_format": "b64_json"},
    "openai": {"response_format": "b64_json"},
}

each = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


@each
def test_the_files_own_figures_come_back(dialect: Dialect, finish: Finish) -> None:
    result = finish(dialect.decode_request(BODY), **MADE)
    outcome = dialect.outcome(dialect.encode_response(result))

    assert outcome.video == result.output
    assert (outcome.width, outcome.height, outcome.num_frames) == (96, 72, 9)
    assert outcome.fps == 15.0
    assert outcome.seconds == pytest.approx(0.6)
    assert outcome.warnings == MADE["warnings"]
    assert outcome.poster == MADE["poster"]
    assert outcome.seed == result.request.parameters.seed
    assert (outcome.stem, outcome.file_name) == ("8b1c6a0e", "8b1c6a0e.mp4")
    assert outcome.content_type == "video/mp4"
    assert outcome.timings is not None
    assert outcome.timings["generate"] == 6.0
    assert not outcome.is_inline


@each
@pytest.mark.parametrize("bare", [True, False])
def test_a_video_in_the_answer_is_one_file_in_every_dialect(
    dialect: Dialect, finish: Finish, *, bare: bool
) -> None:
    body = BODY | (AS_BASE64[dialect.name] if bare else {})
    output = BARE if bare else f"data:video/mp4;base64,{BARE}"
    answer = dialect.encode_response(finish(dialect.decode_request(body), output=output))
    outcome = dialect.outcome(answer)

    assert outcome.is_inline
    assert outcome.content() == FILE
    assert outcome.content_type == "video/mp4"


@each
@pytest.mark.parametrize(
    "answer",
    [
        {}, {"output": []}, {"output": "x"}, {"data": [{}]}, {"data": [7]}, {"data": None},
        {"url": ""}, {"url": 7}, {"status": "failed"}, {"meta": 7}, {"output": [None]},
    ],
)  # fmt: skip
def test_an_answer_without_a_video_says_so(dialect: Dialect, answer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no video"):
        dialect.outcome(answer)


@pytest.mark.parametrize(
    ("figures", "name", "value"),
    [
        ({}, "width", None),
        ({"width": "64"}, "width", None),
        ({"width": True}, "width", None),
        ({"width": -1}, "width", None),
        ({"seed": 0}, "seed", 0),
        ({"fps": "7.5"}, "fps", 7.5),
        ({"fps": 0}, "fps", None),
        ({"fps": float("nan")}, "fps", None),
        ({"fps": "fast"}, "fps", None),
        ({"fps": 10**400}, "fps", None),
        ({"num_frames": 16, "fps": 8}, "seconds", 2.0),
        ({"num_frames": 16, "fps": 8, "seconds": "2.5"}, "seconds", 2.5),
        ({"warnings": ["a", 7]}, "warnings", ("a",)),
        ({"warnings": "a"}, "warnings", ()),
        ({"timings": {"load": 1, "x": None}}, "timings", {"load": 1.0}),
        ({"stem": ""}, "stem", "a"),
        ({}, "content_type", "image/gif"),
        ({"content_type": "video/mp4"}, "content_type", "video/mp4"),
    ],
)
def test_figures_of_another_kind_are_left_out(
    figures: dict[str, Any], name: str, value: object
) -> None:
    assert getattr(outcome_of("https://e.x/b/a.gif?X-Sig=1", figures), name) == value


@pytest.mark.parametrize("video", ["https://e.x/a.mp4", "data:video/mp4;base64,%%%"])
def test_bytes_that_are_not_there_are_not_made_up(video: str) -> None:
    with pytest.raises(ValueError, match=r"behind a link|no base64"):
        outcome_of(video, {}).content()
