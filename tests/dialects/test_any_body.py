"""Whatever JSON comes in: an answer or a refusal, and never the caller's key."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.dialects import DEFAULT, DIALECTS, Dialect, detect, localai, modelslab, openai
from src.dialects.extras import Extras
from src.errors import RequestError
from src.generation import GenerationResult

SECRET = "sk-live-51H8xQ"
KNOWN = modelslab.FIELDS | localai.FIELDS | openai.FIELDS
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**400)
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["16", " 7.5 ", "yes", "1e999", "a,b", "https://e.x/a", "512x512", "NaN"])
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
LIKELY = st.sampled_from([1, "2", 0.5, "yes", "a", "https://e.x/a.png", None, ["https://e.x/a"]])
NAMES = st.sampled_from([*sorted(KNOWN), "endpoint", "shift_sample", "track_id "]) | st.text()
EXTRAS = st.dictionaries(st.sampled_from(sorted(Extras.model_fields)), LIKELY, max_size=3)
BODIES = st.dictionaries(NAMES, ANYTHING | LIKELY | EXTRAS | EXTRAS.map(json.dumps), max_size=12)
SPOKEN = st.sampled_from([None, "text2video", "/video", "/v1/videos"])
SOUND = st.fixed_dictionaries({"prompt": st.just("a cat"), "init_video": st.just("https://e.x/a")})
KEYS = st.sampled_from(["key", "key ", " Key", "KEY"])
QUICK = settings(
    max_examples=300,
    derandomize=True,  # the same run everywhere; more is for an afternoon with max_examples=20_000
    # `finish` keeps nothing; the other is as for every test.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def said_back(payload: dict[str, Any], finish: Callable[..., GenerationResult]) -> str:
    """Everything that leaves the dialect for this body."""
    dialect = DEFAULT
    try:
        dialect = detect(payload)
        request = dialect.decode_request(payload)
    except RequestError as error:
        return json.dumps(dialect.encode_error(error), allow_nan=False)
    answer = dialect.encode_response(finish(request))
    assert dialect.outcome(answer).video
    return json.dumps(answer, allow_nan=False) + repr(request)


@QUICK
@given(body=BODIES, sound=st.none() | SOUND, key=KEYS, spoken=SPOKEN)
def test_any_body_is_answered_or_refused_without_the_key(
    finish: Callable[..., GenerationResult],
    body: dict[str, Any],
    sound: dict[str, str] | None,
    key: str,
    spoken: str | None,
) -> None:
    named = {"endpoint": spoken} if spoken else {}
    said = said_back({**body, **(sound or {}), **named, key: SECRET}, finish)
    assert SECRET not in said


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("deep", [nested(100_000), "[" * 100_000], ids=["list", "text"])
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_nesting_deeper_than_python_prints_is_refused(
    dialect: Dialect, deep: object, finish: Callable[..., GenerationResult]
) -> None:
    for name in (*sorted(KNOWN), "openai_input"):
        with suppress(RequestError):
            dialect.encode_response(finish(dialect.decode_request({"prompt": "a", name: deep})))
    for name in ("endpoint", "openai_route", "openai_input"):
        with suppress(RequestError):
            detect({name: deep})
