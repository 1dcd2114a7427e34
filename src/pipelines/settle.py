"""From what was asked to what will be done: defaults filled in, limits held, leftovers named.

Arithmetic on records; knows no weights.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import InvalidRequest, UnsupportedTask, field_error
from ..generation import MEDIA, GenerationRequest, Parameters, Task
from ..manifest import Limits, ModelEntry, ToolKind
from .adapters import LORAS
from .choices import NAMING, Choices
from .family import UPSCALING, Family

#: Random seeds stay below this, as ModelsLab's do; any language's integers hold them.
SEEDS = 2**32
#: Parameters that mean nothing where another is absent.
BELONGS_TO: Mapping[str, str] = {
    "improved_sampling_seed": "use_improved_sampling",
    **{strength: name for name, strength in LORAS.items()},
    "ip_adapter_scale": "ip_adapter_id",
    "frame_interpolation_exp": "enable_frame_interpolation",
    "frame_interpolation_scale": "enable_frame_interpolation",
}
#: Adapters that mean nothing without an image, and the other way round.
READS: Mapping[str, str] = {"ip_adapter_id": "ip_adapter_image", "controlnet": "controlnet_images"}
#: What goes in with each task, by the request's name for it.
STARTS_FROM = {Task.IMG2VIDEO: "image", Task.VIDEO2VIDEO: "video"}


def settle(
    request: GenerationRequest, *, entry: ModelEntry, family: Family, choices: Choices
) -> GenerationRequest:
    """The same request with every parameter that will be effective, and no other.

    What the caller set goes over what the caller's API documents, and that over the model's
    own defaults, unless its line says otherwise; a documented default that the model cannot do
    gives way. Raises
    UnsupportedTask, and InvalidRequest for what is above the model's limits or not baked.
    """
    if request.task not in entry.tasks:
        tasks = ", ".join(sorted(entry.tasks))
        raise UnsupportedTask(f"{entry.id} does not do {request.task}; it does: {tasks}")
    lacking = _lacking(entry, choices)
    able = honoured(entry, family, request.task)
    usable = able - lacking.keys()
    owners = {**BELONGS_TO, **family.belongs_to}
    effective = _effective(request, entry, usable, choices, owners)
    _hold(effective, entry.limits, request, entry.id)
    choices.check(request, model=entry.id, names=usable)
    said = request.parameters.given().keys() | request.media().keys()
    reasons = _without_owner(effective, request, owners) | lacking
    reasons |= dict.fromkeys(said - able, f"not used by {entry.id}")
    warnings = dict.fromkeys(
        f"{request.name_of(name)}: {reasons[name]}, ignored"
        for name in sorted(said & reasons.keys())
    )
    return replace(
        request,
        model=request.model or entry.id,
        parameters=effective,
        warnings=(*request.warnings, *warnings, *_expected(request, entry, family)),
        **_unread(usable - _unasked(effective)),
    )


def _expected(request: GenerationRequest, entry: ModelEntry, family: Family) -> Iterator[str]:
    """What the model was made for and did not get."""
    for name, feature in family.expects.items():
        if feature in entry.features and not getattr(request, name):
            yield f"{request.name_of(name)}: not given, and {entry.id} was made for one"


def _unasked(effective: Parameters) -> frozenset[str]:
    """Images of adapters that nobody named."""
    return frozenset(image for name, image in READS.items() if not getattr(effective, name))


def _unread(usable: frozenset[str]) -> dict[str, Any]:
    """Media that nothing will be done with are not fetched."""
    return {name: None for name in MEDIA if name not in usable}


def honoured(entry: ModelEntry, family: Family, task: Task) -> frozenset[str]:
    """Every parameter and medium that has an effect on this model, if all that helps is baked."""
    names = family.honoured(task, entry.features)
    if task in STARTS_FROM:
        names |= {STARTS_FROM[task]}
    return names | UPSCALING if entry.upscaler else names


def _lacking(entry: ModelEntry, choices: Choices) -> dict[str, str]:
    """Parameters that this worker has nothing baked for, and what it lacks."""
    lacking = {}
    if not choices.tool(ToolKind.PROMPT_ENHANCEMENT):
        lacking["enhance_prompt"] = "no language model is baked"
    if not choices.tool(ToolKind.FRAME_INTERPOLATION):
        lacking["frame_interpolation_scale"] = "used by RIFE alone, which is not baked"
    for kind, names in {
        "ip_adapter_id": ("ip_adapter_id", "ip_adapter_image", "ip_adapter_scale"),
        "controlnet": ("controlnet", "controlnet_images"),
    }.items():
        if not choices.any_of(entry.id, NAMING[kind]):
            lacking |= dict.fromkeys(names, f"no {NAMING[kind]} is baked for {entry.id}")
    return lacking


def _effective(
    request: GenerationRequest,
    entry: ModelEntry,
    usable: frozenset[str],
    choices: Choices,
    owners: Mapping[str, str],
) -> Parameters:
    said = _only(request.parameters, usable)
    documented = _only(_within(request.defaults, entry.limits), usable)
    own = _only(entry.default_parameters(), usable)
    usual = own.over(documented) if entry.defaults_first else documented.over(own)
    # What an adapter was made for is not for the caller's API to know.
    wanted = choices.wanted(said.over(usual), model=entry.id)
    effective = said.over(_only(wanted, usable)).over(usual)
    effective = _complete(_with_both_sides(_long_enough(effective, request)), usable)
    blind = {name for name, image in READS.items() if not getattr(request, image)}
    given = _only(effective, usable - blind).given()
    idle = {name for name, owner in owners.items() if not given.get(owner)}
    idle |= {name for name, value in given.items() if value is False}  # a no asks for nothing
    if not (effective.upscale_width or effective.upscale_height):
        idle |= UPSCALING
    return _only(effective, given.keys() - idle)


def _long_enough(parameters: Parameters, request: GenerationRequest) -> Parameters:
    """Seconds become frames, now that the frames per second are known."""
    if request.seconds is None or request.parameters.num_frames is not None:
        return parameters
    return replace(parameters, num_frames=max(1, round(request.seconds * (parameters.fps or 1))))


def _without_owner(
    effective: Parameters, request: GenerationRequest, owners: Mapping[str, str]
) -> dict[str, str]:
    """Parameters that do nothing since what they belong to is not asked for."""
    idle = {name: owner for name, owner in owners.items() if not getattr(effective, owner)}
    for name, image in READS.items():
        if not getattr(effective, name):
            idle |= {image: name} if getattr(request, image) else {name: image}
    reasons = {
        name: f"does nothing without {request.name_of(owner)}" for name, owner in idle.items()
    }
    if not effective.upscale_width:
        sizes = f"{request.name_of('upscale_width')} or {request.name_of('upscale_height')}"
        reasons |= dict.fromkeys(UPSCALING, f"does nothing without {sizes}")
    return reasons


def _only(parameters: Parameters, names: Iterable[str]) -> Parameters:
    given = parameters.given()
    return Parameters(**{name: given[name] for name in names if name in given})


def _within(defaults: Parameters, limits: Limits) -> Parameters:
    """Without what is above a limit: the caller never said it, and must not be blamed for it."""
    given = defaults.given()
    for name, limit in _ceilings(limits):
        if given.get(name, 0) > limit:
            del given[name]
    if given.get("width", 0) * given.get("height", 0) > limits.pixels:
        del given["width"], given["height"]
    return Parameters(**given)


def _complete(parameters: Parameters, usable: frozenset[str]) -> Parameters:
    if parameters.seed is None:
        parameters = replace(parameters, seed=secrets.randbelow(SEEDS))
    if "prompt" in usable and parameters.prompt is None:
        parameters = replace(parameters, prompt="")
    return parameters


def _with_both_sides(parameters: Parameters) -> Parameters:
    """Of the upscaled size one side is enough: the other keeps the shape, and is even."""
    width, height, _ = parameters.shape
    wide, high = parameters.upscale_width, parameters.upscale_height
    if wide and not high:
        return replace(parameters, upscale_height=max(2, round(wide * height / width / 2) * 2))
    if high and not wide:
        return replace(parameters, upscale_width=max(2, round(high * width / height / 2) * 2))
    return parameters


def _hold(parameters: Parameters, limits: Limits, request: GenerationRequest, model: str) -> None:
    width, height = parameters.width or 0, parameters.height or 0
    if width * height > limits.pixels:
        names = " x ".join(dict.fromkeys(map(request.name_of, ("width", "height"))))
        raise InvalidRequest(
            f"{names} must be at most {limits.pixels} pixels for {model}, got {width}x{height}"
        )
    for name, limit in _ceilings(limits):
        value = getattr(parameters, name)
        if value is not None and value > limit:
            rule = f"must be at most {limit:g} for {model}"
            if name == "num_frames" and request.parameters.num_frames is None and request.seconds:
                raise _too_long(request, parameters, limits, model)
            raise field_error(request.name_of(name), value, rule)
    _hold_strength(parameters, request)


def _too_long(
    request: GenerationRequest, parameters: Parameters, limits: Limits, model: str
) -> InvalidRequest:
    fps, seconds = parameters.fps or 1, request.seconds or 0.0
    longest = f"{limits.num_frames / fps:g} for {model} ({limits.num_frames} frames at {fps} fps)"
    said = int(seconds) if seconds == int(seconds) else seconds
    return field_error(request.name_of("seconds"), said, f"must be at most {longest}")


def _ceilings(limits: Limits) -> Iterable[tuple[str, float]]:
    yield "num_frames", limits.num_frames
    yield "num_inference_steps", limits.num_inference_steps
    for name in (
        *("guidance_scale", "guidance_scale_2", "true_cfg_scale"),
        *("min_guidance_scale", "max_guidance_scale"),
    ):
        yield name, limits.guidance_scale


def _hold_strength(parameters: Parameters, request: GenerationRequest) -> None:
    """A video is re-drawn by the last strength * num_inference_steps steps: one must be left."""
    strength, steps = parameters.strength, parameters.num_inference_steps
    if request.video is None or strength is None or steps is None:
        return
    if int(strength * steps) < 1:
        factor = request.name_of("num_inference_steps")
        rule = f"must leave a step to do: times {factor} ({steps}) it must reach 1"
        raise field_error(request.name_of("strength"), strength, rule)
