"""ModelsLab's endpoints: how callers name them, what each reads, what each documents as default."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from ...generation import Parameters, Task
from .body import Body, Img2Video, Text2Video, Video2Video

#: Fields that are generation parameters under the same name.
PARAMETERS = frozenset(item.name for item in fields(Parameters))


def parameters(said: dict[str, Any]) -> Parameters:
    """ModelsLab's words in diffusers'.

    ModelsLab counts CLIP's layers from 1, diffusers the skipped ones; a seed of -1 is no seed.
    """
    ours = {name: value for name, value in said.items() if name in PARAMETERS}
    ours["clip_skip"] = (said.get("clip_skip") or 1) - 1 or None
    ours["flow_shift"] = said.get("sample_shift")
    if said.get("lora"):
        names, scales = zip(*said["lora"], strict=True)
        ours |= {"lora_models": names, "lora_strength": scales}
    if said.get("seed") == -1:
        ours["seed"] = None
    return Parameters(**ours)


def sides(short: int, *, portrait: bool) -> dict[str, int]:
    """Width and height at 16:9 (9:16), both even: 480 is 854x480."""
    long = (short * 8 + 4) // 9 * 2
    return {"width": short, "height": long} if portrait else {"width": long, "height": short}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint: the task that it asks for, its body, its documented defaults."""

    task: Task
    body: type[Body]
    defaults: Parameters


def _plain(task: Task, body: type[Body]) -> Endpoint:
    documented = {
        name: item.default for name, item in body.model_fields.items() if not item.is_required()
    }
    return Endpoint(task=task, body=body, defaults=parameters(documented))


def _ultra(endpoint: Endpoint) -> Endpoint:
    """The same with the defaults of the ultra endpoints (their guidance is documented nowhere)."""
    larger: dict[str, Any] = {
        **sides(480, portrait=False),
        "num_frames": 81,
        "fps": 16,
        "num_inference_steps": 25,
        "flow_shift": 5.0,
        "guidance_scale": None,
    }
    return replace(endpoint, defaults=replace(endpoint.defaults, **larger))


TEXT2VIDEO = _plain(Task.TEXT2VIDEO, Text2Video)
IMG2VIDEO = _plain(Task.IMG2VIDEO, Img2Video)
VIDEO2VIDEO = _plain(Task.VIDEO2VIDEO, Video2Video)

ENDPOINTS = {
    "text2video": TEXT2VIDEO,
    "img2video": IMG2VIDEO,
    "video2video": VIDEO2VIDEO,
    "text2video_ultra": _ultra(TEXT2VIDEO),
    "img2video_ultra": _ultra(IMG2VIDEO),
    "text-to-video": TEXT2VIDEO,
    "image-to-video": IMG2VIDEO,
    "video-to-video": VIDEO2VIDEO,
}


def endpoint_named(said: str) -> Endpoint | None:
    """The endpoint of a name, a path or a URL.

    >>> endpoint_named("https://modelslab.com/api/v6/video/img2video").task
    <Task.IMG2VIDEO: 'img2video'>

    The enterprise API says "ultra" in the folder: `ultra_video/text2video`.
    """
    *folders, name = said.strip().casefold().partition("?")[0].rstrip("/").split("/")
    if folders and "ultra" in folders[-1].split("_"):
        name = f"{name}_ultra"
    return ENDPOINTS.get(name)
