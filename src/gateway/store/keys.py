"""The operator's own keys, which stand for the platform's one; kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import IntegrityError

from .database import Database
from .tables import keys

#: So that a key is known for what it is wherever it turns up.
PREFIX = "wv_"
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What a key may use in a calendar month (UTC); None is without limit."""

    calls: int | None = None
    video_seconds: float | None = None
    gpu_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Key:
    """One of the operator's keys; what its holder shows is known to the holder alone."""

    id: str
    name: str
    created_at: float
    revoked_at: float | None
    allowance: Allowance


class Keys:
    """Every key that there ever was."""

    def __init__(self, database: Database) -> None:
        """Nothing is asked of the database yet."""
        self._database = database

    async def add(self, name: str, allowance: Allowance, *, now: float) -> tuple[Key, str]:
        """A new key, and the secret that its holder shows, which is not to be had again.

        Raises ValueError for a name that there is already, or that cannot be one.
        """
        if not (1 <= len(name) <= LONGEST_NAME and name.isprintable()):
            raise ValueError(
                f"name must be 1 to {LONGEST_NAME} printable characters, got {name[:80]!r}"
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        row = {
            "id": uuid.uuid4().hex,
            "name": name,
            "hash": hash_of(secret),
            "created_at": now,
            "most_calls": allowance.calls,
            "most_video_seconds": allowance.video_seconds,
            "most_gpu_seconds": allowance.gpu_seconds,
        }
        query = insert(keys).values(**row).returning(keys)
        try:
            async with self._database.begin() as transaction:
                made = (await transaction.execute(query)).mappings().one()
        except IntegrityError:
            raise ValueError(f"name must be a new one, got {name!r}") from None
        return _key(made), secret

    async def find(self, secret: str) -> Key | None:
        """The key of this secret, unless it was revoked."""
        query = select(keys).where(keys.c.hash == hash_of(secret), keys.c.revoked_at.is_(None))
        async with self._database.begin(reads=True) as transaction:
            row = (await transaction.execute(query)).mappings().first()
        return _key(row) if row else None

    async def all(self) -> Sequence[Key]:
        """Every key, the revoked ones too, oldest first."""
        query = select(keys).order_by(keys.c.created_at)
        async with self._database.begin(reads=True) as transaction:
            return [_key(row) for row in (await transaction.execute(query)).mappings()]

    async def revoke(self, name: str, *, now: float) -> bool:
        """Have a key open nothing any more; whether there was one to revoke."""
        query = update(keys).where(keys.c.name == name, keys.c.revoked_at.is_(None))
        async with self._database.begin() as transaction:
            return (await transaction.execute(query.values(revoked_at=now))).rowcount > 0


def hash_of(secret: str) -> str:
    """What is kept of a key. It is random and long: a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: RowMapping) -> Key:
    return Key(
        id=row["id"],
        name=row["name"],
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        allowance=Allowance(
            calls=row["most_calls"],
            video_seconds=row["most_video_seconds"],
            gpu_seconds=row["most_gpu_seconds"],
        ),
    )
