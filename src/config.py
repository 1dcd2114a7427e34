"""Settings: the only reader of the environment.

Bootstrap hands the values down; no room below reads settings itself.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]


def _without_dots(prefix: str) -> str:
    """Clients of a link take such segments out of it, and its signature does not fit any more."""
    if {".", ".."} & set(prefix.split("/")):
        raise ValueError("must have no segment that is . or ..")
    return prefix


Prefix = Annotated[str, AfterValidator(_without_dots)]


class Settings(BaseSettings):
    """What the operator may set, each by the environment variable of the same name in capitals."""

    # Forms of the platform's console set what is left empty to "".
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    models_dir: Path = Field(Path("/models"), description="Folder of the baked weights.")
    model_cache_dir: Path = Field(
        Path("/runpod-volume/huggingface-cache/hub"),
        description="RunPod's cached models, looked in for what is not baked.",
    )
    volume_models_dir: Path = Field(
        Path("/runpod-volume/models"),
        description="Folder of weights on a network volume, laid out as MODELS_DIR, looked in for "
        "what neither of the two has.",
    )
    download_models: str = Field(
        "",
        description="Models to fetch from the Hub before the first job where no folder has them: "
        "`wan2.1, ltx-video`. They go to VOLUME_MODELS_DIR where that can be written, else below "
        "STATE_DIR. Empty: nothing is ever downloaded.",
    )
    hf_token: SecretStr | None = Field(
        None, description="Token of the Hub for DOWNLOAD_MODELS whose licence has to be accepted."
    )
    hash_weights: bool = Field(
        False,
        description="Hold the hash of every file of weights against the lock before the first job; "
        "that reads all of them. Sizes, and hashes of small files, are checked in any case.",
    )
    manifest_path: Path | None = Field(
        None, description="A manifest of your own: its keys go over the packaged ones."
    )
    default_model: str = Field("demo", description="Model that is loaded before the first job.")
    warm_up: bool | None = Field(
        None,
        description="Run one small generation before the first job; unset: on a GPU, and "
        "where the default model is compiled.",
    )
    device: Literal["auto", "cuda", "cpu"] = Field("auto", description="Where models run.")
    model_memory_gb: float | None = Field(
        None,
        gt=0,
        description="Memory for resident models; unset: 85% of the GPU's, or half of the RAM.",
    )
    lora_repos: str = Field(
        "",
        description="Repositories whose LoRAs a request may name besides the manifest's, with "
        "wildcards: `owner/*, other/name`. Their weights lie under MODELS_DIR.",
    )
    output_dir: Path | None = Field(
        None,
        description="Folder for results where there is no bucket; unset: they come back as base64.",
    )
    inline_limit_mb: float = Field(
        9.5, gt=0, description="Largest answer to a job of /run: the platform refuses 10 MB."
    )
    inline_limit_sync_mb: float = Field(
        19.5, gt=0, description="Largest answer to a job of /runsync: the platform refuses 20 MB."
    )

    bucket_endpoint_url: str | None = Field(
        None,
        description="S3 endpoint, with the bucket's name in it or without. Unset: Amazon's, where "
        "BUCKET_NAME is set.",
    )
    bucket_access_key_id: SecretStr | None = Field(None, description="Its access key.")
    bucket_secret_access_key: SecretStr | None = Field(None, description="Its secret key.")
    bucket_name: str | None = Field(
        None, description="The bucket; unset: the one that the endpoint's URL names."
    )
    bucket_region: str | None = Field(
        None,
        description="Its region; unset: the one that the provider's host name says, or us-east-1.",
    )
    bucket_addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", description="Whether the bucket's name goes into the path or into the host name."
    )
    bucket_prefix: Prefix = Field("videos", description="Where results lie in the bucket.")
    bucket_temp_prefix: Prefix = Field(
        "temp",
        description="Where results of jobs with `temp` lie, and notes on jobs under way; "
        "`python -m src.bucket install-temp-rule` has both deleted after a day.",
    )
    bucket_url_lifetime: int = Field(
        86_400,
        ge=60,
        le=604_800,
        description="Seconds that a signed link works; S3 knows at most a week.",
    )
    bucket_part_mb: float = Field(
        16,
        gt=0,
        le=5000,
        description="Larger results go up in parts of this size; S3 itself takes none below 5.25.",
    )
    bucket_poster: bool = Field(False, description="Put a jpg of the first frame beside a video.")
    bucket_result_json: bool = Field(False, description="Put the answer as JSON beside a video.")
    cdn_base_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="Public URL of the bucket's root; links are made from it, unsigned.",
    )

    webhook_secret: SecretStr | None = Field(
        None,
        description="Signs webhooks by the Standard Webhooks rules: whsec_ and base64 of 24 to "
        "64 bytes.",
    )
    webhook_timeout: float = Field(15, gt=0, description="Seconds for one try of a webhook.")
    webhook_attempts: int = Field(4, ge=1, le=10, description="Tries of a webhook.")

    worker_concurrency: int = Field(
        1,
        ge=1,
        le=16,
        description="Jobs held at once. They take turns on the GPU; above 1, what comes before "
        "and after overlaps with the next job's generation.",
    )
    job_timeout: float = Field(
        3600,
        gt=0,
        description="Seconds until a job's video must be there; stay below the endpoint's "
        "execution timeout to have a clear error.",
    )
    max_attempts: int = Field(
        2,
        ge=0,
        description="How often a job is begun whose worker died of it; 0: for ever.",
    )
    state_dir: Path = Field(
        Path("/tmp/worker-video"),  # noqa: S108  ids and numbers only, of no use to anyone else
        description="Folder for notes on jobs under way, where there is no bucket. A network "
        "volume lets other workers see them.",
    )

    allow_private_urls: bool = Field(
        False, description="Fetch from private addresses too. For local tests only."
    )
    fetch_max_mb: float = Field(100, gt=0, description="Largest input file, decoded.")
    fetch_timeout: float = Field(60, gt=0, description="Seconds for one input, redirects included.")
    fetch_read_timeout: float = Field(15, gt=0, description="Seconds between two bytes of one.")
    image_max_megapixels: float = Field(40, gt=0, description="Largest input image.")
    video_max_megapixels: float = Field(9, gt=0, description="Largest input video frame.")
    video_max_seconds: float = Field(120, gt=0, description="Longest input video.")
    video_max_frames: int = Field(3600, gt=0, description="Most frames of an input video.")
    decode_timeout: float = Field(60, gt=0, description="Seconds for reading one input video.")

    video_crf: int = Field(21, ge=0, le=51, description="H.264 quality: lower is better, larger.")
    video_preset: Preset = Field("superfast", description="x264's speed.")
    encode_timeout: float = Field(600, gt=0, description="Seconds for writing one video.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="One JSON object a line, or words; auto: JSON on the platform."
    )


class Platform(BaseSettings):
    """What RunPod sets for its workers, under its own names."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="RUNPOD_")

    webhook_get_job: str | None = Field(
        None, description="Where the SDK takes jobs from; unset: not on the platform."
    )
    webhook_post_output: str | None = Field(
        None, description="Where the SDK posts results; progress goes there, too."
    )
    pod_id: str | None = Field(None, description="Name of the worker.")
    log_level: str = Field(
        "INFO",
        description="Least level of the SDK's own lines. The image sets INFO: at its own default, "
        "DEBUG, the SDK prints whole answers.",
    )

    @property
    def is_there(self) -> bool:
        """Whether jobs come from the platform, and not from a file or a development server."""
        return self.webhook_get_job is not None
