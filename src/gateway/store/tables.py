"""The tables, as the newest migration leaves them; a test holds the two together.

Times are seconds since 1970, as the APIs give them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: One row a video; the names are those of `Video`.
videos = Table(
    "videos",
    metadata,
    Column("id", String(32), primary_key=True),
    #: What ModelsLab's clients know it by: 53 bits that follow from the job's id, or from the
    #: video's own before there is a job.
    Column("number", BigInteger, nullable=False),
    Column("owner", String(64), nullable=False),
    Column("api", String(16), nullable=False),
    Column("endpoint", String(200), nullable=False),
    Column("model", String(200)),
    Column("prompt", Text),
    Column("state", String(16), nullable=False),
    Column("job_id", String(200)),
    Column("idempotency_key", String(200)),
    Column("remixed_from", String(32)),
    Column("progress", Float, nullable=False),
    Column("eta", Float),
    Column("answer", JSON, nullable=False),
    Column("failure", JSON),
    Column("link", Text),
    Column("content_type", String(50), nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("num_frames", Integer),
    Column("fps", Float),
    Column("seconds", Float),
    Column("gpu_seconds", Float),
    Column("created_at", Float(53), nullable=False),
    Column("looked_at", Float(53), nullable=False),
    Column("completed_at", Float(53)),
    Column("expires_at", Float(53), nullable=False),
    Index("ix_videos_number", "number", unique=True),
    Index("ix_videos_owner_api_created_at", "owner", "api", "created_at"),
    Index("ix_videos_owner_idempotency_key", "owner", "idempotency_key", unique=True),
    Index("ix_videos_state_looked_at", "state", "looked_at"),
    Index("ix_videos_expires_at", "expires_at"),
)

#: What was asked, for a remix and for a second try; apart from `videos`, since it can be large.
requests = Table(
    "requests",
    metadata,
    Column("video_id", ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True),
    Column("body", JSON, nullable=False),
)

#: The bytes of videos that are in no bucket, and of pictures made from videos.
contents = Table(
    "contents",
    metadata,
    Column("video_id", ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True),
    #: video, thumbnail or spritesheet.
    Column("variant", String(16), primary_key=True),
    Column("content_type", String(50), nullable=False),
    Column("data", LargeBinary, nullable=False),
)

#: The operator's own keys; what a caller holds is never stored, its SHA-256 is.
keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created_at", Float(53), nullable=False),
    Column("revoked_at", Float(53)),
    #: What it may use in a calendar month (UTC); null is without limit.
    Column("most_calls", Integer),
    Column("most_video_seconds", Float),
    Column("most_gpu_seconds", Float),
)

#: One row a call, which outlives its video: operators bill by it.
usage = Table(
    "usage",
    metadata,
    Column("video_id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("api", String(16), nullable=False),
    Column("model", String(200)),
    Column("state", String(16), nullable=False),
    Column("video_seconds", Float, nullable=False),
    Column("gpu_seconds", Float, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Index("ix_usage_owner_created_at", "owner", "created_at"),
)
