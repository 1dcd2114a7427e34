"""A Hub on loopback: repositories with their commits, and the faults that a real one has.

Speaks what huggingface_hub asks of models: revision, tree, and resolve with a redirect to where
large files are stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

from aiohttp import web

PATIENCE = 10.0
#: Files that the Hub keeps apart from git.
LARGE = (".safetensors", ".bin", ".pkl", ".ckpt", ".onnx", ".msgpack")


@dataclass(frozen=True)
class Asked:
    """One request for a file's bytes."""

    path: str
    range: str | None
    token: str | None


@dataclass
class Faults:
    """What goes wrong, by the path of a file or by repository."""

    #: The connection breaks once after so many bytes.
    cut: dict[str, int] = field(default_factory=dict)
    #: The answer ends after so many bytes as if that were all.
    short: dict[str, int] = field(default_factory=dict)
    #: Other bytes than the listing told of.
    other: dict[str, bytes] = field(default_factory=dict)
    #: Listed, but not there.
    lost: set[str] = field(default_factory=set)
    #: Repositories whose licence was accepted by one token's account alone.
    gated: dict[str, str] = field(default_factory=dict)
    #: A status for everything.
    status: int | None = None


class HubServer:
    """Serves while its `with` block lasts."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.asked: list[Asked] = []
        self.url = ""
        self._commits: dict[str, dict[str, dict[str, bytes]]] = {}
        self._branch: dict[str, str] = {}
        self._stored: dict[str, tuple[str, bytes]] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="hub", daemon=True)

    def publish(self, repo: str, files: Mapping[str, bytes]) -> str:
        """Make these files the newest commit of a repository; gives its hash."""
        digest = hashlib.sha1(usedforsecurity=False)
        for path, content in sorted(files.items()):
            digest.update(path.encode() + hashlib.sha256(content).digest())
        commit = digest.hexdigest()
        self._commits.setdefault(repo, {})[commit] = dict(files)
        self._branch[repo] = commit
        return commit

    def rewrite(self, repo: str, path: str, content: bytes) -> None:
        """Change a file within its commit, as no honest Hub would."""
        self._commits[repo][self._branch[repo]][path] = content

    def asked_for(self, path: str) -> list[Asked]:
        """Every request for a file's bytes."""
        return [asked for asked in self.asked if asked.path == path]

    def __enter__(self) -> HubServer:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        runner = web.AppRunner(self._app(), access_log=None)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._refuse])
        repo = "{owner}/{name}"
        app.router.add_get(f"/api/models/{repo}/revision/{{revision}}", self._revision)
        app.router.add_get(f"/api/models/{repo}/tree/{{revision}}", self._tree)
        app.router.add_get(f"/{repo}/resolve/{{revision}}/{{path:.+}}", self._resolve)
        app.router.add_get("/stored/{sha256}", self._large)
        return app

    @web.middleware
    async def _refuse(self, request: web.Request, handler: web.Handler) -> web.StreamResponse:  # type: ignore[name-defined]
        if self.faults.status:
            return web.Response(status=self.faults.status)
        answer: web.StreamResponse = await handler(request)
        return answer

    def _commit(self, request: web.Request) -> tuple[str, str]:
        repo = f"{request.match_info['owner']}/{request.match_info['name']}"
        if repo not in self._branch:
            raise _error(web.HTTPNotFound, "RepoNotFound")
        revision = request.match_info["revision"]
        commit = self._branch[repo] if revision == "main" else revision
        if commit not in self._commits[repo]:
            raise _error(web.HTTPNotFound, "RevisionNotFound")
        return repo, commit

    async def _revision(self, request: web.Request) -> web.Response:
        repo, commit = self._commit(request)
        return web.json_response({"id": repo, "sha": commit, "siblings": []})

    async def _tree(self, request: web.Request) -> web.Response:
        repo, commit = self._commit(request)
        files = self._commits[repo][commit]
        return web.json_response([_entry(path, content) for path, content in files.items()])

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        repo, commit = self._commit(request)
        path = request.match_info["path"]
        token = self.faults.gated.get(repo)
        if token and request.headers.get("Authorization") != f"Bearer {token}":
            raise _error(web.HTTPForbidden, "GatedRepo")
        content = self._commits[repo][commit].get(path)
        if content is None or path in self.faults.lost:
            raise _error(web.HTTPNotFound, "EntryNotFound")
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_git(content)}"'}
        if not path.endswith(LARGE):
            return await self._send(request, path, content, headers)
        sha256 = hashlib.sha256(content).hexdigest()
        self._stored[sha256] = (path, content)
        headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
        # Another host, as where the Hub keeps large files.
        elsewhere = self.url.replace("127.0.0.1", "localhost")
        raise web.HTTPFound(f"{elsewhere}/stored/{sha256}?signature=secret", headers=headers)

    async def _large(self, request: web.Request) -> web.StreamResponse:
        path, content = self._stored[request.match_info["sha256"]]
        return await self._send(request, path, content, {})

    async def _send(
        self, request: web.Request, path: str, content: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        """The bytes, from where the caller wants them on."""
        if request.method == "HEAD":
            return web.Response(headers=headers | {"Content-Length": str(len(content))})
        wanted = request.headers.get("Range")
        self.asked.append(Asked(path, wanted, request.headers.get("Authorization")))
        content = self.faults.other.get(path, content)
        whole, start = len(content), 0
        if wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            headers = headers | {"Content-Range": f"bytes {start}-{whole - 1}/{whole}"}
        stop = self.faults.short.pop(path, whole)
        cut = self.faults.cut.pop(path, None)
        body = content[start:stop]
        response = web.StreamResponse(status=206 if wanted else 200, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body if cut is None else body[:cut])
        if cut is not None and request.transport:
            await asyncio.sleep(0.05)  # so that what was sent arrives before the end does
            request.transport.close()
            return response
        await response.write_eof()
        return response


def _error(kind: type[web.HTTPClientError], code: str) -> web.HTTPClientError:
    return kind(headers={"X-Error-Code": code})


def _git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": "file",
        "path": path,
        "size": len(content),
        "oid": _git(content),
    }
    if path.endswith(LARGE):
        sha256 = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": sha256, "size": len(content), "pointerSize": 130}
    return entry
