"""Published repositories, and a model cache that huggingface_hub itself has filled from a Hub."""

from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import hf_hub_download

from tests.builder.hub_server import HubServer

Files = dict[str, bytes]


def published(tiny_models: Path, repo: str) -> Files:
    """The files of a repository as tiny models have them, with what published ones have too."""
    base = tiny_models / repo
    found = {
        path.relative_to(base).as_posix(): path.read_bytes()
        for path in sorted(base.rglob("*"))
        if path.is_file() and path.name != "tiny-model.txt"
    }
    return found | {"README.md": b"# A model", ".gitattributes": b"* lfs"}


def fill(cache: Path, server: HubServer, repo: str, files: Files) -> str:
    """Publish a repository and have all of it in the cache, as RunPod has; gives the commit."""
    commit = server.publish(repo, files)
    download(cache, server, repo, files)
    return commit


def download(cache: Path, server: HubServer, repo: str, names: Iterable[str]) -> None:
    for name in names:
        hf_hub_download(repo, name, cache_dir=cache, endpoint=server.url, token=False)
