"""The platform's limits and patience, each of which a test may change."""

from __future__ import annotations

from dataclasses import dataclass

MB = 1_000_000
HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the platform's documentation says where it says something; times in seconds.

    It says MB without saying which; these are the smaller ones, so that what passes here passes
    there too.
    """

    #: How long a poll for jobs or stop signals stays open when there is nothing to say. The
    #: platform's own are longer; the SDK asks again at once, and ends only between two polls.
    poll: float = 0.5
    #: Largest request and largest result, in bytes, of a job from /run.
    run_bytes: int = 10 * MB
    #: The same for /runsync.
    runsync_bytes: int = 20 * MB
    #: Largest chunk of a stream, in bytes.
    chunk_bytes: int = MB
    #: How long /runsync waits when its caller does not say, and the least and most it may say.
    sync_wait: float = 90.0
    sync_wait_range: tuple[float, float] = (1.0, 300.0)
    #: How long a job may run, and how long it may exist, where its policy does not say.
    execution_timeout: float = 600.0
    ttl: float = 24 * HOUR
    #: How long a finished job can be asked for.
    keep_run: float = 0.5 * HOUR
    keep_runsync: float = 60.0
    #: Silence of a worker's heartbeat after which its jobs are handed out again; None for never.
    lost_after: float | None = None
    #: Times that a webhook is tried, the pause between two, and how long each may take.
    webhook_tries: int = 3
    webhook_pause: float = 10.0
    webhook_timeout: float = 10.0
    #: The one key that callers may use; None for any key that is not empty.
    api_key: str | None = None
    #: How often deadlines are looked at.
    tick: float = 0.05
