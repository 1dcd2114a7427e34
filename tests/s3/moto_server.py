"""Moto's S3, for lifecycle rules and tags only: it takes any signature and any checksum."""

from __future__ import annotations

from pathlib import Path

from .process import ServerProcess


class Moto:
    """A moto server on loopback."""

    access_key = "moto"
    secret_key = "moto"
    region = "us-east-1"

    def __init__(self, folder: Path) -> None:
        """`folder` is for its log."""
        self._folder = folder
        self.port = 0

    def __enter__(self) -> Moto:
        self._process = ServerProcess("serve_moto.py", log=self._folder / "moto.log")
        self.port = self._process.said["port"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}"
