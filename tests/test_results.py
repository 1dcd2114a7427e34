"""What is kept with a video, and the answer that is made of it once more."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from src.delivery import Found
from src.generation import GenerationRequest, GenerationResult, Parameters, Task
from src.job import Job
from src.storage import Kept, Links
from src.worker.results import again, facts_of

JOB = Job({"id": "j-1", "input": {"prompt": "a fox"}})
REQUEST = GenerationRequest(
    task=Task.TEXT2VIDEO, model="demo", parameters=Parameters(prompt="a fox", seed=7)
)
LINK = "https://videos.example.com/j-1.mp4"


def made(**changes: Any) -> GenerationResult:
    usual: dict[str, Any] = {
        "request": REQUEST,
        "job_id": "j-1",
        "file_prefix": "j-1",
        "output": LINK,
        "width": 66,
        "height": 64,
        "num_frames": 5,
        "fps": Fraction(15, 2),
        "size_bytes": 1234,
    }
    return GenerationResult(**{**usual, **changes})


def found(facts: dict[str, str]) -> Found:
    return Found(video=Kept(links=Links(url=LINK), size_bytes=1234, facts=facts))


@pytest.mark.parametrize(
    "result",
    [made(), made(enhanced_prompt="a red fox 狐狸 at dawn"), made(enhanced_prompt="x" * 700)],
)
def test_an_answer_is_made_again_from_what_is_found(result: GenerationResult) -> None:
    other_seed = replace(REQUEST, parameters=replace(REQUEST.parameters, seed=8))

    assert again(other_seed, JOB, found(facts_of(result))) == result


@pytest.mark.parametrize("prompt", [None, "y" * 10_000, "狐" * 3000])
def test_what_is_kept_fits_beside_an_object(prompt: str | None) -> None:
    facts = facts_of(made(enhanced_prompt=prompt))

    assert all(len(value) <= 256 and value.isascii() for value in facts.values())
    assert sum(len(name) + len(value) for name, value in facts.items()) < 1700
    assert again(REQUEST, JOB, found(facts)) is not None


@pytest.mark.parametrize(
    "facts",
    [{}, {"made-0": "no base64!"}, {"made-0": "e30="}, {"made-0": "W10="}, {"made-1": "bnVsbA=="}],
)
def test_what_says_too_little_is_made_anew(facts: dict[str, str]) -> None:
    assert again(REQUEST, JOB, found(facts)) is None
