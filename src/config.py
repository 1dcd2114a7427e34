"""Settings: the only reader of the environment.

Bootstrap hands the values down; no room below reads settings itself.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]


class Settings(BaseSettings):
    """What the operator may set, each by the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    models_dir: Path = Field(Path("/models"), description="Folder of the baked weights.")
    manifest_path: Path | None = Field(
        None, description="A manifest of your own: its keys go over the packaged ones."
    )
    default_model: str = Field("demo", description="Model that is loaded before the first job.")
    warm_up: bool = Field(True, description="Run one small generation before the first job.")
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
        None, description="Folder for results; unset: they come back as base64."
    )
    inline_limit_mb: float = Field(
        9.5, gt=0, description="Largest result that comes back as base64, measured in base64."
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
