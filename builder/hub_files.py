"""Writes .runpod/hub.json and tests.json, by which RunPod's Hub deploys and tries the worker.

`python -m builder.hub_files` writes them; a test holds them against the code. Their form is that
of https://docs.runpod.io/hub/publishing-guide.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from src.config import Settings

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".runpod"

#: CUDA of the drivers that the pinned torch runs with: it is built for 13.0.
CUDA_VERSIONS = ["13.0"]
#: Where CogVideoX-5b, Wan 2.1 1.3B and everything smaller have room without offloading.
GPUS = "ADA_24,AMPERE_24,ADA_48_PRO,AMPERE_48,ADA_80_PRO,AMPERE_80"
#: The image's own, or of no use but on a machine of one's own.
LEFT_OUT = {"models_dir", "output_dir", "device", "allow_private_urls"}
#: What most deployments set; the form folds the others away.
FIRST = {
    "default_model",
    "bucket_endpoint_url",
    "bucket_access_key_id",
    "bucket_secret_access_key",
    "bucket_name",
    "cdn_base_url",
    "webhook_secret",
    "worker_concurrency",
}


def hub() -> dict[str, Any]:
    """What the Hub shows, where it runs the worker, and the form of its settings."""
    return {
        "title": "worker-video",
        "description": "Text, image and video to video with diffusers: Wan, LTX-Video, "
        "HunyuanVideo, CogVideoX, AnimateDiff, SVD. ModelsLab's request format; results to S3 or "
        "base64.",
        "type": "serverless",
        "category": "video",
        "config": {
            "runsOn": "GPU",
            "containerDiskInGb": 30,
            "gpuCount": 1,
            "gpuIds": GPUS,
            "allowedCudaVersions": CUDA_VERSIONS,
            "env": [
                {"key": name.upper(), "input": _input(name, field)}
                for name, field in Settings.model_fields.items()
                if name not in LEFT_OUT
            ],
        },
    }


def self_tests() -> dict[str, Any]:
    """One job that the embedded model does in seconds, on any GPU."""
    job = json.loads((ROOT / "test_input.json").read_text("utf-8"))
    return {
        "tests": [{"name": "embedded_model", "input": job["input"], "timeout": 120_000}],
        "config": {
            "gpuTypeId": "NVIDIA GeForce RTX 4090",
            "gpuCount": 1,
            "env": [],
            "allowedCudaVersions": CUDA_VERSIONS,
        },
    }


def _input(name: str, field: FieldInfo) -> dict[str, Any]:
    """A setting as a field of a form."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not NoneType]
    entry: dict[str, Any] = {
        "name": name.replace("_", " ").capitalize(),
        "description": field.description,
        **_kind(field, kinds[0] if kinds and not _is_choice(field) else field.annotation),
        "required": False,
    }
    if field.default is not None and field.default != "":
        default = field.default
        entry["default"] = default if isinstance(default, bool | int | float) else str(default)
    if name not in FIRST:
        entry["advanced"] = True
    return entry


def _is_choice(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is Literal


def _kind(field: FieldInfo, kind: Any) -> dict[str, Any]:
    if _is_choice(field):
        values = get_args(field.annotation)
        return {"type": "string", "options": [{"label": item, "value": item} for item in values]}
    if kind is bool:
        return {"type": "boolean", "trueValue": "true", "falseValue": "false"}
    if kind in (int, float):
        return {"type": "number", **_bounds(field)}
    return {"type": "string"}


def _bounds(field: FieldInfo) -> dict[str, float]:
    """The form knows no "above": what is refused at start is said at start."""
    bounds: dict[str, Any] = {}
    for rule in field.metadata:
        if isinstance(rule, Ge):
            bounds["min"] = rule.ge
        if isinstance(rule, Gt):
            bounds["min"] = rule.gt
        if isinstance(rule, Le):
            bounds["max"] = rule.le
    return bounds


def texts() -> dict[Path, str]:
    """Each file's path and what stands in it."""
    files = {FOLDER / "hub.json": hub(), FOLDER / "tests.json": self_tests()}
    return {path: json.dumps(value, indent=2) + "\n" for path, value in files.items()}


def main() -> None:
    """Write both."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in texts().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
