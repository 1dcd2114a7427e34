"""What keys have used, for whoever pays and for whoever bills: a span of time, and rows of sums."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta

from .accounts import Account
from .refusals import BadRequest
from .store import Keys, Usage
from .store.standing import month_of
from .store.usage import Used

MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
#: Years that every calendar, and every database, has.
YEARS = range(1970, 9999)


@dataclass(frozen=True, kw_only=True)
class Span:
    """From the beginning of one moment to before another, in Unix seconds."""

    since: float
    until: float

    @classmethod
    def read(cls, *, month: str | None, first: str | None, last: str | None, now: float) -> Span:
        """A month as YYYY-MM, or days as YYYY-MM-DD, the last one included; else this month.

        All of them are UTC's. Raises BadRequest.
        """
        if month and (first or last):
            raise BadRequest("month must not stand beside from and to", param="month")
        if month:
            return cls._of_month(month)
        since, until = month_of(now)
        if first:
            since = _day(first, "from")
        if last:
            until = _day(last, "to") + timedelta(days=1).total_seconds()
        if since >= until:
            raise BadRequest("from must not come after to", param="from")
        return cls(since=since, until=until)

    @classmethod
    def _of_month(cls, month: str) -> Span:
        found = MONTH.fullmatch(month)
        if not found or int(found[1]) not in YEARS:
            raise BadRequest("month must be like 2026-11", param="month")
        since, until = month_of(datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC).timestamp())
        return cls(since=since, until=until)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One key's line of a bill."""

    #: What the operator calls the key; None for a key of the platform that was passed through.
    key: str | None
    #: `Account.id`.
    owner: str
    calls: int
    completed: int
    video_seconds: float
    gpu_seconds: float


class Billing:
    """Reads usage for one account, or for all."""

    def __init__(self, usage: Usage, keys: Keys) -> None:
        """Nothing is asked yet."""
        self._usage = usage
        self._keys = keys

    async def of(self, account: Account, span: Span) -> Sequence[Line]:
        """One account's line, also where it has used nothing."""
        found = await self._usage.of(since=span.since, until=span.until, owner=account.id)
        used = found[0] if found else Used(owner=account.id)
        return [_line(used, account.name)]

    async def of_all(self, span: Span) -> Sequence[Line]:
        """A line for each key that has used something, and for each other that still opens."""
        keys = await self._keys.all()
        names = {key.id: key.name for key in keys}
        found = {
            used.owner: used for used in await self._usage.of(since=span.since, until=span.until)
        }
        idle = (key.id for key in keys if key.revoked_at is None and key.id not in found)
        every = [*found.values(), *(Used(owner=owner) for owner in idle)]
        lines = [_line(used, names.get(used.owner)) for used in every]
        return sorted(lines, key=lambda line: (line.key or "", line.owner))


def as_csv(lines: Sequence[Line], span: Span) -> str:
    """Lines as a spreadsheet takes them, with the span in each."""
    text = io.StringIO()
    names = ("key", "owner", "from", "to", "calls", "completed", "video_seconds", "gpu_seconds")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    days = {"from": day_of(span.since), "to": day_of(span.until - 1)}
    for line in lines:
        writer.writerow({**asdict(line), "key": _cell(line.key or ""), **days})
    return text.getvalue()


def day_of(moment: float) -> str:
    """The day (UTC) as YYYY-MM-DD."""
    return datetime.fromtimestamp(moment, UTC).date().isoformat()


def _line(used: Used, name: str | None) -> Line:
    return Line(
        key=name,
        owner=used.owner,
        calls=used.calls,
        completed=used.completed,
        video_seconds=round(used.video_seconds, 3),
        gpu_seconds=round(used.gpu_seconds, 3),
    )


def _day(text: str, field: str) -> float:
    try:
        day = date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or day.year not in YEARS:
        raise BadRequest(f"{field} must be a day like 2026-11-21", param=field)
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _cell(text: str) -> str:
    """Spreadsheets compute what begins so."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
