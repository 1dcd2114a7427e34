"""LoRAs on a pipeline for one call, and nothing of them left on it afterwards.

They are worn beside the weights, never merged into them: taking them off again is exact.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .adapters import Adapter
from .family import Pipeline
from .misfit import blamed_on


@contextmanager
def worn(pipeline: Pipeline, loras: Sequence[Adapter]) -> Iterator[None]:
    """Within, the pipeline's networks wear these LoRAs, each with its strength.

    Pipelines of one model share their networks, so all of them do. Raises InvalidRequest for a
    repository of the caller's choice that does not fit, and ModelNotLoaded for one of ours.
    """
    if not loras:
        yield
        return
    names = [f"lora_{index}" for index in range(len(loras))]
    parameters = list(_parameters(pipeline))
    try:
        for name, lora in zip(names, loras, strict=True):
            _put_on(pipeline, name, lora)
        pipeline.set_adapters(names, adapter_weights=[lora.scale for lora in loras])
        yield
    finally:
        pipeline.unload_lora_weights()
        for parameter, requires_grad in parameters:
            parameter.requires_grad_(requires_grad)


def _parameters(pipeline: Pipeline) -> Iterator[tuple[Any, bool]]:
    """Every weight, and whether it could be trained.

    peft forbids it for good, and torch has other kernels for weights that cannot be: the next
    job's frames would differ in their last bits.
    """
    for name in pipeline._lora_loadable_modules:
        network = getattr(pipeline, name, None)
        if network is not None:
            yield from ((weight, weight.requires_grad) for weight in network.parameters())


def _put_on(pipeline: Pipeline, name: str, lora: Adapter) -> None:
    with blamed_on(lora), warnings.catch_warnings(), _plain_text_encoder(pipeline):
        # That there is one already: several at once is what was asked for.
        warnings.filterwarnings("ignore", "Already found a `peft_config`")
        for keywords in _experts(pipeline):
            pipeline.load_lora_weights(
                lora.file.parent,
                weight_name=lora.file.name,
                adapter_name=name,
                local_files_only=True,
                use_safetensors=True,
                **keywords,
            )
    if not any(name in worn for worn in pipeline.get_list_adapters().values()):
        raise lora.unusable("none of its layers is one of the model's")


def _experts(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Where a LoRA goes: into both experts of a model that has two, as Wan 2.2 has."""
    second = getattr(pipeline, "transformer_2", None) is not None
    return [{}, {"load_into_transformer_2": True}] if second else [{}]


@contextmanager
def _plain_text_encoder(pipeline: Pipeline) -> Iterator[None]:
    """Without the name that `let_layers_be_skipped` adds to it.

    [compat] diffusers takes an encoder that has `text_model` for one of transformers 4, and then
    looks for the LoRA's layers below that name, where none are.
    """
    attributes: dict[str, Any] = getattr(getattr(pipeline, "text_encoder", None), "__dict__", {})
    alias = attributes.pop("text_model", None)
    try:
        yield
    finally:
        if alias is not None:
            attributes["text_model"] = alias
