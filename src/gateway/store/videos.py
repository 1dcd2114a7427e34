"""Videos in SQL: one row each, with what was asked and, where no bucket has them, their bytes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from ..video import OPEN, Api, Failure, State, Video
from .database import Database
from .standing import Standing, lock_owner, standing_of
from .tables import contents, requests, videos
from .transaction import Transaction

Order = Literal["asc", "desc"]
#: What is written together with a change of a video, or not at all.
Also = Callable[[Transaction, Video], Awaitable[None]]

#: Seconds: a day in the platform's queue, and a week, which is the most that a job may take.
LONGEST_JOB = 8 * 24 * 3600.0
#: Seconds by which the clocks of gateways may differ.
SKEW = 60.0

ID = re.compile(r"[0-9a-f]{32}")
_FIELDS = tuple(item.name for item in fields(Video))


@dataclass(frozen=True, kw_only=True)
class Content:
    """Some bytes, and what they are."""

    content_type: str
    data: bytes


class Videos:
    """Every video of every caller."""

    def __init__(self, database: Database) -> None:
        """Nothing is asked of the database yet."""
        self._database = database

    async def add(
        self,
        video: Video,
        body: Mapping[str, Any],
        *,
        number: int,
        admit: Callable[[Standing], None] | None = None,
        by_month: bool = True,
    ) -> Video:
        """Keep a video and its request, and give it back.

        Where its owner has given its idempotency key before, the video of that time is given.
        `admit` raises for an owner who has had too much (of this month too, with `by_month`): then
        nothing is kept. Of several calls at once, also by way of several gateways, each is counted
        for the next.
        """
        try:
            async with self._database.begin() as transaction:
                if admit:
                    await lock_owner(transaction, video.owner, is_sqlite=self._database.is_sqlite)
                await transaction.execute(insert(videos).values(**_row(video), number=number))
                if admit:
                    admit(
                        await standing_of(
                            transaction,
                            video.owner,
                            now=video.created_at,
                            besides=video.id,
                            by_month=by_month,
                        )
                    )
                await transaction.execute(insert(requests).values(video_id=video.id, body=body))
        except IntegrityError:
            earlier = await self._first(
                videos.c.owner == video.owner, videos.c.idempotency_key == video.idempotency_key
            )
            if video.idempotency_key is None or earlier is None:
                raise
            return earlier
        return video

    async def find(self, video_id: str) -> Video | None:
        """The video of this id, whosever it is; none for what can be no id."""
        if not ID.fullmatch(video_id):
            return None
        return await self._first(videos.c.id == video_id)

    async def find_number(self, number: int) -> Video | None:
        """The video that ModelsLab's clients know by this number; none for what can be none."""
        if not 0 <= number < 2**63:
            return None
        return await self._first(videos.c.number == number)

    async def page(
        self, owner: str, api: Api, *, after: Video | None, limit: int | None, order: Order
    ) -> tuple[Sequence[Video], bool]:
        """Some videos of one owner by the time that they came, and whether there are more."""
        newest_first = order == "desc"
        place = (videos.c.created_at, videos.c.id)
        query = select(videos).where(videos.c.owner == owner, videos.c.api == api)
        if after:
            query = query.where(_beyond(after, newest_first=newest_first))
        query = query.order_by(*(item.desc() if newest_first else item.asc() for item in place))
        if limit is not None:
            query = query.limit(limit + 1)
        async with self._database.begin(reads=True) as transaction:
            found = [_video(row) for row in (await transaction.execute(query)).mappings()]
        return found[:limit], limit is not None and len(found) > limit

    async def change(
        self,
        video_id: str,
        *,
        only_if: frozenset[State] = OPEN,
        content: Content | None = None,
        also: Also | None = None,
        **changes: object,
    ) -> Video | None:
        """Write some fields of a video whose state is one of `only_if`, and give what it is now.

        `content` is its bytes. None where it is in another state, or gone: somebody else was first,
        and nothing is written.
        """
        query = (
            update(videos)
            .where(videos.c.id == video_id, videos.c.state.in_(only_if))
            .values(**_columns(changes))
            .returning(videos)
        )
        async with self._database.begin() as transaction:
            row = (await transaction.execute(query)).mappings().first()
            if row is None:
                return None
            video = _video(row)
            if content:
                await _put(transaction, video_id, "video", content)
            if also:
                await also(transaction, video)
        return video

    async def body(self, video_id: str) -> dict[str, Any] | None:
        """What was asked."""
        query = select(requests.c.body).where(requests.c.video_id == video_id)
        async with self._database.begin(reads=True) as transaction:
            body: dict[str, Any] | None = (await transaction.execute(query)).scalar()
        return body

    async def put(self, video_id: str, variant: str, content: Content) -> None:
        """Keep bytes of a video, in place of earlier ones; nothing for one that went."""
        async with self._database.begin() as transaction:
            there = select(videos.c.id).where(videos.c.id == video_id)
            if (await transaction.execute(there)).first():
                await _put(transaction, video_id, variant, content)

    async def content(self, video_id: str, variant: str = "video") -> Content | None:
        """Bytes of a video, if they are kept here."""
        query = select(contents.c.content_type, contents.c.data).where(
            contents.c.video_id == video_id, contents.c.variant == variant
        )
        async with self._database.begin(reads=True) as transaction:
            row = (await transaction.execute(query)).first()
        return Content(content_type=row.content_type, data=row.data) if row else None

    async def remove(self, video_id: str) -> bool:
        """Forget a video and all that is kept of it; whether it was there."""
        async with self._database.begin() as transaction:
            gone = await transaction.execute(delete(videos).where(videos.c.id == video_id))
        return gone.rowcount > 0

    async def remove_expired(self, now: float) -> int:
        """Forget what nobody may ask for any more, and count it.

        Open ones stay until nothing can become of them: those whose owner never came back, so that
        there is no key to ask about them with.
        """
        is_over = or_(videos.c.state.not_in(OPEN), videos.c.expires_at < now - LONGEST_JOB)
        query = delete(videos).where(videos.c.expires_at < now, is_over)
        async with self._database.begin() as transaction:
            return (await transaction.execute(query)).rowcount

    async def count_open(self, owner: str) -> int:
        """How many of an owner's videos are under way."""
        query = select(func.count()).where(videos.c.owner == owner, videos.c.state.in_(OPEN))
        async with self._database.begin(reads=True) as transaction:
            return int((await transaction.execute(query)).scalar_one())

    async def count_by_state(self) -> Sequence[tuple[str, str, int]]:
        """How many videos are kept, by API and state."""
        query = select(videos.c.api, videos.c.state, func.count()).group_by(
            videos.c.api, videos.c.state
        )
        async with self._database.begin(reads=True) as transaction:
            return [(api, state, count) for api, state, count in await transaction.execute(query)]

    async def take_stale(self, *, now: float, age: float, most: int) -> Sequence[Video]:
        """Open videos that nobody has looked at for `age` seconds, marked as looked at now.

        Of several gateways that ask at once, each gets others.
        """
        # In the future: a clock went back. Those of several gateways differ by less.
        is_due = or_(videos.c.looked_at < now - age, videos.c.looked_at > now + age + SKEW)
        stale = and_(videos.c.state.in_(OPEN), is_due)
        oldest = select(videos.c.id).where(stale).order_by(videos.c.looked_at).limit(most)
        if not self._database.is_sqlite:
            oldest = oldest.with_for_update(skip_locked=True)
        async with self._database.begin() as transaction:
            # In two steps: within one UPDATE, PostgreSQL may ask for the oldest again and again,
            # and passes over those that it has locked by then, so that more are taken than `most`.
            found = (await transaction.execute(oldest)).scalars().all()
            query = update(videos).where(videos.c.id.in_(found)).values(looked_at=now)
            rows = (await transaction.execute(query.returning(videos))).mappings()
            return [_video(row) for row in rows]

    async def _first(self, *conditions: ColumnElement[bool]) -> Video | None:
        async with self._database.begin(reads=True) as transaction:
            row = (await transaction.execute(select(videos).where(*conditions))).mappings().first()
        return _video(row) if row else None


def _beyond(after: Video, *, newest_first: bool) -> ColumnElement[bool]:
    time, name = videos.c.created_at, videos.c.id
    if newest_first:
        return or_(time < after.created_at, and_(time == after.created_at, name < after.id))
    return or_(time > after.created_at, and_(time == after.created_at, name > after.id))


async def _put(transaction: Transaction, video_id: str, variant: str, content: Content) -> None:
    place = (contents.c.video_id == video_id, contents.c.variant == variant)
    await transaction.execute(delete(contents).where(*place))
    await transaction.execute(
        insert(contents).values(video_id=video_id, variant=variant, **asdict(content))
    )


def _row(video: Video) -> dict[str, Any]:
    return _columns({name: getattr(video, name) for name in _FIELDS})


def _columns(changes: Mapping[str, object]) -> dict[str, Any]:
    """Field values as the table has them."""
    return {
        name: asdict(value) if isinstance(value, Failure) else value
        for name, value in changes.items()
    }


def _video(row: RowMapping) -> Video:
    values = {name: row[name] for name in _FIELDS}
    failure = values["failure"]
    return Video(
        **{
            **values,
            "api": Api(values["api"]),
            "state": State(values["state"]),
            "failure": Failure(**failure) if failure else None,
        }
    )
