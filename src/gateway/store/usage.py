"""What each key has used: one row a call, which stays when its video is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select, update

from ..video import State, Video
from .database import Database
from .tables import usage
from .transaction import Transaction


@dataclass(frozen=True, kw_only=True)
class Used:
    """The sum over some calls."""

    owner: str
    calls: int = 0
    completed: int = 0
    video_seconds: float = 0.0
    gpu_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Total:
    """The sum over all calls of an API that came to one state."""

    api: str
    state: str
    calls: int
    video_seconds: float
    gpu_seconds: float


class Usage:
    """Every call that made, or should have made, a video."""

    def __init__(self, database: Database) -> None:
        """Nothing is asked of the database yet."""
        self._database = database

    async def begin(self, transaction: Transaction, video: Video) -> None:
        """Count a call that the endpoint has taken, in the transaction that says so."""
        row = {
            "video_id": video.id,
            "owner": video.owner,
            "api": video.api,
            "model": video.model,
            "state": video.state,
            "video_seconds": 0.0,
            "gpu_seconds": 0.0,
            "created_at": video.created_at,
        }
        await transaction.execute(insert(usage).values(**row))

    async def end(self, transaction: Transaction, video: Video) -> None:
        """Write what came of a video that is over; what was made counts, and what it took.

        Nothing of one that is open still.
        """
        if video.is_open:
            return
        made = video.state is State.COMPLETED
        values = {
            "state": video.state,
            "model": video.model,
            "video_seconds": (video.seconds or 0.0) if made else 0.0,
            "gpu_seconds": video.gpu_seconds or 0.0,
        }
        query = update(usage).where(usage.c.video_id == video.id).values(**values)
        await transaction.execute(query)

    async def of(self, *, since: float, until: float, owner: str | None = None) -> Sequence[Used]:
        """The sums of one owner or of each, over calls that came from `since` to before `until`."""
        done = func.count().filter(usage.c.state == State.COMPLETED)
        query = (
            select(
                usage.c.owner,
                func.count().label("calls"),
                done.label("completed"),
                func.coalesce(func.sum(usage.c.video_seconds), 0.0).label("video_seconds"),
                func.coalesce(func.sum(usage.c.gpu_seconds), 0.0).label("gpu_seconds"),
            )
            .where(usage.c.created_at >= since, usage.c.created_at < until)
            .group_by(usage.c.owner)
            .order_by(usage.c.owner)
        )
        if owner is not None:
            query = query.where(usage.c.owner == owner)
        async with self._database.begin(reads=True) as transaction:
            return [Used(**row) for row in (await transaction.execute(query)).mappings()]

    async def totals(self) -> Sequence[Total]:
        """The sums over every call that there ever was."""
        query = select(
            usage.c.api,
            usage.c.state,
            func.count().label("calls"),
            func.sum(usage.c.video_seconds).label("video_seconds"),
            func.sum(usage.c.gpu_seconds).label("gpu_seconds"),
        ).group_by(usage.c.api, usage.c.state)
        async with self._database.begin(reads=True) as transaction:
            return [Total(**row) for row in (await transaction.execute(query)).mappings()]
