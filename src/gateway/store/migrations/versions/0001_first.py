"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "videos",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("api", sa.String(16), nullable=False),
        sa.Column("endpoint", sa.String(200), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("prompt", sa.Text),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("job_id", sa.String(200)),
        sa.Column("idempotency_key", sa.String(200)),
        sa.Column("remixed_from", sa.String(32)),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("eta", sa.Float),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("failure", sa.JSON),
        sa.Column("link", sa.Text),
        sa.Column("content_type", sa.String(50), nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("num_frames", sa.Integer),
        sa.Column("fps", sa.Float),
        sa.Column("seconds", sa.Float),
        sa.Column("gpu_seconds", sa.Float),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("looked_at", sa.Float(53), nullable=False),
        sa.Column("completed_at", sa.Float(53)),
        sa.Column("expires_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_videos"),
    )
    op.create_index("ix_videos_number", "videos", ["number"], unique=True)
    op.create_index("ix_videos_owner_api_created_at", "videos", ["owner", "api", "created_at"])
    op.create_index(
        "ix_videos_owner_idempotency_key", "videos", ["owner", "idempotency_key"], unique=True
    )
    op.create_index("ix_videos_state_looked_at", "videos", ["state", "looked_at"])
    op.create_index("ix_videos_expires_at", "videos", ["expires_at"])
    op.create_table(
        "requests",
        sa.Column("video_id", sa.String(32), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("video_id", name="pk_requests"),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name="fk_requests_video_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "contents",
        sa.Column("video_id", sa.String(32), nullable=False),
        sa.Column("variant", sa.String(16), nullable=False),
        sa.Column("content_type", sa.String(50), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("video_id", "variant", name="pk_contents"),
        sa.ForeignKeyConstraint(
            ["video_id"], ["videos.id"], name="fk_contents_video_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("revoked_at", sa.Float(53)),
        sa.Column("most_calls", sa.Integer),
        sa.Column("most_video_seconds", sa.Float),
        sa.Column("most_gpu_seconds", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("name", name="uq_keys_name"),
        sa.UniqueConstraint("hash", name="uq_keys_hash"),
    )
    op.create_table(
        "usage",
        sa.Column("video_id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("api", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("video_seconds", sa.Float, nullable=False),
        sa.Column("gpu_seconds", sa.Float, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("video_id", name="pk_usage"),
    )
    op.create_index("ix_usage_owner_created_at", "usage", ["owner", "created_at"])
