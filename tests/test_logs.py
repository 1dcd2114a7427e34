"""Lines of the log: their form, the job that they name, and what none of them may hold."""

import asyncio
import json
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from src.logs import CHATTY, JsonLines, TextLines, job_scope, redacted, set_up

log = logging.getLogger("src.somewhere")


#: What went to stderr; reading it empties it.
Stderr = Callable[[], str]


@pytest.fixture(autouse=True)
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Stderr]:
    """Logging is as it was afterwards."""
    before = {name: logging.getLogger(name).level for name in ("", "src", *CHATTY)}
    yield lambda: capsys.readouterr().err
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, JsonLines | TextLines):
            root.removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)


def lines(stderr: Stderr) -> list[dict[str, Any]]:
    return [json.loads(text) for text in stderr().splitlines()]


def test_an_event_is_one_line_of_json_on_the_platform(stderr: Stderr) -> None:
    set_up("INFO", on_platform=True)
    with job_scope("job-1"):
        log.warning("a\nb %s", "é", extra={"seconds": 1.5, "where": Path("a/b"), "sizes": (1, 2)})
    (found,) = lines(stderr)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "WARNING",
        "event": "a\nb é",
        "job_id": "job-1",
        "seconds": 1.5,
        "where": "a/b",
        "sizes": [1, 2],
    }


@pytest.mark.parametrize(
    ("form", "on_platform", "is_json"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("json", False, True),
        ("text", True, False),
    ],
)
def test_the_form_follows_the_place_unless_it_is_said(
    stderr: Stderr, form: Any, on_platform: bool, is_json: bool
) -> None:
    set_up("INFO", form, on_platform=on_platform)
    log.info("made")
    assert stderr().startswith("{") == is_json


def test_at_a_terminal_lines_have_the_form_of_the_sdks(stderr: Stderr) -> None:
    set_up("INFO", on_platform=False)
    with job_scope("job-1"):
        log.info("made", extra={"seconds": 1.5, "key": "mine"})
    log.error("not made")
    assert stderr() == (
        "INFO   | job-1 | made seconds=1.5 key=***\n"
        "ERROR  | not made\n"
    )  # fmt: skip


async def test_tasks_and_threads_of_a_job_name_it_and_others_do_not(stderr: Stderr) -> None:
    set_up("INFO", on_platform=True)

    async def work(job_id: str) -> None:
        with job_scope(job_id):
            await asyncio.sleep(0)
            await asyncio.create_task(asyncio.to_thread(log.info, job_id))

    await asyncio.gather(work("a"), work("b"))
    log.info("none")
    assert {item["event"]: item.get("job_id") for item in lines(stderr)} == {
        "a": "a",
        "b": "b",
        "none": None,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, b"\xff", object(), {1: {2}}, [None, True]])
def test_any_extra_gives_a_line_that_others_can_read(stderr: Stderr, value: Any) -> None:
    set_up("INFO", on_platform=True)
    log.info("made", extra={"value": value})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(stderr(), parse_constant=refuse)["event"] == "made"


def test_an_extra_cannot_pass_for_the_event(stderr: Stderr) -> None:
    set_up("INFO", on_platform=True)
    log.info("made", extra={"event": "other", "level": "other"})
    (found,) = lines(stderr)
    assert (found["event"], found["level"]) == ("made", "INFO")


@pytest.mark.parametrize("on_platform", [True, False])
def test_a_traceback_is_kept_without_its_secrets(stderr: Stderr, on_platform: bool) -> None:
    set_up("INFO", on_platform=on_platform)
    try:
        raise ValueError("PUT https://u:pass@h.example/a.mp4?X-Amz-Signature=c0ffee failed")
    except ValueError:
        log.exception("failed", stack_info=True)
    text = lines(stderr)[0]["traceback"] if on_platform else stderr()
    assert "Traceback" in text
    assert "ValueError: PUT https://h.example/a.mp4?*** failed" in text


@pytest.mark.parametrize("name", [*CHATTY, "botocore.auth", "urllib3.connectionpool", "whoever"])
def test_other_peoples_debug_lines_stay_out_when_ours_are_in(stderr: Stderr, name: str) -> None:
    set_up("DEBUG", on_platform=True)
    logging.getLogger(name).debug("the signing key is ...")
    log.debug("ours")
    assert [item["event"] for item in lines(stderr)] == ["ours"]


def test_python_s_own_warnings_are_lines_too(stderr: Stderr) -> None:
    set_up("INFO", on_platform=True)
    logging.getLogger("py.warnings").warning("deprecated")
    assert lines(stderr)[0]["event"] == "deprecated"


SECRET = "c0ffeec0ffeec0ffee"


@pytest.mark.parametrize(
    "text",
    [
        f"https://b.s3.amazonaws.com/a.mp4?X-Amz-Date=2026&X-Amz-Signature={SECRET}",
        f"Max retries exceeded with url: /b/a.mp4?X-Amz-Signature={SECRET} (Caused by ...)",
        f"see https://h.example/#access_token={SECRET}.",
        f"https://h.example/?{SECRET}",
        f"https://user:{SECRET}@h.example/a",
        f"https://{SECRET}@h.example/a",
        f"Authorization: {SECRET}",
        f"authorization: AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature={SECRET}",
        f"{{'Authorization': 'Bearer {SECRET}', 'Accept': '*/*'}}",
        f"('Authorization', '{SECRET}')",
        f"[(b'authorization', b'Basic {SECRET}')]",
        f"Cookie: session={SECRET}; other={SECRET}",
        f"sent with bearer {SECRET}",
        f"hf_{SECRET} is not valid",
        f"AKIA{SECRET.upper()}",
        f"rpa_{SECRET}",
        f"whsec_{SECRET}==",
        f"key={SECRET}",
        f"{{'key': '{SECRET}', 'prompt': 'a fox'}}",
        f'{{"key": "a\\"{SECRET}"}}',
        f'a string in a string: {{\\"key\\": \\"{SECRET}\\"}}',
        f"secretAccessKey={SECRET}",
        f"accessKeyId: {SECRET}",
        f"BUCKET_SECRET_ACCESS_KEY='{SECRET}'",
        f"x-api-key: {SECRET}",
        f"aws_session_token = {SECRET}",
        f"password={SECRET},",
        f"&sig={SECRET}",
    ],
)
def test_no_secret_is_left_in_a_line(text: str) -> None:
    assert SECRET.casefold() not in redacted(text).casefold()


@pytest.mark.parametrize(
    "text",
    [
        "wan2.1-1.3b, 854x480, 81 frames at 16 fps, 913 kB, 42.00 s (load 0.01, generate 38.20)",
        "PUT https://bucket.example.com/videos/7f3a-e1.mp4 took 0.4 s",
        "KeyError: 'width'",
        "monkey=1, token_count=3, tokenizer=t5, keyframes: 4",
        "what is this? a=b & c=d",
        "width must be a multiple of 32, got 500",
        "Traceback (most recent call last):",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("name", ["key", "Authorization", "api_key", "BUCKET_SECRET_ACCESS_KEY"])
def test_an_extra_of_a_secret_s_name_is_hidden_however_deep(stderr: Stderr, name: str) -> None:
    set_up("INFO", on_platform=True)
    log.info("made", extra={"job": {"input": [{name: SECRET}]}})
    assert lines(stderr)[0]["job"] == {"input": [{name: "***"}]}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "part", ["a-", "://", '\\"', 'key="', "?a", "apikey", "Authorization: ", "\\"]
)
def test_a_line_of_a_megabyte_does_not_take_long(part: str) -> None:
    redacted(part * (1_000_000 // len(part)))
