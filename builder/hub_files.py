"""Writes .runpod/hub.json and tests.json, by which RunPod's Hub deploys and tries the worker.

`python -m builder.hub_files` writes them; a test holds them against the code. Their form is that
of https://docs.runpod.io/hub/publishing-guide.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .settings_table import Setting, settings

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".runpod"

#: CUDA of the drivers that the pinned torch runs with: it is built for 13.0.
CUDA_VERSIONS = ["13.0"]
#: From where CogVideoX-2B, SVD, Wan 2.1 1.3B and everything smaller stay on the GPU as a whole.
GPUS = "ADA_24,AMPERE_24,ADA_48_PRO,AMPERE_48,ADA_80_PRO,AMPERE_80"
#: The image's own, or of no use but on a machine of one's own.
LEFT_OUT = {"MODELS_DIR", "OUTPUT_DIR", "DEVICE", "ALLOW_PRIVATE_URLS"}


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
                {"key": setting.variable, "input": _input(setting)}
                for setting in settings()
                if setting.variable not in LEFT_OUT
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


def _input(setting: Setting) -> dict[str, Any]:
    """A setting as a field of a form."""
    entry: dict[str, Any] = {
        "name": setting.variable.replace("_", " ").capitalize(),
        "description": setting.meaning,
        **_kind(setting),
        "required": False,
    }
    if setting.default is not None and setting.default != "":
        default = setting.default
        entry["default"] = default if isinstance(default, bool | int | float) else str(default)
    if not setting.is_essential:
        entry["advanced"] = True
    return entry


def _kind(setting: Setting) -> dict[str, Any]:
    if setting.choices:
        options = [{"label": choice, "value": choice} for choice in setting.choices]
        return {"type": "string", "options": options}
    if setting.kind is bool:
        return {"type": "boolean", "trueValue": "true", "falseValue": "false"}
    if setting.kind in (int, float):
        return {"type": "number", **_bounds(setting)}
    return {"type": "string"}


def _bounds(setting: Setting) -> dict[str, float]:
    """The form knows no "above": what is refused at start is said at start."""
    names = {"min": "min", "above": "min", "max": "max"}
    return {names[name]: value for name, value in setting.bounds.items() if name in names}


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
