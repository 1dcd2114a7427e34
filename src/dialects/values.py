"""The values that JSON bodies carry, as types that understand how clients really write them.

"16", " 7.5 ", 16.0, "yes", "TRUE" and comma lists are understood; NaN, infinity, and true as
a number are not. Knows no field and no public API.
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

#: As far as plain numbers go; Python's own float() would also read "nan", "1_000" and "١٦".
NUMBER = re.compile(
    r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE
)
WORDS_OF_TRUTH = {
    "yes": True, "true": True, "on": True, "1": True,
    "no": False, "false": False, "off": False, "0": False,
}  # fmt: skip


def _number(value: object) -> int | float:
    if isinstance(value, str):
        text = value.strip()
        if not NUMBER.fullmatch(text):
            raise ValueError("no number")
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("no number")  # noqa: TRY004  pydantic takes a TypeError for a bug
    return value


def _whole(value: object) -> int:
    number = _number(value)
    if isinstance(number, float) and not number.is_integer():
        raise ValueError("no whole number")
    return int(number)


def _real(value: object) -> float:
    try:
        return float(_number(value))
    except OverflowError as error:
        raise ValueError("too large") from error


def truth(value: object) -> bool:
    """Read a yes or a no. Raises ValueError."""
    word = value.strip().casefold() if isinstance(value, str) else str(_whole_or_bool(value))
    if word not in WORDS_OF_TRUTH:
        raise ValueError("neither yes nor no")
    return WORDS_OF_TRUTH[word]


def _whole_or_bool(value: object) -> int:
    return int(value) if isinstance(value, bool) else _whole(value)


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _word(value: object) -> object:
    return value.strip().casefold() if isinstance(value, str) else value


def _items(value: object) -> object:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value if isinstance(value, list) else [value]


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _only_one(value: object) -> object:
    if isinstance(value, list) and len(value) == 1:
        return _trimmed(value[0])
    return _trimmed(value)


def _plain_size(value: object) -> object:
    return re.sub(r"\s*x\s*", "x", value.strip().casefold()) if isinstance(value, str) else value


def sides_of(size: str) -> tuple[int, int]:
    """Width and height of a Size.

    >>> sides_of("1280x720")
    (1280, 720)
    """
    width, _, height = size.partition("x")
    return int(width), int(height)


def parsed(text: str) -> Any:  # noqa: ANN401  JSON is anything
    """What a JSON text says. Raises ValueError, also for what is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _object(value: object) -> dict[str, Any]:
    value = parsed(value) if isinstance(value, str) else value
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004  pydantic takes a TypeError for a bug
    return {str(name): item for name, item in value.items()}


def _track(value: object) -> object:
    return value if isinstance(value, str) else _whole(value)


def rule(text: str) -> Any:  # noqa: ANN401  pydantic's FieldInfo, which says so itself
    """Words for a rule that cannot be told from the type's JSON Schema."""
    return Field(json_schema_extra={"rule": text})


#: Before a type of one's own: a whole number, a number, as clients write them.
WHOLE = BeforeValidator(_whole)
REAL = BeforeValidator(_real)

#: Sizes, frames, steps: their ceiling is the model's, in the manifest.
Count = Annotated[int, Field(ge=1), WHOLE]
Fps = Annotated[int, Field(ge=1, le=240), WHOLE]
#: -1 is random, as many clients send it.
Seed = Annotated[int, Field(ge=-1, le=2**63 - 1), WHOLE]
#: Whatever is below 0 is random.
AnySeed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1), WHOLE]
FixedSeed = Annotated[int, Field(ge=0, le=2**63 - 1), WHOLE]
#: 0 and 1 skip nothing; CLIP's text encoder has 12 layers.
ClipSkip = Annotated[int, Field(ge=0, le=12), WHOLE]
MotionBucket = Annotated[int, Field(ge=0, le=1023), WHOLE]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), REAL]
Guidance = Annotated[float, Field(ge=0, allow_inf_nan=False), REAL]
Shift = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False), REAL]
#: How much of an adapter is mixed in; some are made to be subtracted.
Scale = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False), REAL]
#: Four doublings of 8 fps are 128; more is a mistake.
InterpolationExp = Annotated[int, Field(ge=1, le=4), WHOLE]
InterpolationScale = Annotated[float, Field(gt=0, le=4, allow_inf_nan=False), REAL]
#: A clip's length; how many frames that are is for the model's limits.
Duration = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False), REAL]
Flag = Annotated[bool, BeforeValidator(truth)]

#: Longer than any text encoder reads; a text of megabytes is a mistake, or meant badly.
Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_trimmed)]
Names = Annotated[
    tuple[Name, ...],
    Field(min_length=1, max_length=32),
    BeforeValidator(_items),
    rule("must be names of at most 200 characters, as a comma list or an array of at most 32"),
]
Scales = Annotated[
    tuple[Scale, ...],
    Field(min_length=1, max_length=32),
    BeforeValidator(_items),
    rule("must be numbers from -10 to 10, as a comma list or an array of at most 32"),
]
Media = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_only_one),
    rule("must be one URL, data URI or base64 string (alone, or in an array of exactly one)"),
]
MediaList = Annotated[
    tuple[Media, ...],
    Field(min_length=1, max_length=32),
    BeforeValidator(_listed),
    rule("must be a URL, data URI or base64 string, or an array of at most 32 of them"),
]
Size = Annotated[
    str,
    Field(pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$"),
    BeforeValidator(_plain_size),
    rule('must be WIDTHxHEIGHT in pixels, such as "1280x720"'),
]
JsonObject = Annotated[
    dict[str, Any], BeforeValidator(_object), rule("must be a JSON object, or its text")
]
#: Names a request across jobs; `src.job` has it name the result's file.
RequestId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"),
    BeforeValidator(_trimmed),
    rule(
        "must be a string of at most 128 letters, digits, dots, hyphens and underscores that "
        "begins with a letter or digit"
    ),
]
HttpUrl = Annotated[
    str,
    Field(max_length=2048, pattern=r"^(?i:https?)://[^\s/?#]\S*$"),
    BeforeValidator(_trimmed),
    rule("must be an http or https URL of at most 2048 characters"),
]
TrackId = Annotated[
    Annotated[str, Field(max_length=1000)] | int,
    BeforeValidator(_track),
    rule("must be a string of at most 1000 characters, or a whole number"),
]
Format = Annotated[Literal["mp4", "gif", "base64"], BeforeValidator(_word)]
Interpolation = Annotated[Literal["lerp", "slerp"], BeforeValidator(_word)]
