"""Who calls, and with which of the platform's keys their videos are made."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from .refusals import Unauthorized
from .store.keys import Allowance, Keys, hash_of
from .video import Video

#: Callers whose keys are remembered while the process lasts, to look after their videos.
MOST_REMEMBERED = 10_000

#: What may stand in a header behind the word Bearer.
KEY = re.compile(r"[\x21-\x7e]{1,500}")

EVERYONE = "everyone"
NO_LIMIT = Allowance()


@dataclass(frozen=True, kw_only=True)
class Account:
    """One caller."""

    #: Whose the videos are: the id of an operator's key, or the hash of a passed-through one.
    id: str
    #: What bills call it; None for passed-through keys, which have no name.
    name: str | None = None
    allowance: Allowance = NO_LIMIT
    #: For the endpoint.
    platform_key: str = field(repr=False)

    @property
    def has_a_month(self) -> bool:
        """Whether there is a limit to what it may use in a month."""
        return self.allowance != Allowance()


class Accounts:
    """Knows callers by what they show.

    With the operator's own platform key, callers need one of the operator's keys; without it they
    show a key of the platform, which is passed through, remembered in memory once the platform has
    taken it, and never written.
    """

    def __init__(self, keys: Keys, *, platform_key: str | None, open_to_all: bool = False) -> None:
        """`open_to_all` takes whoever comes, at the platform key's cost."""
        if open_to_all and not platform_key:
            raise ValueError("GATEWAY_OPEN_TO_ALL needs GATEWAY_RUNPOD_API_KEY")
        self._keys = keys
        self._platform_key = platform_key
        self._open_to_all = open_to_all
        if platform_key is not None and not KEY.fullmatch(platform_key):
            raise ValueError("GATEWAY_RUNPOD_API_KEY must be of 1 to 500 ASCII signs, no spaces")
        #: Of owners whose key the platform has taken: anybody can make up ten thousand others.
        self._proven: OrderedDict[str, str] = OrderedDict()

    async def of(self, secret: str | None) -> Account:
        """Whoever shows this key. Raises Unauthorized."""
        if self._platform_key is None:
            return self._passed_through(secret)
        if self._open_to_all:
            return Account(id=EVERYONE, name=EVERYONE, platform_key=self._platform_key)
        key = await self._keys.find(secret) if secret else None
        if key is None:
            raise Unauthorized("Invalid API key" if secret else "An API key is required")
        return Account(
            id=key.id, name=key.name, allowance=key.allowance, platform_key=self._platform_key
        )

    def platform_key(self, owner: str) -> str | None:
        """The key that an owner's jobs are asked about with; None until they call again."""
        return self._platform_key or self._proven.get(owner)

    def is_proven(self, account: Account) -> bool:
        """Whether the platform is known to take this caller's key."""
        return self.platform_key(account.id) is not None

    def remember(self, account: Account) -> None:
        """Keep a passed-through key in memory: the platform has taken it."""
        if self._platform_key is not None:
            return
        self._proven[account.id] = account.platform_key
        self._proven.move_to_end(account.id)
        if len(self._proven) > MOST_REMEMBERED:
            self._proven.popitem(last=False)

    def remember_owner(self, account: Account, videos: Iterable[Video]) -> None:
        """The same for whoever has a video that became a job, here or before a restart."""
        if any(video.owner == account.id and video.job_id for video in videos):
            self.remember(account)

    def _passed_through(self, secret: str | None) -> Account:
        if not secret:
            raise Unauthorized("A key of the platform is required")
        if not KEY.fullmatch(secret):
            raise Unauthorized("Invalid API key")
        return Account(id=hash_of(secret), platform_key=secret)
