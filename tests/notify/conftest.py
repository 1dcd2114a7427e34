"""A server on loopback that is posted to, and reports to tell of."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from src.generation import GenerationRequest, Report, Stage, Task

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[TestServer]]
Reports = Callable[..., Report]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server that answers every post with one handler."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler) -> TestServer:
            app = web.Application()
            app.router.add_post("/{path:.*}", handler)
            server = TestServer(app, host="127.0.0.1")
            await server.start_server(shutdown_timeout=0.1)
            stack.push_async_callback(server.close)
            return server

        yield start


@pytest.fixture
def report() -> Reports:
    """A report of a job, with what the test cares for."""

    def make(
        job_id: str = "job-1",
        *,
        step: int = 0,
        total: int = 0,
        stage: Stage = Stage.GENERATE,
        eta: float | None = None,
    ) -> Report:
        request = GenerationRequest(task=Task.TEXT2VIDEO)
        return Report(
            job_id=job_id,
            file_prefix=job_id,
            request=request,
            stage=stage,
            step=step,
            total=total,
            eta=eta,
        )

    return make
