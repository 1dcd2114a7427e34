"""HunyuanVideo: text, or an image and text, to video through Llama and a causal 3D VAE."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...generation import Task
from ..family import Family, Inputs, Pipeline, TaskPipeline
from ..schedule import shifted

if TYPE_CHECKING:
    import torch

#: guidance_scale is a number that the distilled transformer reads; true_cfg_scale is guidance away
#: from the negative prompt.
_SAMPLING = frozenset(
    {"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "true_cfg_scale"}
)


def _decode(pipeline: Pipeline, latents: torch.Tensor, _inputs: Inputs) -> Iterator[torch.Tensor]:
    """Give the frames as the VAE blends one tile in time into the next, not when all are done."""
    vae = pipeline.vae
    scaled = latents.to(vae.dtype) / vae.config.scaling_factor
    ratio = vae.temporal_compression_ratio
    tile_frames = vae.tile_sample_min_num_frames // ratio
    count = scaled.shape[2]
    if not vae.use_framewise_decoding or count <= tile_frames or hasattr(vae, "_hf_hook"):
        yield vae.decode(scaled, return_dict=False)[0]
        return
    # As AutoencoderKLHunyuanVideo._temporal_tiled_decode walks. A tile begins with the latent that
    # the one before ends with, so that one of a single latent would have no frame of its own.
    stride = vae.tile_sample_stride_num_frames
    blended = vae.tile_sample_min_num_frames - stride
    before = None
    for start in range(0, count - 1, stride // ratio):
        tile = _decoded(vae, scaled[:, :, start : start + tile_frames + 1])
        if before is not None:
            tile = vae.blend_t(before, tile[:, :, 1:], blended)
        yield tile[:, :, : stride + (before is None)]
        before = tile


def _decoded(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """One tile in time, by tiles in space where it is larger than one of these."""
    ratio = vae.spatial_compression_ratio
    high, wide = vae.tile_sample_min_height // ratio, vae.tile_sample_min_width // ratio
    if vae.use_tiling and (latents.shape[-2] > high or latents.shape[-1] > wide):
        tiled: torch.Tensor = vae.tiled_decode(latents, return_dict=False)[0]
        return tiled
    decoded: torch.Tensor = vae.decoder(vae.post_quant_conv(latents))
    return decoded


def _configure(pipeline: Pipeline) -> None:
    # Each latent pixel of a clip attends to all others: without tiles, 720p asks for tens of
    # gigabytes. The model's card and diffusers' guide decode by tiles, too.
    pipeline.vae.enable_tiling()
    _mend(pipeline)


def _mend(pipeline: Pipeline) -> None:
    """Have the tokenizer split text by the rules in its file."""
    from tokenizers.pre_tokenizers import Metaspace
    from transformers import PreTrainedTokenizerFast

    # [compat] The repositories name LlamaTokenizerFast, which in transformers 5 splits as Llama 2
    # did whatever its file says: spaces are lost, and the pipeline, which counts the tokens of
    # its prompt template, cuts at the wrong place (transformers issue 45488).
    tokenizer = pipeline.tokenizer
    if isinstance(tokenizer.backend_tokenizer.pre_tokenizer, Metaspace):
        pipeline.tokenizer = PreTrainedTokenizerFast.from_pretrained(
            tokenizer.name_or_path, local_files_only=True
        )


def _guidance(_pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """Without a negative prompt the pipeline takes no notice of true_cfg_scale."""
    if inputs.parameters.true_cfg_scale is None:
        return {}
    return {"negative_prompt": inputs.parameters.negative_prompt or ""}


def _image(pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    return {"image": inputs.sources.image, **_guidance(pipeline, inputs)}


FAMILY = Family(
    name="hunyuan_video",
    tasks={
        Task.TEXT2VIDEO: TaskPipeline(
            pipeline="HunyuanVideoPipeline",
            keywords=_SAMPLING,
            indirect=frozenset({"flow_shift"}),
            more=_guidance,
            during=shifted,
        ),
        Task.IMG2VIDEO: TaskPipeline(
            pipeline="HunyuanVideoImageToVideoPipeline",
            keywords=_SAMPLING,
            indirect=frozenset({"flow_shift"}),
            more=_image,
            during=shifted,
        ),
    },
    belongs_to={"negative_prompt": "true_cfg_scale"},
    size_multiple=16,  # the VAE's 8 times the transformer's patch of 2
    frame_step=4,
    decode=_decode,
    configure=_configure,
)
