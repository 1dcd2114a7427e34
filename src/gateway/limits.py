"""How much one caller may have: at once, in a minute, in a month."""

from __future__ import annotations

from collections.abc import Iterator

from .accounts import Account
from .refusals import LimitReached, TooMany
from .settings import GatewaySettings
from .store import Standing

#: Seconds after which a caller with too many videos under way may find one of them done.
COME_BACK = 5.0


class Limits:
    """Admits calls, by the figures that the database has: gateways that share it agree."""

    def __init__(self, *, max_open: int, max_per_minute: int) -> None:
        """Videos under way, and calls for one in any sixty seconds, of one key."""
        self._max_open = max_open
        self._max_per_minute = max_per_minute

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> Limits:
        """The operator's."""
        return cls(max_open=settings.max_open, max_per_minute=settings.max_per_minute)

    def admit(self, account: Account, standing: Standing) -> None:
        """Whether one more call is taken, after what `standing` says.

        Raises LimitReached for the month of an operator's key, and TooMany. What calls under way
        will have used is not known before they end: a month may end that much above its limit.
        """
        for name, used, most in _month(account, standing):
            if used >= most:
                raise LimitReached(
                    f"this key has used {used:g} of {most:g} {name} of this calendar month (UTC)"
                )
        if standing.open >= self._max_open:
            raise TooMany(
                f"at most {self._max_open} videos of one key may be under way at once, and so "
                "many are",
                retry_after=COME_BACK,
            )
        if standing.in_minute >= self._max_per_minute:
            raise TooMany(
                f"at most {self._max_per_minute} videos may be asked for in a minute with one key",
                retry_after=max(standing.minute_left, 1.0),
            )


def _month(account: Account, standing: Standing) -> Iterator[tuple[str, float, float]]:
    """Each limit of a key's month: what it is of, what was used, and how much there is."""
    allowed = account.allowance
    for name, used, most in (
        ("calls", standing.calls, allowed.calls),
        ("seconds of video", standing.video_seconds, allowed.video_seconds),
        ("GPU seconds", standing.gpu_seconds, allowed.gpu_seconds),
    ):
        if most is not None:
            yield name, used, most
