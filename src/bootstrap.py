"""The wiring: settings in, a worker out. The only file that knows every room."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from .addresses import is_public
from .config import Platform, Settings
from .delivery import Delivery
from .dialects import detect
from .manifest import PACKAGED, Manifest, load_manifest
from .media import Fetcher, Media, Mp4Options, VideoLimits
from .notify import ConsoleProgress, PlatformProgress, Progress, Several, Webhook
from .pipelines.base import PipelineRoom
from .pipelines.weights import Places
from .readahead import read_ahead
from .startup import phase
from .storage import Attempts, FolderAttempts, InlineStorage, LocalFolder, Shelves, Storage
from .storage.s3 import BucketAttempts, Place, S3Storage, Sizes
from .worker import Limits, Worker

MB = 1_000_000


def build_worker(
    settings: Settings | None = None,
    *,
    platform: Platform | None = None,
    pipelines: PipelineRoom | None = None,
    media: Media | None = None,
    storage: Storage | None = None,
    attempts: Attempts | None = None,
    progress: Progress | None = None,
    webhook: Webhook | None = None,
) -> Worker:
    """Wire the rooms; each may be handed in instead.

    Raises ModelNotLoaded when no weights are there, UnknownModel when the default model's are
    not, and ValueError (pydantic's) for a setting or manifest that is wrong.
    """
    settings, platform = settings or Settings(), platform or Platform()
    media = media or build_media(settings)
    storage = storage or build_storage(settings)
    return Worker(
        detect=detect,
        pipelines=pipelines or build_pipelines(settings),
        media=media,
        delivery=build_delivery(settings, storage, media),
        attempts=attempts or build_attempts(settings, storage),
        progress=progress or build_progress(platform),
        webhook=webhook or build_webhook(settings),
        limits=Limits(
            job_seconds=settings.job_timeout,
            attempts=settings.max_attempts,
            redelivery=platform.is_there,
        ),
    )


def build_pipelines(settings: Settings) -> PipelineRoom:
    """The GPU room over the models whose weights are present."""
    from .pipelines.choices import Choices
    from .pipelines.weights import files_of, missing, present
    from .pipelines.weights.sources import tell

    manifest = read_manifest(settings)
    places = build_places(settings, manifest)
    manifest = present(places, manifest)
    tell(places, manifest)
    read_ahead(files_of(places, manifest.find(settings.default_model)))
    # torch and diffusers take seconds to import: only here, and only for who generates. The disk
    # has these seconds for the weights.
    with phase("libraries"):
        from .pipelines.loader import Loader, quieten_libraries
        from .pipelines.room import Pipelines

        quieten_libraries()
    memory = settings.model_memory_gb
    loader = Loader(
        models_dir=places,
        device=settings.device,
        memory_budget=int(memory * 1000 * MB) if memory else None,
        hash_weights=settings.hash_weights,
    )
    choices = Choices(
        manifest,
        lora_repos=_names(settings.lora_repos),
        is_there=lambda adapter: not missing(places, adapter),
    )
    return Pipelines(
        manifest=manifest,
        loader=loader,
        default_model=settings.default_model,
        choices=choices,
    )


def build_places(settings: Settings, manifest: Manifest) -> Places:
    """Where weights lie; models that are to be fetched are there afterwards.

    Raises ModelNotLoaded where fetching fails, and UnknownModel for a name that is no model's.
    """
    from .pipelines.weights.hub import Hub, find_token
    from .pipelines.weights.sources import Sources

    sources = Sources(
        models_dir=settings.models_dir,
        cache_dir=settings.model_cache_dir,
        volume_dir=settings.volume_models_dir,
        downloads_dir=settings.state_dir / "models",
        downloads=tuple(_names(settings.download_models)),
        lora_repos=tuple(_names(settings.lora_repos)),
    )
    return sources.find(manifest, hub=lambda: Hub(token=_secret(settings.hf_token) or find_token()))


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


def build_storage(settings: Settings) -> Storage:
    """Where results go that no job sends elsewhere: the bucket, a folder, or the answer."""
    bucket = build_bucket(settings)
    if bucket:
        return bucket
    return LocalFolder(settings.output_dir) if settings.output_dir else InlineStorage()


def build_bucket(settings: Settings) -> S3Storage | None:
    """The operator's bucket, if there is one. Raises ValueError for settings that do not fit."""
    if not (settings.bucket_endpoint_url or settings.bucket_name):
        return None
    place = Place.from_settings(
        endpoint_url=settings.bucket_endpoint_url,
        access_key_id=_secret(settings.bucket_access_key_id),
        secret_access_key=_secret(settings.bucket_secret_access_key),
        bucket=settings.bucket_name,
        region=settings.bucket_region,
        addressing=settings.bucket_addressing,
    )
    return _bucket(settings, place, cdn_base_url=settings.cdn_base_url)


def build_delivery(settings: Settings, storage: Storage, media: Media) -> Delivery:
    """The ladder over the shelves."""
    allows = None if settings.allow_private_urls else is_public
    shelves = Shelves(
        default=storage,
        inline=InlineStorage(),
        # The operator's CDN is not in front of a caller's own bucket.
        callers=lambda place: _bucket(settings, place, allows=allows),
    )
    return Delivery(
        shelves=shelves,
        media=media,
        limit_bytes=int(settings.inline_limit_mb * MB),
        sync_limit_bytes=int(settings.inline_limit_sync_mb * MB),
        poster=settings.bucket_poster,
        result_json=settings.bucket_result_json,
    )


def build_attempts(settings: Settings, storage: Storage) -> Attempts:
    """The memory of jobs under way: in the bucket, which every worker sees, or in a folder."""
    if isinstance(storage, S3Storage):
        return BucketAttempts(storage)
    return FolderAttempts(settings.state_dir)


def build_progress(platform: Platform) -> Progress:
    """Whoever is to hear how far a job is: this console, and the platform where there is one."""
    console = ConsoleProgress()
    if not platform.webhook_post_output:
        return console
    return Several(
        console,
        PlatformProgress(url_template=platform.webhook_post_output, pod_id=platform.pod_id or ""),
    )


def build_webhook(settings: Settings) -> Webhook:
    """What posts to a request's own webhook."""
    return Webhook(
        secret=_secret(settings.webhook_secret),
        timeout=settings.webhook_timeout,
        attempts=settings.webhook_attempts,
        allow_private=settings.allow_private_urls,
    )


def read_manifest(settings: Settings) -> Manifest:
    """The packaged manifest, with the operator's own over it."""
    own = settings.manifest_path
    return load_manifest(PACKAGED, *([own] if own else []))


def _bucket(
    settings: Settings,
    place: Place,
    *,
    cdn_base_url: str | None = None,
    allows: Callable[[str], bool] | None = None,
) -> S3Storage:
    part = int(settings.bucket_part_mb * MB)
    return S3Storage(
        place,
        prefix=settings.bucket_prefix,
        temp_prefix=settings.bucket_temp_prefix,
        url_lifetime=settings.bucket_url_lifetime,
        cdn_base_url=cdn_base_url,
        allows=allows,
        sizes=Sizes(multipart_above=part, part=part),
    )


def _names(text: str) -> list[str]:
    """What stands in a list with commas or spaces in between."""
    return text.replace(",", " ").split()


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None
