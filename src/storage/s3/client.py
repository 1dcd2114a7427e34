"""The S3 clients of a place."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .place import Place

if TYPE_CHECKING:
    from .connections import Allows, Resolve, Session

#: Botocore reads its own data files while it makes a client, and not for two threads at once.
_making = threading.Lock()

_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a client goes on with one request."""

    #: Tries in all, with pauses that grow to some seconds in between.
    attempts: int = 5
    #: Seconds for a connection, and between two bytes of an answer.
    connect_timeout: float = 5
    read_timeout: float = 20


#: For what is good to have but must not keep a job waiting.
QUICK = Patience(attempts=2, connect_timeout=2, read_timeout=3)


class Clients:
    """A place's clients, each made when it is first needed; several threads may use them."""

    def __init__(
        self,
        place: Place,
        *,
        patience: Patience | None = None,
        allows: Allows | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """`allows` judges every address that is connected to; None is for a place that the
        operator chose, where the environment's proxies hold as well.
        """
        self.place = place
        self.allows = allows
        self.resolve = resolve
        self._patient = _Once(lambda: self._connect(patience or Patience()))
        self._quick = _Once(lambda: self._connect(QUICK))

    @property
    def patient(self) -> Any:  # noqa: ANN401  botocore ships no types
        """For storing a video: a try that fails is not the end."""
        return self._patient()

    @property
    def quick(self) -> Any:  # noqa: ANN401  botocore ships no types
        """For questions that a job can go on without: seconds at most."""
        return self._quick()

    def _connect(self, patience: Patience) -> Any:  # noqa: ANN401  botocore ships no types
        """One client. Takes 0.3 s for the first of a process and some milliseconds later."""
        client = _create(self.place, patience)
        session = self._session(client.meta.endpoint_url, patience)
        client.meta.events.register("before-send.s3", session.handle)
        return client

    def _session(self, url: str, patience: Patience) -> Session:
        from botocore.utils import get_environ_proxies

        from .connections import Session

        return Session(
            allows=self.allows,
            resolve=self.resolve,
            region=self.place.region,
            timeout=(patience.connect_timeout, patience.read_timeout),
            proxies={} if self.allows else get_environ_proxies(url),
        )

    def follow(self, url: str) -> None:
        """Ask for a link as whoever gets it would; raises botocore's ClientError if it fails."""
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import ClientError

        answer = self._session(url, QUICK).handle(AWSRequest("GET", url).prepare())
        if answer.status_code != HTTPStatus.OK:
            code = _CODE.search(answer.content)
            error = {"Code": code[1].decode() if code else str(answer.status_code)}
            metadata = {"HTTPStatusCode": answer.status_code}
            raise ClientError({"Error": error, "ResponseMetadata": metadata}, "GetObject")


class _Once:
    """Makes a thing when it is first asked for."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Any = None

    def __call__(self) -> Any:  # noqa: ANN401  botocore ships no types
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def _create(place: Place, patience: Patience) -> Any:  # noqa: ANN401  botocore ships no types
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": place.addressing},
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        # Servers other than Amazon's refuse the checksums that botocore adds by itself; the
        # bytes are guarded by Content-MD5.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent="worker-video",
        ignore_configured_endpoint_urls=True,
    )
    with _making:
        return _library().create_client(
            "s3",
            region_name=place.region,
            endpoint_url=place.endpoint_url,
            aws_access_key_id=place.access_key_id,
            aws_secret_access_key=place.secret_access_key,
            config=config,
        )


@cache
def _library() -> Any:  # noqa: ANN401  botocore ships no types
    """Botocore's own session, without the machine's profiles: a place says all that is needed."""
    import botocore.session

    # Each line: name in a profile, environment variable, default, conversion.
    nothing = (None, None, None, None)
    nowhere = (None, None, "/dev/null", None)
    return botocore.session.Session(
        session_vars={
            "profile": nothing,
            "config_file": nowhere,
            "credentials_file": nowhere,
        }
    )
