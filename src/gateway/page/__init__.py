"""The page at /: a form to try a model, its progress, its video, and the same call in each API.

Plain HTML, CSS and JavaScript, without a build and without anything from elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

FILES = Path(__file__).with_name("files")

#: The page's own files and calls, and media that it was given or has fetched; nothing else.
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def mount_page(app: FastAPI) -> None:
    """Serve it."""

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return FileResponse(FILES / "index.html", headers=headers)

    app.mount("/page", StaticFiles(directory=FILES), name="page")
