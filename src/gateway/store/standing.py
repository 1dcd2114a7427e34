"""How an owner stands against their limits, counted in the transaction that adds a video."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, select, text

from ..video import OPEN, State
from .tables import usage, videos
from .transaction import Transaction

MINUTE = 60.0
#: Of PostgreSQL's advisory locks: beside it stands the hash of an owner.
OWNER_LOCK = 1_464_621_395


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What an owner has had, without the video that is asked for now."""

    #: Videos under way.
    open: int = 0
    #: Calls of the last minute, and in how many seconds the first of them is over a minute old.
    in_minute: int = 0
    minute_left: float = 0.0
    #: Of this calendar month (UTC): calls, seconds of video, seconds of a GPU.
    calls: int = 0
    video_seconds: float = 0.0
    gpu_seconds: float = 0.0


def month_of(moment: float) -> tuple[float, float]:
    """When the calendar month (UTC) of a moment begins, and when the next one does."""
    year, month, *_ = time.gmtime(moment)
    following = (year + month // 12, month % 12 + 1)
    return _first_day(year, month), _first_day(*following)


async def lock_owner(transaction: Transaction, owner: str, *, is_sqlite: bool) -> None:
    """Have whoever else adds a video for this owner wait until this transaction is over.

    SQLite lets one write at a time as it is.
    """
    if not is_sqlite:
        lock = text("SELECT pg_advisory_xact_lock(:class, hashtext(:owner))")
        await transaction.execute(lock, {"class": OWNER_LOCK, "owner": owner})


async def standing_of(
    transaction: Transaction, owner: str, *, now: float, besides: str, by_month: bool
) -> Standing:
    """Count; `besides` is the id of the video that does not count.

    Without `by_month` the month's figures are 0: who has made 100 000 calls in it waits for them.

    A call has its row of usage from when the endpoint has taken it, in the transaction that ends
    its being new; the row stays when the video is deleted.
    """
    month = month_of(now)[0] if by_month else now + MINUTE
    under_way = (await transaction.execute(_under_way(owner, now, month, besides))).one()
    taken = (await transaction.execute(_taken(owner, now, month))).one()
    first = min(
        (item.first for item in (under_way, taken) if item.first is not None),
        default=now - MINUTE,
    )
    return Standing(
        open=under_way.open,
        in_minute=under_way.in_minute + taken.in_minute,
        minute_left=first + MINUTE - now,
        calls=under_way.calls + taken.calls,
        video_seconds=taken.video_seconds,
        gpu_seconds=taken.gpu_seconds,
    )


def _under_way(owner: str, now: float, month: float, besides: str) -> Select[*tuple[Any, ...]]:
    """Open videos, and of the new ones those of the minute and of the month."""
    is_new = videos.c.state == State.NEW
    in_minute = and_(is_new, videos.c.created_at >= now - MINUTE)
    in_month = and_(is_new, videos.c.created_at >= month)
    return select(
        func.count().label("open"),
        func.count().filter(in_minute).label("in_minute"),
        func.min(videos.c.created_at).filter(in_minute).label("first"),
        func.count().filter(in_month).label("calls"),
    ).where(videos.c.owner == owner, videos.c.id != besides, videos.c.state.in_(OPEN))


def _taken(owner: str, now: float, month: float) -> Select[*tuple[Any, ...]]:
    """What was taken in the minute, and in the month with what it used."""
    in_minute, in_month = usage.c.created_at >= now - MINUTE, usage.c.created_at >= month
    sums = [
        func.coalesce(func.sum(column).filter(in_month), 0.0).label(column.name)
        for column in (usage.c.video_seconds, usage.c.gpu_seconds)
    ]
    return select(
        func.count().filter(in_minute).label("in_minute"),
        func.min(usage.c.created_at).filter(in_minute).label("first"),
        func.count().filter(in_month).label("calls"),
        *sums,
    ).where(usage.c.owner == owner, usage.c.created_at >= min(month, now - MINUTE))


def _first_day(year: int, month: int) -> float:
    return float(calendar.timegm((year, month, 1, 0, 0, 0)))
