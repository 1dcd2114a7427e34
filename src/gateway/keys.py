"""`python -m src.gateway.keys`: hand out the operator's own keys, list them, take them back."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from .refusals import Unavailable
from .settings import GatewaySettings
from .store import Database, Keys, Usage
from .store.keys import Allowance, Key
from .store.standing import month_of
from .store.usage import Used

MOST_NAME = 200
#: The column is a 32-bit integer.
MOST_CALLS = 2**31 - 1

COLUMNS = ("NAME", "SINCE", "STATE", "CALLS", "VIDEO S", "GPU S")

Do = Callable[[Database, argparse.Namespace], Awaitable[None]]


def main() -> None:
    """Do what the command line says, in the database of GATEWAY_DATABASE_URL."""
    said = _parser().parse_args()
    try:
        asyncio.run(_with_database(GatewaySettings(), said.do, said))
    except (ValueError, Unavailable) as error:  # pydantic's, too
        sys.exit(f"error: {error}")


async def _with_database(settings: GatewaySettings, do: Do, said: argparse.Namespace) -> None:
    database = Database(settings.database_url)
    try:
        await database.migrate()
        await do(database, said)
    except Unavailable:
        # aiosqlite's thread tells the loop that it ends; one that is closed by then is an error.
        await asyncio.sleep(0.1)
        raise
    finally:
        await database.close()


async def _add(database: Database, said: argparse.Namespace) -> None:
    allowance = Allowance(
        calls=said.calls, video_seconds=said.video_seconds, gpu_seconds=said.gpu_seconds
    )
    _, secret = await Keys(database).add(said.name, allowance, now=time.time())
    print(secret)
    print("It is shown this once: only its hash is kept.", file=sys.stderr)


async def _list(database: Database, said: argparse.Namespace) -> None:  # noqa: ARG001  as the others
    since, until = month_of(time.time())
    used = {item.owner: item for item in await Usage(database).of(since=since, until=until)}
    rows = [_row(key, used.get(key.id, Used(owner=key.id))) for key in await Keys(database).all()]
    _print_table([COLUMNS, *rows])


async def _revoke(database: Database, said: argparse.Namespace) -> None:
    if not await Keys(database).revoke(said.name, now=time.time()):
        raise ValueError(f"no key of this name opens anything: {said.name!r}")
    print(f"{said.name} opens nothing any more.", file=sys.stderr)


def _row(key: Key, used: Used) -> tuple[str, ...]:
    """A key with what it has used of what it may use in this month."""
    most = key.allowance
    return (
        key.name,
        datetime.fromtimestamp(key.created_at, UTC).date().isoformat(),
        "open" if key.revoked_at is None else "revoked",
        _share(used.calls, most.calls),
        _share(used.video_seconds, most.video_seconds),
        _share(used.gpu_seconds, most.gpu_seconds),
    )


def _share(used: float, most: float | None) -> str:
    return f"{used:.10g}" if most is None else f"{used:.10g} of {most:.10g}"


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m src.gateway.keys", description=__doc__)
    commands = parser.add_subparsers(required=True)
    add = commands.add_parser("add", help="make a key, and print it")
    add.add_argument("name", type=_name, help="what bills call it")
    add.add_argument("--calls", type=_calls, help="calls in a calendar month (UTC)")
    add.add_argument("--video-seconds", type=_seconds, help="seconds of video in a month")
    add.add_argument("--gpu-seconds", type=_seconds, help="seconds of a GPU in a month")
    add.set_defaults(do=_add)
    every = commands.add_parser("list", help="every key, and what it has used in this month")
    every.set_defaults(do=_list)
    revoke = commands.add_parser("revoke", help="have a key open nothing any more")
    revoke.add_argument("name", type=_name)
    revoke.set_defaults(do=_revoke)
    return parser


def _name(text: str) -> str:
    if not 0 < len(text.strip()) <= MOST_NAME or not text.isprintable():
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_NAME} printable characters")
    return text.strip()


def _calls(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > MOST_CALLS:
        raise argparse.ArgumentTypeError(f"must be a whole number up to {MOST_CALLS}, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 0 up, got {text!r}")
    return seconds


if __name__ == "__main__":
    main()
