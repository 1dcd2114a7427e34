"""Bakes what the manifest names: fetched from the Hub at a locked commit, stored as it is served.

`python -m builder.fetch_models --models wan2.1 --out MODELS_DIR`. Folders are those that the
worker reads, MODELS_DIR/<owner>/<name>; MODELS_DIR/lock.json says what is in them.
"""

from __future__ import annotations

from src.pipelines.weights.hub import Hub, find_token

from .bake import Rules, bake, choose
from .failures import BakeFailed

__all__ = ["bake", "choose", "Rules", "Hub", "find_token", "BakeFailed"]
