"""What every dialect does with a body's fields before and beside its wire model: empty ones are
not said, and nothing that is said is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import shown
from .values import truth

#: What `request_id` is for, in every dialect.
REQUEST_ID = (
    "Your own name of this request: jobs of one `request_id` and one body make one video, and "
    "whoever comes later is given what is there already."
)
#: One warning each for so many unknown fields; the others share one.
WARNED_EACH = 20


def given(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller said, without the API key, nulls and empty strings; names trimmed."""
    said: dict[str, Any] = {}
    for spelt, value in sorted(payload.items(), key=_is_padded):
        name = spelt.strip()
        if not is_empty(value) and name.casefold() != "key":
            said[spelt if name in said else name] = value
    return said


def is_empty(value: object) -> bool:
    """Whether a value is the same as not saying its field."""
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _is_padded(item: tuple[str, Any]) -> bool:
    return item[0] != item[0].strip()


def unknown(said: Collection[str], known: Collection[str], under: str = "") -> Iterator[str]:
    """A warning for each field that a dialect has not, some at the end sharing one.

    `under` is what stands before their names, such as "params.".
    """
    names = [name for name in said if name not in known]
    yield from (f"{under}{_label(name)}: unknown field, ignored" for name in names[:WARNED_EACH])
    if names[WARNED_EACH:]:
        kind = f"{under[:-1]}: " if under else ""
        yield f"{kind}{len(names[WARNED_EACH:])} more unknown fields, ignored"


def asks(value: object) -> bool:
    """Whether a field of no use was meant to do something."""
    try:
        return truth(value)
    except ValueError:
        return True


def _label(name: str) -> str:
    return name if name.isprintable() and 0 < len(name) <= 60 else shown(name)
