"""Writes docs/models.md from the manifest: models, adapters and tools.

`python -m builder.models_docs` writes it; a test holds the page against the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from src.generation import Task
from src.manifest import AdapterEntry, Manifest, ModelEntry, ToolEntry, load_manifest

PAGE = Path(__file__).parent.parent / "docs" / "models.md"

INTRODUCTION = """\
# Models, adapters, tools

<!-- Written by `make docs` from src/manifest/manifest.toml; edits here are lost. -->

What the packaged manifest names. A worker serves what has its weights under `MODELS_DIR`;
`MANIFEST_PATH` adds more, or changes these. What each parameter does on each family stands in
[parameters.md](parameters.md). Licences are those of the weights, as their pages state them.

"""


def page() -> str:
    """The whole page."""
    manifest = load_manifest()
    return INTRODUCTION + "\n".join(
        [
            "## Models\n",
            _table(
                ("model_id", "also", "family", "tasks", "by default", "at most", "licence"),
                map(_model, manifest),
            ),
            "## Adapters\n",
            _table(("name", "kind", "for", "weights", "licence"), _adapters(manifest)),
            "## Tools\n",
            _table(("name", "what for", "weights", "licence"), map(_tool, manifest.tools)),
        ]
    )


def _model(entry: ModelEntry) -> tuple[str, ...]:
    defaults, limits = entry.default_parameters(), entry.limits
    width, height, num_frames = defaults.shape
    short = [alias for alias in entry.aliases if "/" not in alias]
    return (
        f"`{entry.id}`",
        ", ".join(f"`{alias}`" for alias in short),
        f"`{entry.family}`",
        " ".join(task for task in Task if task in entry.tasks),
        f"{width}x{height}, {num_frames} frames at {defaults.fps} fps, "
        f"{defaults.num_inference_steps} steps",
        f"{limits.pixels / 1e6:.2g} MP, {limits.num_frames} frames",
        entry.licence,
    )


def _adapters(manifest: Manifest) -> Iterable[tuple[str, ...]]:
    for adapter in sorted(manifest.adapters, key=lambda item: (item.kind, item.id)):
        yield _adapter(adapter)


def _adapter(adapter: AdapterEntry) -> tuple[str, ...]:
    weights = f"`{adapter.repo}`" if adapter.repo else "none: stands for no change"
    models = ", ".join(f"`{model}`" for model in sorted(adapter.models))
    return f"`{adapter.id}`", adapter.kind.value, models, weights, adapter.licence


def _tool(tool: ToolEntry) -> tuple[str, ...]:
    return f"`{tool.id}`", tool.kind.value, f"`{tool.repo}`", tool.licence


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
