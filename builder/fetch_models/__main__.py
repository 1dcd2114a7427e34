"""`python -m builder.fetch_models --models demo,wan2.1 --out MODELS_DIR`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from src.errors import WorkerError
from src.manifest import PACKAGED, load_manifest
from src.pipelines.loader import quieten_libraries

from . import Hub, Rules, bake, choose, find_token

LOCK = Path(__file__).parent.parent / "models.lock.json"


def main(arguments: list[str] | None = None, *, hub: Hub | None = None) -> int:
    """Bake the named models, and what belongs to them."""
    wanted = _parser().parse_args(arguments)
    quieten_libraries()
    try:
        _bake(wanted, hub or Hub(token=find_token()))
    except (WorkerError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _bake(wanted: Namespace, hub: Hub) -> None:
    manifest = load_manifest(PACKAGED, *wanted.manifest)
    names = [name.strip() for name in wanted.models.split(",") if name.strip()]
    chosen = choose(
        manifest, names, adapters=not wanted.without_adapters, tools=not wanted.without_tools
    )
    for entry in chosen.models:
        upscaler = manifest.find(entry.id).upscaler
        if upscaler and entry.upscaler is None:
            print(f"{entry.id}: without its upscaler, name {upscaler} too to have it")
    bake(
        chosen,
        hub=hub,
        out=wanted.out,
        lock=wanted.lock,
        rules=Rules(update=wanted.update, frozen=wanted.frozen, stored=wanted.dtype),
    )
    print(f"{wanted.out}: {', '.join(entry.id for entry in chosen.models)} ready")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m builder.fetch_models", description=main.__doc__)
    parser.add_argument("--models", required=True, help="ids or aliases, with commas in between")
    parser.add_argument("--out", required=True, type=Path, help="where to: becomes MODELS_DIR")
    parser.add_argument("--lock", type=Path, default=LOCK, help="commits and hashes (%(default)s)")
    parser.add_argument(
        "--dtype",
        choices=("served", "published"),
        default="served",
        help="what weights are stored in: what the manifest serves them in, or as they come",
    )
    parser.add_argument(
        "--manifest", type=Path, action="append", default=[], help="over the packaged manifest"
    )
    parser.add_argument("--without-adapters", action="store_true")
    parser.add_argument("--without-tools", action="store_true")
    parser.add_argument("--update", action="store_true", help="newest commits, and a new lock")
    parser.add_argument("--frozen", action="store_true", help="refuse what the lock has not")
    return parser


if __name__ == "__main__":
    sys.exit(main())
