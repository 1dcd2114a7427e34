"""The operator's keys: found by what their holders show, which is kept nowhere."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from src.gateway.store import Database, Keys
from src.gateway.store.keys import Allowance
from tests.gateway.store.examples import NOW

SOME = Allowance(calls=10, video_seconds=1.5, gpu_seconds=1e9)


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database)


@pytest.mark.parametrize("allowance", [Allowance(), SOME])
async def test_a_key_is_found_by_its_secret_until_it_is_revoked(
    keys: Keys, allowance: Allowance
) -> None:
    key, secret = await keys.add("Zoë", allowance, now=NOW)
    assert await keys.find(secret) == key
    assert (key.name, key.allowance, key.created_at) == ("Zoë", allowance, NOW)
    assert await keys.revoke("Zoë", now=NOW + 1)
    assert not await keys.revoke("Zoë", now=NOW + 2)
    assert await keys.find(secret) is None
    (left,) = await keys.all()
    assert left.revoked_at == NOW + 1


@pytest.mark.parametrize("shown", ["", "wv_", "wv_ \x00", "wv_\ud800", "é" * 10_000, "' OR 1=1 --"])
async def test_nothing_else_is_a_key(keys: Keys, shown: str) -> None:
    await keys.add("a", Allowance(), now=NOW)
    assert await keys.find(shown) is None


async def test_one_name_is_one_key_however_many_ask(keys: Keys) -> None:
    made = await asyncio.gather(
        *(keys.add("a", SOME, now=NOW) for _ in range(5)), return_exceptions=True
    )
    refused = [str(item) for item in made if isinstance(item, ValueError)]
    assert refused == ["name must be a new one, got 'a'"] * 4
    assert len(await keys.all()) == 1


@pytest.mark.parametrize("name", ["", "a\x00b", "\ud800", "n" * 201, "a\nb"])
async def test_a_name_that_cannot_be_kept_is_refused(keys: Keys, name: str) -> None:
    with pytest.raises(ValueError, match="name must be 1 to 200 printable characters"):
        await keys.add(name, Allowance(), now=NOW)


async def test_the_secret_stands_in_no_table(database: Database, keys: Keys) -> None:
    _, secret = await keys.add("a", SOME, now=NOW)
    async with database.begin(reads=True) as connection:
        row = (await connection.execute(text("SELECT * FROM keys"))).mappings().one()
    assert not [value for value in row.values() if secret in str(value)]
