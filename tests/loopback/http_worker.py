"""A worker that does by hand what the SDK does, one request at a time."""

from __future__ import annotations

from typing import Any

import requests

from loopback import ENDPOINT, POD, Job, Platform

KEY = {"Authorization": "test-key"}


class HttpWorker:
    def __init__(self, platform: Platform, pod: str = POD) -> None:
        self.pod = pod
        self._base = f"{platform.base_url}/{ENDPOINT}"

    def take(self) -> Any:
        return self._get("job-take", "job_in_progress=0")

    def take_batch(self, size: int) -> Any:
        return self._get("job-take-batch", f"batch_size={size}&job_in_progress=0")

    def stops(self) -> list[str]:
        answer = self._get("job-stop", "gpu=SIM")
        return list(answer["jobsToStop"]) if answer else []

    def ping(self, **query: str) -> int:
        return requests.get(
            f"{self._base}/ping/{self.pod}", params=query, headers=KEY, timeout=10
        ).status_code

    def done(self, job: Job, **body: Any) -> int:
        return self._post("job-done", job, body)

    def progress(self, job: Job, output: Any) -> int:
        return self._post("job-done", job, {"status": "IN_PROGRESS", "output": output})

    def chunk(self, job: Job, output: Any) -> int:
        return self._post("job-stream", job, {"output": output})

    def _get(self, what: str, query: str) -> Any:
        url = f"{self._base}/{what}/{self.pod}?{query}"
        response = requests.get(url, headers=KEY, timeout=40)
        assert response.status_code in (200, 204)
        return response.json() if response.status_code == 200 else None

    def _post(self, what: str, job: Job, body: Any) -> int:
        url = f"{self._base}/{what}/{self.pod}/{job.id}?gpu=SIM&isStream=false"
        headers = KEY | {"X-Request-ID": job.id}
        return requests.post(url, json=body, headers=headers, timeout=10).status_code
