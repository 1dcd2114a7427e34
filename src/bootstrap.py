"""The wiring: settings in, a worker out. The only file that knows every room."""

from __future__ import annotations

import logging
import sys
from functools import partial

from .config import Settings
from .dialects import detect
from .manifest import PACKAGED, Manifest, load_manifest
from .media import Media
from .notify import ConsoleProgress, Progress
from .pipelines.base import PipelineRoom
from .storage import InlineStorage, LocalFolder, Storage
from .worker import Worker

MB = 1_000_000


def build_worker(
    settings: Settings | None = None,
    *,
    pipelines: PipelineRoom | None = None,
    media: Media | None = None,
    storage: Storage | None = None,
    progress: Progress | None = None,
) -> Worker:
    """Wire the rooms; each may be handed in instead.

    Raises ModelNotLoaded when no weights are there, UnknownModel when the default model's are
    not, and ValueError (pydantic's) for a setting or manifest that is wrong.
    """
    settings = settings or Settings()
    inline = InlineStorage(limit_bytes=int(settings.inline_limit_mb * MB))
    return Worker(
        detect=detect,
        pipelines=pipelines or build_pipelines(settings),
        media=media or build_media(settings),
        storage=storage or (LocalFolder(settings.output_dir) if settings.output_dir else inline),
        inline=inline,
        progress=progress or ConsoleProgress(),
    )


def build_pipelines(settings: Settings) -> PipelineRoom:
    """The GPU room over the models whose weights are present."""
    # torch and diffusers take seconds to import: only here, and only for who generates.
    from .pipelines.loader import Loader
    from .pipelines.room import Pipelines, served
    from .pipelines.weights import missing

    manifest = served(read_manifest(settings), partial(missing, settings.models_dir))
    manifest.find(settings.default_model)
    memory = settings.model_memory_gb
    loader = Loader(
        models_dir=settings.models_dir,
        device=settings.device,
        memory_budget=int(memory * 1000 * MB) if memory else None,
    )
    return Pipelines(manifest=manifest, loader=loader, default_model=settings.default_model)


def read_manifest(settings: Settings) -> Manifest:
    """The packaged manifest, with the operator's own over it."""
    own = settings.manifest_path
    return load_manifest(PACKAGED, *([own] if own else []))


def set_up_logging(settings: Settings) -> None:
    """One line per event on stderr, beside the platform's own lines."""
    logging.basicConfig(
        stream=sys.stderr, level=settings.log_level, format="%(levelname)-7s| %(message)s"
    )
