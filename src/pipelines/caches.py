"""Diffusers' step caches: what their configurations take, which models they fit, how one is put on.

A cache keeps what a denoiser gave at one step and uses it in place of computing the next. Its state
is one clip's: pipelines drop it when they are done (`maybe_free_model_hooks`), and the room does
when a step was interrupted.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import diffusers
import torch
from diffusers import hooks

from ..manifest import Acceleration
from .family import Pipeline

CONFIGS = {
    "first_block": "FirstBlockCacheConfig",
    "mag": "MagCacheConfig",
    "pyramid_attention": "PyramidAttentionBroadcastConfig",
    "sea": "SeaCacheConfig",
    "taylorseer": "TaylorSeerCacheConfig",
}
#: Options that are ours to give, or that would print instead of making a clip.
OURS = {
    "mag": {"num_inference_steps", "calibrate"},
    "pyramid_attention": {"current_timestep_callback"},
    "sea": {"raw_vision_callback"},
}
#: What diffusers' own default finds on hardly a video model: it looks for names that end in `attn`,
#: and Wan, LTX and CogVideoX number theirs.
ATTENTION = r"(transformer_|single_transformer_)?blocks\.\d+\.attn\d?"
#: Denoisers that add to what passes between their blocks. A cache over all blocks has that in what
#: it keeps, and the model adds it once more.
ADD_BETWEEN_BLOCKS = ("WanVACETransformer3DModel", "WanAnimateTransformer3DModel")


#: What diffusers' video pipelines call the denoiser's runs within one step.
CONTEXTS = {"cond", "uncond", "cond_uncond", "uncond_stg", "uncond_modality"}


class Timestep:
    """Tells the timestep of the pipeline that runs; pipelines that share a denoiser share it."""

    def __init__(self) -> None:
        """No pipeline runs yet."""
        self.pipeline: Pipeline = None

    def __call__(self) -> Any:
        """Where the pipeline stands on its noise schedule."""
        return self.pipeline.current_timestep


def config_of(settings: Acceleration) -> Any:
    """Diffusers' configuration of the cache that is set; raises ValueError for what it lacks.

    One for each denoiser: it is part of the cache's state.
    """
    if settings.cache is None:
        raise ValueError("no cache is set")
    cls = getattr(hooks, CONFIGS[settings.cache])
    options = dict(settings.cache_options)
    known = {item.name for item in fields(cls)} - OURS.get(settings.cache, set())
    unknown = sorted(options.keys() - known)
    if unknown:
        raise ValueError(
            f"cache_options must be among those of {cls.__name__} ({', '.join(sorted(known))}), "
            f"got {', '.join(unknown)}"
        )
    if settings.cache == "pyramid_attention":
        options = {
            "spatial_attention_block_skip_range": 2,
            "current_timestep_callback": Timestep(),
        } | options
    if settings.cache == "taylorseer":
        options = _taylorseer(options)
    return cls(**options)


def _taylorseer(options: Mapping[str, Any]) -> dict[str, Any]:
    chosen = dict(options)
    if not chosen.get("use_lite_mode") and not chosen.get("skip_predict_identifiers"):
        chosen.setdefault("cache_identifiers", [ATTENTION])
    if "taylor_factors_dtype" in chosen:
        chosen["taylor_factors_dtype"] = getattr(torch, chosen["taylor_factors_dtype"])
    return chosen


def is_within_blocks(settings: Acceleration) -> bool:
    """Whether the cache keeps what parts of a block gave, not whole blocks."""
    lite = settings.cache_options.get("use_lite_mode")
    return settings.cache == "pyramid_attention" or (settings.cache == "taylorseer" and not lite)


def misfits(
    settings: Acceleration, denoisers: Mapping[str, Any], pipelines: Mapping[str, Any]
) -> Iterator[str]:
    """Why the cache does not go with a model, one reason at a time.

    `denoisers` are the model's networks, which may be without weights (on torch's meta device) and
    are not to be used after; `pipelines` are diffusers' classes by the task that they do.
    """
    if settings.cache is None:
        return
    unmarked = {task: cls for task, cls in pipelines.items() if not _marks_calls(cls)}
    for task, cls in unmarked.items():
        yield (
            f"{cls.__name__}, which does {task}, does not tell a cache its calls apart: "
            f"take {task} out of the model's tasks"
        )
    yield from _of_kind(settings.cache, denoisers, pipelines)
    for name, denoiser in denoisers.items():
        reason = _misfit(settings, denoiser)
        if reason:
            yield f"{name} ({type(denoiser).__name__}): {reason}"


def _of_kind(
    cache: str, denoisers: Mapping[str, Any], pipelines: Mapping[str, Any]
) -> Iterator[str]:
    """What diffusers lets happen and does wrong, or does not do at all."""
    if cache == "mag" and len(denoisers) > 1:
        yield "mag_ratios are those of one denoiser, and this model has two"
    if cache == "pyramid_attention":
        for cls in pipelines.values():
            if contexts_of(cls) != {"cond_uncond"}:
                yield (
                    f"{cls.__name__} may run the denoiser twice a step, and each run would get "
                    "the other's attention"
                )
    if cache == "sea" and {cls.__name__ for cls in pipelines.values()} != {"WanPipeline"}:
        yield "diffusers has it for Wan's text2video alone"


def _misfit(settings: Acceleration, denoiser: Any) -> str | None:
    """Put the cache on and see."""
    if not hasattr(denoiser, "enable_cache"):
        return "diffusers has no step caches for it"
    name = type(denoiser).__name__
    if settings.cache in ("first_block", "mag", "sea") and name in ADD_BETWEEN_BLOCKS:
        return "it adds to what passes between its blocks, which would be added twice"
    try:
        denoiser.enable_cache(config_of(settings))
    except (ValueError, TypeError, AttributeError) as error:
        return str(error)
    except IndexError:
        return "it has too few blocks"
    if not any(_hooks_of(module) for module in denoiser.modules()):
        return "nothing of it is what the cache looks for"
    return None


def prepare(
    pipeline: Pipeline, settings: Acceleration, denoisers: Mapping[str, Any], steps: int
) -> None:
    """Tell the caches of a pipeline that is about to be called what they need of this call."""
    for denoiser in denoisers.values():
        config = getattr(denoiser, "_cache_config", None)
        if isinstance(config, hooks.MagCacheConfig):
            fresh = hooks.MagCacheConfig(**settings.cache_options, num_inference_steps=steps)
            config.mag_ratios, config.num_inference_steps = fresh.mag_ratios, steps
        if isinstance(config, hooks.PyramidAttentionBroadcastConfig):
            config.current_timestep_callback.pipeline = pipeline


def _marks_calls(cls: Any) -> bool:
    return "cache_context" in inspect.unwrap(cls.__call__).__code__.co_names


def contexts_of(cls: Any) -> set[str]:
    """The runs of the denoiser within a step that a pipeline tells apart, by diffusers' names."""
    names = inspect.unwrap(cls.__call__).__code__.co_consts
    return {name for name in names if isinstance(name, str)} & CONTEXTS


def _hooks_of(module: torch.nn.Module) -> dict[str, Any]:
    registry = getattr(module, "_diffusers_hook", None)
    return registry.hooks if registry else {}


def classes_of(names: Mapping[str, str]) -> dict[str, Any]:
    """Diffusers' pipeline classes by their names."""
    return {task: getattr(diffusers, name) for task, name in names.items()}
