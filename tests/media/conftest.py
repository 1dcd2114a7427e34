"""Real parts for the media room: an HTTP server on loopback, and the ffmpeg that is shipped."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import imageio_ffmpeg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[TestServer]]
RunFfmpeg = Callable[..., str]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server that answers every path with one handler."""
    servers: list[TestServer] = []

    async def start(handler: Handler) -> TestServer:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        server = TestServer(app, host="127.0.0.1")
        await server.start_server()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Neither running nor dead and not waited for."""
    _others.clear()
    _others.update(child_pids())
    yield
    assert child_pids() == []


#: Servers that tests of other rooms keep in this process.
_others: set[int] = set()


def child_pids() -> list[int]:
    """The processes that a test has started, and not waited for."""
    pids: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended since
            pids += (task / "children").read_text().split()
    return [pid for pid in map(int, pids) if pid not in _others]


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@pytest.fixture(scope="session")
def run_ffmpeg(ffmpeg: str) -> RunFfmpeg:
    """Run ffmpeg to make a file, or without an output to hear what it says of one."""

    def run(*arguments: str | Path, data: bytes = b"") -> str:
        done = subprocess.run(
            [ffmpeg, "-hide_banner", "-y", *arguments],
            input=data,
            capture_output=True,
            check=False,  # without an output it says what it knows, and fails
        )
        return done.stderr.decode()

    return run
