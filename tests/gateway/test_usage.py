"""What keys have used, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from src.errors import OutOfMemory
from src.gateway.billing import Line, Span, as_csv
from src.gateway.refusals import BadRequest
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, QuickWorker, settled

ADMIN = "the-admin-key"
BODY = settled({"prompt": "a fox"})


def stamp(year: int, month: int, day: int, hour: int = 0) -> float:
    return datetime(year, month, day, hour, tzinfo=UTC).timestamp()


def make(gateway: Gateway, key: str, count: int = 1) -> None:
    with gateway.client(key) as client:
        for _ in range(count):
            assert client.post("/api/v6/video/text2video", json=BODY).status_code == 200


def used(gateway: Gateway, key: str | None, **query: Any) -> httpx.Response:
    with gateway.client(key) as client:
        return client.get("/v1/usage", params=query)


@pytest.fixture
def gateway(serve: Serve) -> Gateway:
    return serve(runpod_api_key="platform-key", admin_key=ADMIN)


@pytest.mark.parametrize(
    ("said", "since", "until"),
    [
        ({}, stamp(2026, 11, 1), stamp(2026, 12, 1)),
        ({"month": "2026-02"}, stamp(2026, 2, 1), stamp(2026, 3, 1)),
        ({"month": "2025-12"}, stamp(2025, 12, 1), stamp(2026, 1, 1)),
        ({"first": "2026-11-05"}, stamp(2026, 11, 5), stamp(2026, 12, 1)),
        ({"last": "2026-11-05"}, stamp(2026, 11, 1), stamp(2026, 11, 6)),
        ({"first": "2026-01-31", "last": "2026-01-31"}, stamp(2026, 1, 31), stamp(2026, 2, 1)),
    ],
)
def test_spans_are_of_whole_days(said: dict[str, str], since: float, until: float) -> None:
    asked = {"month": None, "first": None, "last": None, **said}
    assert Span.read(**asked, now=stamp(2026, 11, 21, 15)) == Span(since=since, until=until)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"month": "2026-13"}, "month"),
        ({"month": "2026-1"}, "month"),
        ({"month": "0000-01"}, "month"),
        ({"month": "9999-12"}, "month"),
        ({"month": "november"}, "month"),
        ({"month": "\u0662\u0660\u0662\u0666-\u0661\u0661"}, "month"),  # digits, and not ours
        ({"month": "2026-11", "from": "2026-11-01"}, "month"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "20260201"}, "from"),
        ({"to": "2026-W01-1"}, "to"),
        ({"to": "9999-12-31"}, "to"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "from"),
        ({"format": "xml"}, "format"),
    ],
)
def test_a_wrong_span_is_refused(quiet: Gateway, said: dict[str, str], word: str) -> None:
    response = used(quiet, "caller-key", **said)

    assert response.status_code == 400
    assert word in response.json()["error"]["message"]


def test_a_caller_sees_what_their_own_key_has_used(gateway: Gateway, worker: QuickWorker) -> None:
    key, other = gateway.add_key("small", calls=5, gpu_seconds=60), gateway.add_key("other")
    make(gateway, key, 2)
    make(gateway, other)
    told = used(gateway, key).json()

    (line,) = told["data"]
    assert (line["key"], line["calls"], line["completed"]) == ("small", 2, 2)
    assert line["video_seconds"] == 1.25
    assert line["gpu_seconds"] > 0
    assert told["limits"] == {"calls": 5, "video_seconds": None, "gpu_seconds": 60}
    assert told["from"] == f"{datetime.now(UTC):%Y-%m}-01"
    assert len(worker.jobs) == 3


def test_who_has_used_nothing_has_a_line_of_zeros(gateway: Gateway) -> None:
    (line,) = used(gateway, gateway.add_key("idle"), month="2020-01").json()["data"]

    assert (line["key"], line["calls"], line["gpu_seconds"]) == ("idle", 0, 0)


def test_a_failed_job_costs_what_the_worker_spent_and_makes_no_video(
    gateway: Gateway, worker: QuickWorker
) -> None:
    worker.pipelines.error = OutOfMemory("at 64x48")
    key = gateway.add_key("unlucky")
    make(gateway, key)
    (line,) = used(gateway, key).json()["data"]

    assert (line["calls"], line["completed"], line["video_seconds"]) == (1, 0, 0)
    assert line["gpu_seconds"] > 0


def test_the_admin_key_sees_every_key_by_name(gateway: Gateway, worker: QuickWorker) -> None:
    names = ("b", "a", "idle")
    keys = {name: gateway.add_key(name) for name in names}
    make(gateway, keys["b"], 2)
    make(gateway, keys["a"])
    told = used(gateway, ADMIN).json()

    assert [(line["key"], line["calls"]) for line in told["data"]] == [
        ("a", 1),
        ("b", 2),
        ("idle", 0),
    ]
    assert told["limits"] is None
    assert len(worker.jobs) == 3


def test_a_revoked_key_is_billed_for_what_it_used(gateway: Gateway, worker: QuickWorker) -> None:
    key = gateway.add_key("gone")
    make(gateway, key)
    gateway.do(gateway.parts.keys.revoke("gone", now=1.0))

    assert used(gateway, key).status_code == 401
    assert [line["key"] for line in used(gateway, ADMIN).json()["data"]] == ["gone"]
    assert used(gateway, ADMIN, month="2020-01").json()["data"] == []
    assert worker.jobs


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("*/*", {}, "application/json"),
        ("*/*", {"format": "csv"}, "text/csv"),
        ("text/csv", {}, "text/csv"),
        ("text/csv;q=0.9, */*;q=0.1", {}, "text/csv"),
        ("text/csv", {"format": "json"}, "application/json"),
        ("application/json, text/csv", {}, "application/json"),
    ],
)
def test_it_comes_as_json_or_csv(
    quiet: Gateway, accept: str, query: dict[str, str], kind: str
) -> None:
    with quiet.client() as client:
        response = client.get("/v1/usage", params=query, headers={"Accept": accept})

    assert response.headers["content-type"].partition(";")[0] == kind
    if kind == "text/csv":
        (row,) = csv.DictReader(io.StringIO(response.text))
        assert (row["calls"], row["video_seconds"]) == ("0", "0.0")
        assert row["from"].endswith("-01")


def test_a_name_is_no_formula_in_a_spreadsheet() -> None:
    line = Line(
        key='=cmd|"/c calc"!A1', owner="o", calls=1, completed=1, video_seconds=1, gpu_seconds=1
    )
    span = Span(since=stamp(2026, 11, 1), until=stamp(2026, 12, 1))
    (row,) = csv.DictReader(io.StringIO(as_csv([line], span)))

    assert row["key"] == '\'=cmd|"/c calc"!A1'
    assert (row["from"], row["to"]) == ("2026-11-01", "2026-11-30")


def test_nobody_sees_anything_without_a_key(gateway: Gateway) -> None:
    for key in (None, "wrong", ADMIN + "x"):
        assert used(gateway, key).status_code == 401


def test_spans_end_where_they_say() -> None:
    with pytest.raises(BadRequest, match="month must be like"):
        Span.read(month="2026-00", first=None, last=None, now=0)
