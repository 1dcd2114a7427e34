import asyncio
import base64
import json
import logging
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from socket import AF_INET, AddressFamily
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook as Verifier

from src.errors import WebhookFailed
from src.notify import Webhook

from .conftest import Serve

SECRET = "whsec_" + base64.b64encode(b"x" * 32).decode()
PAYLOAD = {"status": "success", "id": "job-1", "output": ["https://cdn.example/é.mp4"]}


@dataclass
class Receiver:
    """The caller's server: gives the answers that it is told to, then 200."""

    answers: list[int | tuple[int, Mapping[str, str]] | str] = field(default_factory=list)
    came: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.came.append((request.raw_path, request.headers.copy(), await request.read()))
        self.times.append(asyncio.get_running_loop().time())
        self.first.set()
        answer = self.answers.pop(0) if self.answers else 200
        if answer == "silence":
            await self._say_nothing()
        if answer == "cut":
            assert request.transport is not None
            request.transport.abort()
        if answer == "endless":
            return await self._say_everything(request)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return web.Response(status=int(status), headers=headers, text="private words " * 10)

    async def _say_nothing(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()

    async def _say_everything(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise


class Names(AbstractResolver):
    """A resolver with one list of addresses for every name; none fails."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        del family
        if not self._addresses:
            raise OSError("no such name")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=AF_INET, proto=0, flags=0)
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def server(serve: Serve, receiver: Receiver) -> TestServer:
    return await serve(receiver.take)


@pytest.fixture
def url(server: TestServer) -> str:
    return f"http://127.0.0.1:{server.port}/hook/path-token?q=query-token"


def webhook(**options: Any) -> Webhook:
    return Webhook(**({"pause": 0.001, "allow_private": True} | options))


async def test_the_payload_is_posted_as_json(receiver: Receiver, url: str) -> None:
    await webhook().post(url, PAYLOAD, message_id="msg-1")

    [(path, headers, body)] = receiver.came
    assert path == "/hook/path-token?q=query-token"
    assert json.loads(body) == PAYLOAD
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "worker-video"
    assert not any(name.lower().startswith("webhook-") for name in headers)


async def test_a_url_is_posted_to_letter_by_letter(server: TestServer, receiver: Receiver) -> None:
    path = "/a%2Cb,c%20d?sig=a%2Fb%2Bc+d%3D&e=;"

    await webhook().post(f" http://127.0.0.1:{server.port}{path}\n", PAYLOAD, message_id="m")

    assert receiver.came[0][0] == path


async def test_every_try_is_signed_anew_under_the_same_id(receiver: Receiver, url: str) -> None:
    receiver.answers = [(503, {"Retry-After": "1"})]  # a timestamp is in whole seconds

    await webhook(secret=SECRET).post(url, PAYLOAD, message_id="job-1")

    stamps = []
    for _, headers, body in receiver.came:
        assert Verifier(SECRET).verify(body, dict(headers)) == PAYLOAD
        assert headers["webhook-id"] == "job-1"
        stamps.append(int(headers["webhook-timestamp"]))
    assert len(stamps) == 2
    assert stamps[0] < stamps[1]


@pytest.mark.parametrize("secret", [SECRET, f"{SECRET}\n", SECRET.rstrip("=")])
async def test_a_secret_may_lack_padding_or_have_space_around_it(
    receiver: Receiver, url: str, secret: str
) -> None:
    await webhook(secret=secret).post(url, PAYLOAD, message_id="job-1")

    _, headers, body = receiver.came[0]
    assert Verifier(SECRET).verify(body, dict(headers)) == PAYLOAD


def encoded(count: int) -> str:
    return base64.b64encode(bytes(range(count))).decode()


@pytest.mark.parametrize("count", [24, 64])
def test_a_secret_of_24_to_64_bytes_is_taken(count: int) -> None:
    Webhook(secret=f"whsec_{encoded(count)}")


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "tops3cret",
        encoded(32),
        f"WHSEC_{encoded(32)}",
        f"whsec_{encoded(23)}",
        f"whsec_{encoded(65)}",
        f"whsec_{encoded(32)[:-4]}-_==",
        f"whsec_{encoded(32)} {encoded(32)}",
        "whsec_" + "é" * 40,
    ],
)
def test_any_other_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(
        ValueError, match=r"^WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 bytes$"
    ):
        Webhook(secret=secret)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(receiver: Receiver, url: str, status: int) -> None:
    receiver.answers = [status]

    await webhook().post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == 1


@pytest.mark.parametrize(
    "answers",
    [[408], [425], [429], [500], [502, 503], [504, 599, 500], ["cut"], ["cut", 429, "silence"]],
)
async def test_what_may_pass_is_tried_again(
    receiver: Receiver, url: str, answers: list[int | str]
) -> None:
    receiver.answers = [*answers]

    await webhook(timeout=0.2).post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == len(answers) + 1
    assert len({body for _, _, body in receiver.came}) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "400 Bad Request"),
        (401, "401 Unauthorized"),
        (403, "403 Forbidden"),
        (404, "404 Not Found"),
        (410, "410 Gone"),
        (413, "413 "),
        (422, "422 "),
        (499, "499$"),
        (301, "301 Moved Permanently"),
        (302, "302 Found"),
        (307, "307 Temporary Redirect"),
        (304, "304 Not Modified"),
    ],
)
async def test_what_is_final_ends_it(receiver: Receiver, url: str, status: int, words: str) -> None:
    receiver.answers = [(status, {"Location": "/elsewhere", "Retry-After": "0"})]

    with pytest.raises(
        WebhookFailed, match=f"^the webhook to 127.0.0.1 was answered {words}"
    ) as caught:
        await webhook().post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == 1
    assert caught.value.code == "webhook_failed"


@pytest.mark.parametrize("attempts", [1, 3])
async def test_it_gives_up_after_so_many_tries(receiver: Receiver, url: str, attempts: int) -> None:
    receiver.answers = [503] * 9

    with pytest.raises(WebhookFailed, match=r"was answered 503 Service Unavailable$"):
        await webhook(attempts=attempts).post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == attempts


async def test_a_server_that_says_nothing_is_given_the_timeout(
    receiver: Receiver, url: str
) -> None:
    receiver.answers = ["silence"] * 9

    with pytest.raises(WebhookFailed, match=r"had no answer within 0\.05 s$"):
        await webhook(timeout=0.05, attempts=2).post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == 2


async def test_all_tries_together_end_in_time(receiver: Receiver, url: str) -> None:
    receiver.answers = ["silence"] * 9

    with pytest.raises(WebhookFailed, match=r"to 127\.0\.0\.1 was not taken within 0\.1 s$"):
        await webhook(timeout=60, total=0.1).post(url, PAYLOAD, message_id="m")

    await asyncio.wait_for(receiver.left.wait(), 30)
    assert len(receiver.came) == 1


async def test_a_pause_past_the_end_is_not_begun(receiver: Receiver, url: str) -> None:
    receiver.answers = [(429, {"Retry-After": "120"})]

    with pytest.raises(WebhookFailed, match=r"was answered 429 Too Many Requests$"):
        await webhook(longest_pause=300, total=60).post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == 1


@pytest.mark.parametrize(
    "after",
    [
        "86400",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 31 Dec 1999 23:59:59 -0000",
        "9" * 400,
        "-1",
        "soon",
        "Mon, 99 Foo 2020 25:00:00 GMT",
        "",
        "²",
    ],
)
async def test_a_server_may_not_ask_for_more_than_the_longest_pause(
    receiver: Receiver, url: str, after: str
) -> None:
    receiver.answers = [(503, {"Retry-After": after})]

    await webhook(longest_pause=0.02).post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == 2


async def test_a_date_to_come_back_at_is_honoured(receiver: Receiver, url: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    receiver.answers = [(503, {"Retry-After": date})]

    with pytest.raises(WebhookFailed, match="503"):  # an hour is past the end
        await webhook(longest_pause=7200, total=60).post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == 1


async def test_pauses_grow_from_one_try_to_the_next(receiver: Receiver, url: str) -> None:
    receiver.answers = [500] * 9

    with pytest.raises(WebhookFailed, match="500"):
        await webhook(pause=0.04, attempts=3).post(url, PAYLOAD, message_id="m")

    first, second, third = receiver.times
    assert second - first >= 0.02  # jitter takes half of it at most
    assert third - second >= 0.04


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "2130706433",
        "127.1",
        "0x7f.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1%25eth0]",
        "169.254.169.254",
        "10.0.0.1",
        "localhost",
    ],
)
async def test_private_hosts_are_not_posted_to(server: TestServer, host: str) -> None:
    with pytest.raises(WebhookFailed, match=r"was not sent: the address is private$"):
        await webhook(allow_private=False).post(
            f"http://{host}:{server.port}/path-token?q=query-token", PAYLOAD, message_id="m"
        )


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["10.0.0.1"]])
async def test_a_name_is_refused_for_any_private_address(
    server: TestServer, receiver: Receiver, addresses: list[str]
) -> None:
    hook = webhook(allow_private=False, resolver=Names(*addresses))

    with pytest.raises(WebhookFailed, match=r"to hook\.example was not sent: the address is priv"):
        await hook.post(f"http://hook.example:{server.port}/", PAYLOAD, message_id="m")

    assert receiver.came == []


async def test_a_name_without_an_address_is_said_to_have_none() -> None:
    with pytest.raises(WebhookFailed, match=r"to hook\.example failed: it has a host name that"):
        await webhook(resolver=Names()).post("http://hook.example/", PAYLOAD, message_id="m")


async def test_a_port_that_nobody_listens_on_is_said_to_be_out_of_reach() -> None:
    with pytest.raises(WebhookFailed, match=r"to 127\.0\.0\.1 failed: it could not be reached$"):
        await webhook().post("http://127.0.0.1:1/", PAYLOAD, message_id="m")


async def test_a_server_without_tls_is_said_to_be_out_of_reach_over_tls(
    server: TestServer,
) -> None:
    with pytest.raises(WebhookFailed, match=r"could not be reached over TLS$"):
        await webhook(attempts=1).post(f"https://127.0.0.1:{server.port}/", PAYLOAD, message_id="m")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "must be http or https"),
        ("hook", "must be http or https"),
        ("http://", "cannot be read|must be http or https"),
        ("ftp://hook.example/path-token", "must be http or https"),
        ("file:///path-token", "must be http or https"),
        ("http://hook.example:99999/path-token", "cannot be read"),
        ("http://hook.example:path-token/", "cannot be read"),
        ("http://[::1/path-token", "cannot be read"),
        ("http://user:query-token@hook.example/", "has a user name or a password"),
        ("http://user@hook.example/", "has a user name or a password"),
        ("http://:query-token@hook.example/", "has a user name or a password"),
    ],
)
async def test_a_url_that_is_none_is_refused(value: str, words: str) -> None:
    with pytest.raises(WebhookFailed, match=words) as caught:
        await webhook(resolver=Names()).post(value, PAYLOAD, message_id="m")

    assert "token" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("payload", [{"a": b""}, {"a": float("nan")}, {"a": object()}])
async def test_a_payload_that_is_not_json_is_refused(
    receiver: Receiver, url: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(WebhookFailed, match=r"cannot be written as JSON$"):
        await webhook().post(url, payload, message_id="m")

    assert receiver.came == []


@pytest.mark.parametrize("answer", [404, 503, "cut", "silence", (302, {"Location": "/x"})])
async def test_neither_an_error_nor_a_log_tells_more_than_the_host(
    receiver: Receiver, url: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answers = [answer] * 9

    with pytest.raises(WebhookFailed) as caught:
        await webhook(secret=SECRET, timeout=0.05, attempts=2).post(
            url, {"prompt": "a secret prompt"}, message_id="m"
        )

    told = "".join(traceback.format_exception(caught.value))
    told += "".join(record.getMessage() for record in caplog.records if "src" in record.name)
    for word in ("path-token", "query-token", "secret prompt", SECRET, "private words"):
        assert word not in told


async def test_an_answer_without_end_is_not_read(receiver: Receiver, url: str) -> None:
    receiver.answers = ["endless"]

    await asyncio.wait_for(webhook().post(url, PAYLOAD, message_id="m"), 30)

    await asyncio.wait_for(receiver.left.wait(), 30)


async def test_the_environment_names_no_proxy(receiver: Receiver, url: str) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        os.environ[name] = "http://127.0.0.1:1"
    os.environ.pop("no_proxy", None)
    os.environ.pop("NO_PROXY", None)

    await webhook().post(url, PAYLOAD, message_id="m")

    assert len(receiver.came) == 1


async def test_a_cancel_leaves_nothing_behind(receiver: Receiver, url: str) -> None:
    receiver.answers = ["silence"]
    task = asyncio.create_task(webhook().post(url, PAYLOAD, message_id="m"))
    await receiver.first.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await asyncio.wait_for(receiver.left.wait(), 30)
    assert len(receiver.came) == 1
