"""The platform's webhook: whoever submitted a job is told of its end."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from .jobs import Job
from .rules import Rules


class Webhooks:
    """Posts what /status says, a few times if need be. All on the server's event loop."""

    def __init__(self, rules: Rules) -> None:
        """Nothing is open yet."""
        self._rules = rules
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, job: Job) -> None:
        """Tell the job's webhook, if it has one, of the job as it is now."""
        if job.webhook is None:
            return
        task = asyncio.get_running_loop().create_task(self._send(job, job.as_status()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, job: Job, state: dict[str, Any]) -> None:
        timeout = aiohttp.ClientTimeout(total=self._rules.webhook_timeout)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for attempt in range(self._rules.webhook_tries):
                if attempt:
                    await asyncio.sleep(self._rules.webhook_pause)
                answer = await _post(session, str(job.webhook), state)
                job.webhook_answers.append(answer)
                if answer == 200:
                    break
        job.notified.set()


async def _post(session: aiohttp.ClientSession, url: str, state: dict[str, Any]) -> int | None:
    """The status that the webhook answered with; None where there was no answer."""
    try:
        async with session.post(url, json=state, allow_redirects=False) as response:
            await response.read()
            return response.status
    except (aiohttp.ClientError, TimeoutError, ValueError):  # ValueError: not a URL at all
        return None
