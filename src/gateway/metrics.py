"""What Prometheus reads: requests as this process saw them, videos as the database has them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .store import Usage, Videos
from .store.usage import Total
from .video import OPEN

CONTENT_TYPE = CONTENT_TYPE_LATEST
#: Seconds; ModelsLab's calls wait for half a minute, and LocalAI's for a whole video.
BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
#: Labels are few whatever callers send: another method is one label, an unknown path is another.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
#: Of `Total`: what each sum is of, and what is said of it.
SUMS = {
    "calls": "Calls for a video that the endpoint ever took.",
    "video_seconds": "Seconds of video ever made.",
    "gpu_seconds": "Seconds that workers ever had jobs.",
}
#: Seconds for which sums over every call are not made again.
FRESH = 30.0


class Metrics:
    """One a gateway. What it says of videos is the same in every gateway of one database."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "gateway_requests",
            "Requests answered by this process.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "gateway_request_seconds",
            "How long they took until the last byte.",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._kept: Sequence[tuple[str, str, int]] = ()
        self._totals: Sequence[Total] = ()
        self._summed_at = -FRESH
        self.registry.register(self)

    def watch(self, app: FastAPI) -> None:
        """Count every request of an application."""
        app.add_middleware(_Counting, metrics=self)

    def count(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered; `route` is a template, such as /v1/videos/{video_id}."""
        method = method if method in METHODS else OTHER
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    async def read(self, videos: Videos, usage: Usage) -> bytes:
        """Everything, in Prometheus' text format. Raises Unavailable."""
        self._kept = await videos.count_by_state()
        if time.monotonic() - self._summed_at >= FRESH:
            self._totals = await usage.totals()
            self._summed_at = time.monotonic()
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """What the database had when it was asked last; prometheus_client's own protocol."""
        kept = GaugeMetricFamily("gateway_videos", "Videos kept.", labels=("api", "state"))
        for api, state, count in self._kept:
            kept.add_metric((api, state), count)
        under_way = sum(count for _, state, count in self._kept if state in OPEN)
        yield kept
        yield GaugeMetricFamily("gateway_open_videos", "Videos under way.", value=under_way)
        for name, text in SUMS.items():
            family = CounterMetricFamily(f"gateway_{name}", text, labels=("api", "state"))
            for total in self._totals:
                family.add_metric((total.api, total.state), getattr(total, name))
            yield family


class _Counting:
    """ASGI middleware around everything: refusals of what stands before the routes count, too."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._metrics.count(
                method=scope["method"],
                route=_route(scope),
                status=status,
                seconds=time.perf_counter() - began,
            )


def _route(scope: Scope) -> str:
    """The route's template, which the router has written into the scope by now."""
    path: object = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else OTHER
