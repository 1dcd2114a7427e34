"""Where the time of a job goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from .generation import Timings

T = TypeVar("T")


@dataclass
class Stopwatch:
    """Seconds by account, and since the start."""

    started: float = field(default_factory=time.monotonic)
    accounts: dict[str, float] = field(default_factory=dict)

    def add(self, account: str, seconds: float) -> None:
        """Put seconds on an account."""
        self.accounts[account] = self.seconds(account) + seconds

    def seconds(self, account: str) -> float:
        """What an account holds."""
        return self.accounts.get(account, 0.0)

    def total(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def timings(self) -> Timings:
        """Every account."""
        return Timings(**self.accounts)

    @contextmanager
    def measure(self, account: str) -> Iterator[None]:
        """Put the time of a block on an account."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.add(account, time.monotonic() - started)

    def measured(self, items: Iterator[T], account: str) -> Iterator[T]:
        """Put the time that an iterator takes on an account."""
        while True:
            with self.measure(account):
                item = next(items, None)
            if item is None:
                return
            yield item
