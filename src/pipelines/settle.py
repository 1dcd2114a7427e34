"""From what was asked to what will be done: defaults filled in, limits held, leftovers named.

Arithmetic on records; knows no weights.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace

from ..errors import InvalidRequest, UnsupportedTask, field_error
from ..generation import GenerationRequest, Parameters
from ..manifest import Limits, ModelEntry
from .family import Family

#: Random seeds stay below this, as ModelsLab's do; any language's integers hold them.
SEEDS = 2**32


def settle(request: GenerationRequest, *, entry: ModelEntry, family: Family) -> GenerationRequest:
    """The same request with every parameter that will be effective, and no other.

    What the caller set goes over what the caller's API documents, and that over the model's
    own defaults; a documented default that the model cannot do gives way. Raises
    UnsupportedTask, and InvalidRequest for what is above the model's limits.
    """
    if request.task not in entry.tasks:
        tasks = ", ".join(sorted(entry.tasks))
        raise UnsupportedTask(f"{entry.id} does not do {request.task}; it does: {tasks}")
    usable = family.tasks[request.task].honoured
    effective = (
        _only(request.parameters, usable)
        .over(_only(_within(request.defaults, entry.limits), usable))
        .over(_only(entry.default_parameters(), usable))
    )
    effective = _complete(effective, usable)
    _hold(effective, entry.limits, request, entry.id)
    unused = sorted(request.parameters.given().keys() - usable)
    warnings = [f"{request.name_of(name)}: not used by {entry.id}, ignored" for name in unused]
    return replace(
        request,
        model=request.model or entry.id,
        parameters=effective,
        warnings=(*request.warnings, *warnings),
    )


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


def _hold(parameters: Parameters, limits: Limits, request: GenerationRequest, model: str) -> None:
    width, height = parameters.width or 0, parameters.height or 0
    if width * height > limits.pixels:
        names = f"{request.name_of('width')} x {request.name_of('height')}"
        raise InvalidRequest(
            f"{names} must be at most {limits.pixels} pixels for {model}, got {width}x{height}"
        )
    for name, limit in _ceilings(limits):
        value = getattr(parameters, name)
        if value is not None and value > limit:
            rule = f"must be at most {limit:g} for {model}"
            raise field_error(request.name_of(name), value, rule)
    _hold_strength(parameters, request)


def _ceilings(limits: Limits) -> Iterable[tuple[str, float]]:
    yield "num_frames", limits.num_frames
    yield "num_inference_steps", limits.num_inference_steps
    for name in ("guidance_scale", "min_guidance_scale", "max_guidance_scale"):
        yield name, limits.guidance_scale


def _hold_strength(parameters: Parameters, request: GenerationRequest) -> None:
    """A video is re-drawn by the last strength * num_inference_steps steps: one must be left."""
    strength, steps = parameters.strength, parameters.num_inference_steps
    if request.video is None or strength is None or steps is None:
        return
    if int(strength * steps) < 1:
        rule = f"must leave a step to do: times num_inference_steps ({steps}) it must reach 1"
        raise field_error(request.name_of("strength"), strength, rule)
