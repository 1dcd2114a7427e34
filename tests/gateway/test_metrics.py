"""/metrics, /healthz and /v1/models."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loopback import Platform
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, QuickWorker, settled

BODY = settled({"prompt": "a fox"})


def scraped(gateway: Gateway, key: str | None = None) -> dict[tuple[str, frozenset[Any]], float]:
    """Every sample, by its name and labels."""
    with gateway.client(key) as client:
        response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def labels(**said: str) -> frozenset[Any]:
    return frozenset(said.items())


def test_videos_are_counted_by_api_and_state(gateway: Gateway, worker: QuickWorker) -> None:
    with gateway.client() as client:
        client.post("/video", json=BODY)
        worker.hold()
        client.post("/api/v6/video/text2video", json=BODY | {"instant_response": True})
    found = scraped(gateway)

    assert found["gateway_videos", labels(api="localai", state="completed")] == 1
    assert found["gateway_open_videos", labels()] == 1
    done = labels(api="localai", state="completed")
    assert found["gateway_calls_total", done] == 1
    assert found["gateway_video_seconds_total", done] == 0.625
    assert found["gateway_gpu_seconds_total", done] > 0
    assert not any("caller-key" in str(key) for key in found)


def test_requests_are_counted_by_route_whatever_callers_send(gateway: Gateway) -> None:
    with gateway.client() as client:
        for number in range(3):
            client.post(f"/api/v6/video/fetch/{number}", json={})
            client.get(f"/nothing/{number}")
            client.get(f"/v1/videos/video_{number}")
            client.request("PROPFIND", "/video")
    found = scraped(gateway)

    route = "/api/v6/video/fetch/{number}"
    assert found["gateway_requests_total", labels(method="POST", route=route, status="404")] == 3
    assert found["gateway_request_seconds_count", labels(method="POST", route=route)] == 3
    unknown = labels(method="GET", route="other", status="404")
    assert found["gateway_requests_total", unknown] == 3
    routes = {dict(said)["route"] for name, said in found if name == "gateway_requests_total"}
    methods = {dict(said)["method"] for name, said in found if name == "gateway_requests_total"}
    assert routes <= {route, "/v1/videos/{video_id}", "/video", "other"}
    assert methods <= {"GET", "POST", "other"}


@pytest.mark.parametrize("gateway", [{"admin_key": "admin"}], indirect=True)
def test_metrics_are_the_admins_where_there_is_one(gateway: Gateway) -> None:
    with gateway.client("caller-key") as client:
        assert client.get("/metrics").status_code == 401
    assert scraped(gateway, "admin")


def test_health_is_the_process_and_its_database(gateway: Gateway) -> None:
    with gateway.client(None) as client:
        well = client.get("/healthz")
        gateway.parts.database.ping = _gone  # type: ignore[method-assign]
        ill = client.get("/healthz")

    assert (well.status_code, well.json()["status"]) == (200, "ok")
    assert (ill.status_code, ill.json()["status"]) == (503, "failing")
    assert "database" in ill.json()["database"]


async def _gone() -> None:
    from src.gateway.refusals import Unavailable

    raise Unavailable("the database cannot be reached")


def test_health_asks_the_platform_with_a_key(
    gateway: Gateway, platform: Platform, worker: QuickWorker
) -> None:
    platform.wait_for_worker()
    with gateway.client(None) as nobody, gateway.client() as somebody:
        assert nobody.get("/healthz", params={"endpoint": 1}).status_code == 401
        assert somebody.get("/healthz", params={"endpoint": "perhaps"}).status_code == 400
        well = somebody.get("/healthz", params={"endpoint": 1})
        gateway.parts.endpoint.url = f"{platform.base_url}/nothing"
        ill = somebody.get("/healthz", params={"endpoint": 1})

    assert well.status_code == 200
    assert well.json()["endpoint"]["workers"]["idle"] == 1
    assert (ill.status_code, ill.json()["status"]) == (503, "failing")
    assert worker.jobs == []


# --- models -------------------------------------------------------------------------------------


def test_every_model_of_the_manifest_is_listed(quiet: Gateway) -> None:
    from src.manifest import load_manifest

    with quiet.client(None) as client:
        told = client.get("/v1/models").json()
    manifest = load_manifest()

    assert told["object"] == "list"
    assert [model["id"] for model in told["data"]] == [entry.id for entry in manifest]
    for model in told["data"]:
        entry = manifest.find(model["id"])
        assert model["tasks"] == sorted(entry.tasks)
        assert model["limits"]["num_frames"] == entry.limits.num_frames
    assert [model["id"] for model in told["data"] if model["is_default"]] == ["demo"]


def test_the_operators_choice_narrows_them(serve: Serve) -> None:
    gateway = serve(models="svd, text-to-video own-model,svd", default_model="svd")
    with gateway.client(None) as client:
        told = client.get("/v1/models").json()["data"]

    assert [model["id"] for model in told] == ["svd", "text-to-video", "own-model"]
    assert told[0]["is_default"]
    assert told[2] | {"tasks": [], "aliases": [], "owned_by": "operator"} == told[2]


@pytest.mark.parametrize(
    ("said", "status"), [("svd", 200), ("SVD", 200), ("nothing", 404), ("a/b", 404), ("%00", 404)]
)
def test_one_model_is_found_by_any_of_its_names(quiet: Gateway, said: str, status: int) -> None:
    with quiet.client(None) as client:
        response = client.get(f"/v1/models/{said}")

    assert response.status_code == status
    if status == 200:
        assert response.json()["id"] == "svd"
    else:
        assert response.json()["error"]["code"] == "model_not_found"


def test_the_openai_client_reads_the_models(quiet: Gateway) -> None:
    from openai import OpenAI

    with OpenAI(base_url=f"{quiet.url}/v1", api_key="any") as client:
        assert "svd" in [model.id for model in client.models.list()]
        assert client.models.retrieve("svd").object == "model"
