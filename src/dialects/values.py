"""The values that JSON bodies carry, as types that understand how clients really write them.

"16", " 7.5 ", 16.0, "yes", "TRUE" and comma lists are understood; NaN, infinity, and true as
a number are not. Knows no field and no public API.
"""

import re
from typing import Annotated, Literal

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


def _track(value: object) -> object:
    return value if isinstance(value, str) else _whole(value)


def _rule(text: str) -> object:
    """Words for a rule that cannot be told from the type's JSON Schema."""
    return Field(json_schema_extra={"rule": text})


_WHOLE = BeforeValidator(_whole)
_REAL = BeforeValidator(_real)

#: Sizes, frames, steps: their ceiling is the model's, in the manifest.
Count = Annotated[int, Field(ge=1), _WHOLE]
Fps = Annotated[int, Field(ge=1, le=240), _WHOLE]
#: -1 is random, as many clients send it.
Seed = Annotated[int, Field(ge=-1, le=2**63 - 1), _WHOLE]
FixedSeed = Annotated[int, Field(ge=0, le=2**63 - 1), _WHOLE]
#: 0 and 1 skip nothing; CLIP's text encoder has 12 layers.
ClipSkip = Annotated[int, Field(ge=0, le=12), _WHOLE]
MotionBucket = Annotated[int, Field(ge=0, le=1023), _WHOLE]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), _REAL]
Guidance = Annotated[float, Field(ge=0, allow_inf_nan=False), _REAL]
Shift = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False), _REAL]
#: How much of an adapter is mixed in; some are made to be subtracted.
Scale = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False), _REAL]
#: Four doublings of 8 fps are 128; more is a mistake.
InterpolationExp = Annotated[int, Field(ge=1, le=4), _WHOLE]
InterpolationScale = Annotated[float, Field(gt=0, le=4, allow_inf_nan=False), _REAL]
Flag = Annotated[bool, BeforeValidator(truth)]

#: Longer than any text encoder reads; a text of megabytes is a mistake, or meant badly.
Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_trimmed)]
Names = Annotated[
    tuple[Name, ...],
    Field(min_length=1, max_length=32),
    BeforeValidator(_items),
    _rule("must be names of at most 200 characters, as a comma list or an array of at most 32"),
]
Scales = Annotated[
    tuple[Scale, ...],
    Field(min_length=1, max_length=32),
    BeforeValidator(_items),
    _rule("must be numbers from -10 to 10, as a comma list or an array of at most 32"),
]
Media = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_only_one),
    _rule("must be one URL, data URI or base64 string (alone, or in an array of exactly one)"),
]
MediaList = Annotated[
    tuple[Media, ...],
    Field(min_length=1, max_length=32),
    BeforeValidator(_listed),
    _rule("must be a URL, data URI or base64 string, or an array of at most 32 of them"),
]
HttpUrl = Annotated[
    str,
    Field(max_length=2048, pattern=r"^(?i:https?)://[^\s/?#]\S*$"),
    BeforeValidator(_trimmed),
    _rule("must be an http or https URL of at most 2048 characters"),
]
TrackId = Annotated[
    Annotated[str, Field(max_length=1000)] | int,
    BeforeValidator(_track),
    _rule("must be a string of at most 1000 characters, or a whole number"),
]
Format = Annotated[Literal["mp4", "gif", "base64"], BeforeValidator(_word)]
Interpolation = Annotated[Literal["lerp", "slerp"], BeforeValidator(_word)]
