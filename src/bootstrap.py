"""The wiring: settings in, a worker out. The only file that knows every room."""

from __future__ import annotations

import logging
import sys

from .config import Settings
from .dialects import detect
from .manifest import PACKAGED, Manifest, load_manifest
from .media import Fetcher, Media, Mp4Options, VideoLimits
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
    from .pipelines.choices import Choices
    from .pipelines.loader import Loader, quieten_libraries
    from .pipelines.room import Pipelines
    from .pipelines.weights import missing, present

    quieten_libraries()
    manifest = present(settings.models_dir, read_manifest(settings))
    manifest.find(settings.default_model)
    memory = settings.model_memory_gb
    loader = Loader(
        models_dir=settings.models_dir,
        device=settings.device,
        memory_budget=int(memory * 1000 * MB) if memory else None,
    )
    choices = Choices(
        manifest,
        lora_repos=settings.lora_repos.replace(",", " ").split(),
        is_there=lambda adapter: not missing(settings.models_dir, adapter),
    )
    return Pipelines(
        manifest=manifest,
        loader=loader,
        default_model=settings.default_model,
        choices=choices,
    )


def build_media(settings: Settings) -> Media:
    """The media room with the operator's limits."""
    return Media(
        fetcher=Fetcher(
            max_bytes=int(settings.fetch_max_mb * MB),
            timeout=settings.fetch_timeout,
            read_timeout=settings.fetch_read_timeout,
            allow_private=settings.allow_private_urls,
        ),
        image_max_pixels=int(settings.image_max_megapixels * MB),
        video_limits=VideoLimits(
            max_pixels=int(settings.video_max_megapixels * MB),
            max_seconds=settings.video_max_seconds,
            max_frames=settings.video_max_frames,
            timeout=settings.decode_timeout,
        ),
        mp4=Mp4Options(
            crf=settings.video_crf,
            preset=settings.video_preset,
            timeout=settings.encode_timeout,
        ),
    )


def read_manifest(settings: Settings) -> Manifest:
    """The packaged manifest, with the operator's own over it."""
    own = settings.manifest_path
    return load_manifest(PACKAGED, *([own] if own else []))


def set_up_logging(settings: Settings) -> None:
    """One line per event on stderr, in the form of the platform's own lines."""
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level,
        format="%(levelname)-6s | %(message)s",
        force=True,  # importing the platform's SDK has set up another form already
    )
