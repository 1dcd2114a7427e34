"""The Hugging Face Hub, or what HF_ENDPOINT names in its place: commits, files, downloads.

Listing and requests are huggingface_hub's. Its own download begins a file anew in each run, so
the half of a file that is there is kept and continued here.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ModelNotLoaded
from .lock import BLOCK

log = logging.getLogger(__name__)

#: Where a build's secret of that name is mounted.
SECRET = Path("/run/secrets/HF_TOKEN")

OnBytes = Callable[[int], object]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository at one commit."""

    path: str
    size: int
    #: Git's own hash of the content.
    blob: str
    #: Told by the Hub for large files alone.
    sha256: str | None = None

    @property
    def content(self) -> str:
        """What stands for these very bytes, whatever the file is called."""
        return self.sha256 or self.blob


def find_token(secret: Path = SECRET) -> str | None:
    """The token to ask with: HF_TOKEN, what `hf auth login` has left, or a build's secret."""
    from huggingface_hub import get_token

    token = get_token()
    if token or not secret.is_file():
        return token
    return secret.read_text("utf-8").strip() or None


@contextmanager
def online() -> Iterator[None]:
    """Lift HF_HUB_OFFLINE, which the image sets: the operator has asked for a download since."""
    from huggingface_hub import constants

    offline = constants.HF_HUB_OFFLINE
    if offline:
        log.info("offline mode is set, and lifted for what DOWNLOAD_MODELS names")
    constants.HF_HUB_OFFLINE = False
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline


class Hub:
    """Asks one server with one token. Every method raises ModelNotLoaded."""

    def __init__(self, *, endpoint: str | None = None, token: str | None = None) -> None:
        """Without an endpoint it is HF_ENDPOINT's, or huggingface.co."""
        from huggingface_hub import HfApi

        self._api = HfApi(endpoint=endpoint, token=token or False, library_name="worker-video")
        self._endpoint = self._api.endpoint
        self._token = token

    def commit(self, repo: str, revision: str) -> str:
        """The commit that a branch or a commit's own hash stands for."""
        with self._told(repo, revision):
            commit = self._api.model_info(repo, revision=revision).sha
        if not commit:
            raise ModelNotLoaded(f"{repo}: {self._endpoint} tells no commit of {revision}")
        return commit

    def files(self, repo: str, commit: str) -> dict[str, RemoteFile]:
        """Every file of a repository by its path."""
        from huggingface_hub import RepoFile

        with self._told(repo, commit):
            tree = self._api.list_repo_tree(repo, recursive=True, revision=commit)
            found = [item for item in tree if isinstance(item, RepoFile)]
        return {
            item.path: RemoteFile(
                item.path, item.size, item.blob_id, item.lfs.sha256 if item.lfs else None
            )
            for item in found
        }

    def download(
        self, repo: str, commit: str, file: RemoteFile, to: Path, *, on_bytes: OnBytes
    ) -> str:
        """Fetch a file into `to`, which may hold its beginning already; gives its sha256.

        What is there of a file that was cut short stays for the next try; what has another hash
        than the Hub told is removed.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        there = to.stat().st_size if to.is_file() else 0
        if there > file.size:
            to.unlink()
            there = 0
        if there == file.size:
            on_bytes(file.size)
            to.touch()
        else:
            with self._told(repo, commit, file), to.open("ab") as stream:
                self._get(repo, commit, file, stream, there, on_bytes)
        return _checked(repo, file, to)

    def _get(
        self, repo: str, commit: str, file: RemoteFile, stream: Any, there: int, on_bytes: OnBytes
    ) -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        # No compression: the bytes on the wire are to be those of the file, to continue them.
        headers = build_hf_headers(token=self._token or False) | {"accept-encoding": "identity"}
        url = hf_hub_url(repo, file.path, revision=commit, endpoint=self._endpoint)
        http_get(
            url,
            stream,
            resume_size=there,
            headers=headers,
            expected_size=file.size,
            displayed_filename=file.path,
            tqdm_class=_meter(on_bytes),
        )

    @contextmanager
    def _told(self, repo: str, revision: str, file: RemoteFile | None = None) -> Iterator[None]:
        """Say what went wrong in our words.

        Theirs have addresses in them, which may be signed.
        """
        import httpx2
        from huggingface_hub import errors

        name = f"{repo}/{file.path}" if file else repo
        try:
            yield
        except errors.HfHubHTTPError as error:
            raise ModelNotLoaded(f"{name}: {self._refusal(error, repo, revision)}") from None
        except (httpx2.HTTPError, errors.OfflineModeIsEnabled) as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            if isinstance(error, errors.OfflineModeIsEnabled):
                reason = "HF_HUB_OFFLINE is set"
            raise ModelNotLoaded(
                f"{name}: {self._endpoint} could not be reached ({reason}); "
                "what is there already is kept, run it again"
            ) from None
        except OSError as error:
            if error.errno is not None:  # the disk's, such as none left
                raise ModelNotLoaded(f"{name}: {error.strerror}") from error
            raise ModelNotLoaded(
                f"{name}: cut short, wanted {file.size if file else 'more'} bytes; "
                "what is there already is kept, run it again"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            if file:
                raise
            raise ModelNotLoaded(f"{name}: {self._endpoint} answers as no Hub does") from error

    def _refusal(self, error: Any, repo: str, revision: str) -> str:
        from huggingface_hub import errors

        page = f"{self._endpoint}/{repo}"
        if isinstance(error, errors.GatedRepoError):
            return (
                f"its licence has to be accepted: do so at {page}, then set HF_TOKEN (or the "
                "build secret HF_TOKEN) to a token of that account"
            )
        if isinstance(error, errors.RevisionNotFoundError):
            return f"has no revision {revision} (any more); --update takes the newest"
        if isinstance(error, errors.EntryNotFoundError):
            return f"is listed at {revision}, but not there"
        if isinstance(error, errors.RepositoryNotFoundError):
            token = "is not one that may read it" if self._token else "is not set"
            return f"not found at {page}, or private: HF_TOKEN {token}"
        if error.response.status_code in (401, 403):
            return f"refused with status {error.response.status_code}: HF_TOKEN must be valid"
        return f"{self._endpoint} answers with status {error.response.status_code}"


def _checked(repo: str, file: RemoteFile, path: Path) -> str:
    """The sha256 of a file, once its bytes are known to be those that the Hub told of."""
    sha256 = hashlib.sha256()
    git = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            sha256.update(block)
            if file.sha256 is None:
                git.update(block)
    got = sha256.hexdigest() if file.sha256 else git.hexdigest()
    if got != file.content:
        path.unlink()
        kind = "sha256" if file.sha256 else "git hash"
        raise ModelNotLoaded(
            f"{repo}/{file.path}: its {kind} must be {file.content}, got {got}; removed, "
            "run it again"
        )
    return sha256.hexdigest()


def _meter(on_bytes: OnBytes) -> Any:
    """What http_get takes for a bar of its own, counting into the one over everything."""

    class Meter:
        def __init__(self, *_args: object, initial: int = 0, **_keywords: object) -> None:
            on_bytes(initial)

        def __enter__(self) -> Meter:
            return self

        def __exit__(self, *_error: object) -> None:
            return None

        def update(self, count: int) -> None:
            on_bytes(count)

    return Meter
