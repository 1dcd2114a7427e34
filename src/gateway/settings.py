"""The gateway's settings: its only reader of the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

HOUR = 3600


class GatewaySettings(BaseSettings):
    """What the operator may set: each by an environment variable, GATEWAY_ and the name."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_prefix="GATEWAY_",
        env_ignore_empty=True,
        str_strip_whitespace=True,  # a secret out of a file ends with a line's end
    )

    endpoint: str = Field(
        "",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="The endpoint's URL: https://api.runpod.ai/v2/<endpoint>. Also --endpoint.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on. Also --host.")
    port: int = Field(8080, ge=0, le=65_535, description="Port to listen on. Also --port.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="How callers reach the gateway, for the links that it gives; unset: as the "
        "request says.",
    )
    database_url: str = Field(
        "sqlite:///gateway.db",
        description="Where videos, keys and usage are kept: SQLite, or "
        "postgresql://user:password@host/name, which several gateways may share.",
    )

    runpod_api_key: SecretStr | None = Field(
        None,
        description="The platform's key, which the operator's own keys stand for; unset: callers "
        "show a key of the platform, and it is passed through.",
    )
    open_to_all: bool = Field(
        False,
        description="Take every caller without a key, at the cost of GATEWAY_RUNPOD_API_KEY. For "
        "one machine only.",
    )
    admin_key: SecretStr | None = Field(
        None, description="Opens the usage of all keys, and /metrics where it is set."
    )
    cors_origins: str = Field(
        "", description="Origins whose pages may call, with commas between them, or *."
    )

    models: str = Field(
        "",
        description="Ids of the models that the endpoint serves, with commas between them: listed "
        "at /v1/models, and others are refused at once. Unset: all of the manifest are listed.",
    )
    default_model: str = Field("demo", description="The worker's default model, for /v1/models.")
    wait_seconds: float = Field(
        25, ge=0, le=600, description="How long ModelsLab's calls wait before `processing`."
    )
    sync_seconds: float = Field(
        600, gt=0, le=3600, description="How long /v1/videos/sync and /video wait."
    )
    failed_as_error: bool = Field(
        False,
        description="Answer for a failed video with its error's status, as vLLM-Omni does, rather "
        "than with 200 and `failed`, as OpenAI does.",
    )
    execution_timeout: float | None = Field(
        None,
        ge=5,
        le=604_800,
        description="Seconds that a job may take; unset: as the endpoint has it.",
    )

    keep_hours: float = Field(
        24, gt=0, description="How long a video can be asked for after its call."
    )
    watch_seconds: float = Field(
        5,
        gt=0,
        le=600,
        description="How often a video under way is looked at that nobody asks for.",
    )

    max_body_mb: float = Field(100, gt=0, description="Largest request, uploads included.")
    max_open: int = Field(50, ge=1, description="Videos under way of one key.")
    max_per_minute: int = Field(120, ge=1, description="Calls for a video of one key in a minute.")

    bucket_endpoint_url: str | None = Field(
        None, description="S3 endpoint for uploads that are too large for a job's body (10 MB)."
    )
    bucket_access_key_id: SecretStr | None = Field(None, description="Its access key.")
    bucket_secret_access_key: SecretStr | None = Field(None, description="Its secret key.")
    bucket_name: str | None = Field(None, description="The bucket.")
    bucket_region: str | None = Field(None, description="Its region.")
    bucket_addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", description="Whether the bucket's name goes into the path or into the host name."
    )
    bucket_prefix: str = Field("uploads", description="Where uploads lie; let a rule delete them.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged."
    )
    log_format: Literal["json", "text"] = Field(
        "text", description="One JSON object a line, or words."
    )
