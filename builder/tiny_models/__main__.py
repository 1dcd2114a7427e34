"""`python -m builder.tiny_models OUT [model ids...]`: tiny versions of the manifest's models."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from src.manifest import load_manifest
from src.pipelines.loader import quieten_libraries

from . import build_models


def main() -> None:
    """Build all models, or the named ones."""
    parser = ArgumentParser(prog="python -m builder.tiny_models", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where to: becomes MODELS_DIR")
    parser.add_argument("models", nargs="*", help="ids or aliases of the manifest; all without")
    wanted = parser.parse_args()
    quieten_libraries()
    manifest = load_manifest()
    entries = [manifest.find(name) for name in wanted.models]
    written = build_models(wanted.folder, entries or manifest)
    count = len(entries or manifest.models)
    print(f"{wanted.folder}: {len(written)} written, {count} models ready")


if __name__ == "__main__":
    main()
