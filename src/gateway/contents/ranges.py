"""The Range header of RFC 9110, as far as players and download tools use it: one range of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..refusals import NotInRange

_ONE_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Span:
    """Bytes from `start` to before `stop`."""

    start: int
    stop: int


def is_one_range(wanted: str | None) -> bool:
    """Whether a header asks for one range of bytes; anything else is answered with the whole."""
    found = _ONE_RANGE.fullmatch(wanted) if wanted else None
    return found is not None and found[0].strip() != "bytes=-"


def span_of(wanted: str | None, size: int) -> Span | None:
    """The part of `size` bytes that a header asks for; None for the whole. Raises NotInRange.

    >>> span_of("bytes=-2", 10), span_of("bytes=4-", 10), span_of("lines=1-2", 10)
    (Span(start=8, stop=10), Span(start=4, stop=10), None)
    """
    found = _ONE_RANGE.fullmatch(wanted) if wanted and is_one_range(wanted) else None
    if found is None:
        return None
    first, last = found[1], found[2]
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
    if first and last and int(last) < int(first):
        return None  # RFC 9110: such a header is as none
    if start >= stop:
        raise NotInRange(f"the range begins behind the end of {size} bytes")
    return Span(start=start, stop=stop)
