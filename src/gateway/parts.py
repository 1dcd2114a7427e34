"""What a running gateway consists of, wired once from its settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..dialects import DIALECTS
from ..dialects.modelslab.answer import number_of
from .accounts import Accounts
from .contents import Contents
from .desk import Desk, Rules
from .endpoint import Endpoint
from .limits import Limits
from .metrics import Metrics
from .models import Models
from .settings import HOUR, GatewaySettings
from .store import Database, Keys, Usage, Videos
from .uploads import Uploads
from .video import Api
from .watcher import Watcher


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Every part; routes reach them through `asking.parts`."""

    settings: GatewaySettings
    database: Database
    keys: Keys
    usage: Usage
    videos: Videos
    accounts: Accounts
    endpoint: Endpoint
    limits: Limits
    desk: Desk
    contents: Contents
    uploads: Uploads
    models: Models
    metrics: Metrics
    watcher: Watcher

    async def close(self) -> None:
        """End what is under way, then every connection."""
        await self.desk.close()
        await self.contents.close()
        await self.endpoint.close()
        await self.database.close()


def build_parts(settings: GatewaySettings, *, clock: Callable[[], float] = time.time) -> Parts:
    """Wire them. Raises ValueError for settings that do not go together."""
    if not settings.endpoint:
        raise ValueError("the endpoint's URL is not set: --endpoint or GATEWAY_ENDPOINT")
    database = Database(settings.database_url)
    keys, usage, videos = Keys(database), Usage(database), Videos(database)
    platform_key = settings.runpod_api_key
    accounts = Accounts(
        keys,
        platform_key=platform_key.get_secret_value() if platform_key else None,
        open_to_all=settings.open_to_all,
    )
    endpoint = Endpoint(settings.endpoint, is_own_key=platform_key is not None)
    limits = Limits.from_settings(settings)
    desk = Desk(
        endpoint=endpoint,
        accounts=accounts,
        videos=videos,
        usage=usage,
        gate=limits,
        dialects={Api(name): dialect for name, dialect in DIALECTS.items()},
        number_of=number_of,
        rules=Rules(keep=settings.keep_hours * HOUR, execution_timeout=settings.execution_timeout),
        clock=clock,
    )
    return Parts(
        settings=settings,
        database=database,
        keys=keys,
        usage=usage,
        videos=videos,
        accounts=accounts,
        endpoint=endpoint,
        limits=limits,
        desk=desk,
        contents=Contents(videos),
        uploads=Uploads.from_settings(settings),
        models=Models.from_settings(settings),
        metrics=Metrics(),
        watcher=Watcher(desk, videos, accounts, period=settings.watch_seconds, clock=clock),
    )
