"""AnimateDiff: a Stable Diffusion 1.5 checkpoint with a motion adapter between its layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...generation import Task
from ..clip_skip import let_layers_be_skipped
from ..family import Family, Inputs, Pipeline, TaskPipeline
from ..free_init import refined, rounds
from ..image_prompt import led_by
from ..motion import moved_by
from ..unfilled import unfilled

if TYPE_CHECKING:
    import torch

#: Frames that the image VAE decodes at a time; each frame stands for itself.
DECODE_CHUNK = 4

_SAMPLING = frozenset(
    {"prompt", "negative_prompt", "num_inference_steps", "guidance_scale", "clip_skip"}
)
#: What `during` puts to use, and the images that go with it.
_EXTRAS = frozenset(
    {
        *("motion_module", "motion_loras", "motion_lora_strength"),
        *("adapter_lora", "domain_lora_scale"),
        *("use_improved_sampling", "improved_sampling_seed"),
        *("ip_adapter_id", "ip_adapter_image", "ip_adapter_scale"),
        *("controlnet", "controlnet_images"),
    }
)


def _decode(pipeline: Pipeline, latents: torch.Tensor, _inputs: Inputs) -> Iterator[torch.Tensor]:
    for start in range(0, latents.shape[2], DECODE_CHUNK):
        yield pipeline.decode_latents(latents[:, :, start : start + DECODE_CHUNK], DECODE_CHUNK)


def _configure(pipeline: Pipeline) -> None:
    let_layers_be_skipped(pipeline.text_encoder)
    pipeline.unet.eval()  # the pipeline makes it from the checkpoint's own, as if for training

    # The motion adapters v2 and v3 were trained with this noise schedule; the checkpoints'
    # repositories carry schedulers for still images (diffusers docs, api/pipelines/animatediff).
    from diffusers import DDIMScheduler

    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config,
        clip_sample=False,
        timestep_spacing="linspace",
        beta_schedule="linear",
        steps_offset=1,
    )


@contextmanager
def _dressed(pipeline: Pipeline, inputs: Inputs) -> Iterator[None]:
    """Another motion module, an IP-Adapter and FreeInit, each where it is asked for."""
    adapters = inputs.adapters
    with (
        moved_by(pipeline, adapters.motion_module),
        led_by(pipeline, adapters.ip_adapter),
        refined(pipeline, inputs.parameters),
    ):
        yield


def _images(_pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """What the adapters read."""
    sources, adapters = inputs.sources, inputs.adapters
    return {
        **({"ip_adapter_image": sources.ip_adapter_image} if adapters.ip_adapter else {}),
        **(
            {"conditioning_frames": list(sources.controlnet_images or ())}
            if adapters.controlnet
            else {}
        ),
    }


def _video(pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    return _images(pipeline, inputs) | {
        "video": inputs.frames,
        "decode_chunk_size": DECODE_CHUNK,
    }


def _from_image(pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """Start each frame from noise that leans towards the image, the later the more.

    After the community pipeline `pipeline_animatediff_img2video` of diffusers, whose
    parameters ModelsLab exposes: frame i gets i / num_frames * (1 - strength) of the image.
    """
    from diffusers.utils.torch_utils import randn_tensor

    image = _encoded(pipeline, inputs)
    plan = inputs.plan
    noise = randn_tensor(
        (1, image.shape[1], plan.generated_frames, *image.shape[2:]),
        generator=inputs.generator,
        device=pipeline._execution_device,
        dtype=pipeline.unet.dtype,
    )
    strength = inputs.parameters.strength
    lean = 1.0 - (0.7 if strength is None else strength)
    mix = _slerp if inputs.parameters.latent_interpolation_method == "slerp" else _lerp
    frames = noise.unbind(dim=2)
    mixed = [mix(frame, image, lean * i / len(frames)) for i, frame in enumerate(frames)]
    return _images(pipeline, inputs) | {"latents": _stacked(mixed)}


def _encoded(pipeline: Pipeline, inputs: Inputs) -> torch.Tensor:
    import torch

    pixels = pipeline.video_processor.preprocess(inputs.sources.image)
    pixels = pixels.to(device=pipeline._execution_device, dtype=pipeline.vae.dtype)
    with torch.no_grad():
        latents = pipeline.vae.encode(pixels).latent_dist.mode()
    scaled: torch.Tensor = latents * pipeline.vae.config.scaling_factor
    return scaled.to(pipeline.unet.dtype)


def _stacked(frames: list[torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.stack(frames, dim=2)


def _lerp(start: torch.Tensor, end: torch.Tensor, share: float) -> torch.Tensor:
    return (1.0 - share) * start + share * end


def _slerp(start: torch.Tensor, end: torch.Tensor, share: float) -> torch.Tensor:
    """Along the arc between the two, so that the mix keeps the length that noise has."""
    # In float32: half precision overflows on sums over a whole frame.
    one, other = start.flatten().float(), end.flatten().float()
    cosine = (one @ other) / (one.norm() * other.norm())
    if not cosine.abs() < 0.9995:  # nearly parallel, or a frame of zeros
        return _lerp(start, end, share)
    angle = cosine.acos()
    from_start = ((1.0 - share) * angle).sin() / angle.sin()
    from_end = (share * angle).sin() / angle.sin()
    mixed: torch.Tensor = from_start * start + from_end * end
    return mixed


FAMILY = Family(
    name="animatediff",
    tasks={
        Task.TEXT2VIDEO: TaskPipeline(
            pipeline="AnimateDiffPipeline",
            controlled="AnimateDiffControlNetPipeline",
            keywords=_SAMPLING,
            indirect=_EXTRAS,
            more=_images,
            during=_dressed,
            rounds=rounds,
        ),
        Task.IMG2VIDEO: TaskPipeline(
            pipeline="AnimateDiffPipeline",
            controlled="AnimateDiffControlNetPipeline",
            keywords=_SAMPLING,
            indirect=_EXTRAS | {"strength", "latent_interpolation_method"},
            more=_from_image,
            during=_dressed,
            rounds=rounds,
        ),
        Task.VIDEO2VIDEO: TaskPipeline(
            pipeline="AnimateDiffVideoToVideoPipeline",
            controlled="AnimateDiffVideoToVideoControlNetPipeline",
            keywords=_SAMPLING | {"strength"},
            indirect=_EXTRAS,
            more=_video,
            during=_dressed,
            rounds=rounds,
            takes_num_frames=False,
        ),
    },
    size_multiple=8,
    decode=_decode,
    reading=unfilled,
    configure=_configure,
)
