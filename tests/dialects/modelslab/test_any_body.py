"""Whatever JSON comes in: an answer or a refusal, and never the caller's key."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.dialects import DEFAULT, detect
from src.dialects.modelslab.request import KNOWN
from src.errors import RequestError
from src.generation import GenerationResult

SECRET = "sk-live-51H8xQ"
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
BODIES = st.dictionaries(NAMES, ANYTHING | LIKELY, max_size=12)
SOUND = st.fixed_dictionaries({"prompt": st.just("a cat"), "init_video": st.just("https://e.x/a")})
KEYS = st.sampled_from(["key", "key ", " Key", "KEY"])
QUICK = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,  # the same run everywhere; more is for an afternoon with max_examples=20_000
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # `finish` keeps nothing
)


def said_back(payload: dict[str, Any], finish: Callable[..., GenerationResult]) -> str:
    """Everything that leaves the dialect for this body."""
    try:
        request = detect(payload).decode_request(payload)
    except RequestError as error:
        return json.dumps(DEFAULT.encode_error(error), allow_nan=False)
    answer = DEFAULT.encode_response(finish(request))
    return json.dumps(answer, allow_nan=False) + repr(request)


@QUICK
@given(body=BODIES, sound=st.none() | SOUND, key=KEYS)
def test_any_body_is_answered_or_refused_without_the_key(
    finish: Callable[..., GenerationResult],
    body: dict[str, Any],
    sound: dict[str, str] | None,
    key: str,
) -> None:
    said = said_back({**body, **(sound or {}), key: SECRET}, finish)
    assert SECRET not in said


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_deeper_than_python_prints_is_refused(
    finish: Callable[..., GenerationResult],
) -> None:
    for name in (*sorted(KNOWN), "endpoint"):
        said_back({name: nested(100_000)}, finish)
