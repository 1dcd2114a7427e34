"""LTX-2 and 2.3: frames and the sound that belongs to them, from one transformer.

One class of diffusers does all: images are held at either end, and a video is re-drawn from its
own latents, noised as far as `strength` says; its sound is made anew. A guidance_scale of 1 turns
every kind of guidance off, the sound's too, as distilled weights want it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from math import prod
from typing import TYPE_CHECKING, Any

from ...errors import GenerationError
from ...generation import Sound, Task
from ..family import Family, Inputs, Pipeline, TaskPipeline

if TYPE_CHECKING:
    import numpy as np
    import torch

_SAMPLING = frozenset({"prompt", "negative_prompt", "num_inference_steps", "guidance_scale"})
_NO_PERTURBATION = {"stg_scale": 0.0, "audio_stg_scale": 0.0}
_NO_GUIDANCE = _NO_PERTURBATION | {
    "audio_guidance_scale": 1.0,
    "modality_scale": 1.0,
    "audio_modality_scale": 1.0,
}


def _images(pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """Hold the first and the last frame that are seen to the images for them."""
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

    ends = [(inputs.sources.image, 0), (inputs.sources.last_image, -1)]
    conditions = [
        LTX2VideoCondition(frames=image, index=index, crf=_compression())
        for image, index in ends
        if image
    ]
    return _alike(pipeline, inputs) | {"conditions": conditions}


def _compression() -> int | None:
    """The model was trained on images out of H.264, and diffusers makes them so by PyAV; where
    that is not installed, an image goes in as it is.
    """
    from diffusers.utils.import_utils import is_av_available

    return None if is_av_available() else 0


@contextmanager
def _last_frame_in_its_place(pipeline: Pipeline, inputs: Inputs) -> Iterator[None]:
    """Put the last image on the last frame that is seen.

    diffusers names places by latents and puts an image on the first of their eight frames; the
    authors' own code names frames, and so do the rotary positions (ltx-pipelines'
    VideoConditionByKeyframeIndex).
    """
    own = pipeline._prepare_keyframe_coords

    def placed(**figures: Any) -> torch.Tensor:
        coords: torch.Tensor = own(**figures | {"pixel_frame_idx": inputs.plan.num_frames - 1})
        return coords

    with _in_place_of(pipeline, "_prepare_keyframe_coords", placed):
        yield


def _video(pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """Start from the video's latents, noised as the schedule's first remaining step has it."""
    latents = _encoded(pipeline, inputs)
    sigmas = _remaining(inputs)
    return _alike(pipeline, inputs) | {
        "latents": latents,
        "sigmas": sigmas,
        "noise_scale": _first_noise(pipeline, sigmas, tokens=prod(latents.shape[2:])),
    }


def _encoded(pipeline: Pipeline, inputs: Inputs) -> torch.Tensor:
    """The video's latents as the VAE gives them, shape (1, channels, frames, height, width)."""
    import torch

    vae = pipeline.vae
    pixels = pipeline.video_processor.preprocess_video(inputs.frames)
    with torch.no_grad():
        posterior = vae.encode(pixels.to(pipeline._execution_device, vae.dtype)).latent_dist
    latents: torch.Tensor = posterior.mode().float()
    return latents


def _remaining(inputs: Inputs) -> np.ndarray[Any, Any]:
    """The pipeline's own sigmas from the first that is done, before they are shifted."""
    import numpy as np

    steps, strength = inputs.parameters.num_inference_steps or 1, inputs.parameters.strength
    kept = max(1, int((1.0 if strength is None else strength) * steps))
    return np.linspace(1.0, 1 / steps, steps)[steps - kept :]


def _first_noise(pipeline: Pipeline, sigmas: np.ndarray[Any, Any], *, tokens: int) -> float:
    """How much noise the schedule starts with: diffusers takes the unshifted sigma for it."""
    from diffusers.pipelines.ltx2.pipeline_ltx2_condition import calculate_shift

    scheduler = deepcopy(pipeline.scheduler)
    names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    shift = calculate_shift(tokens, *(scheduler.config[name] for name in names))
    scheduler.set_timesteps(sigmas=sigmas, mu=shift)
    return float(scheduler.sigmas[0])


@contextmanager
def _sound_from_nothing(pipeline: Pipeline, _inputs: Inputs) -> Iterator[None]:
    """Let the sound go through a whole schedule in as many steps as the frames have left.

    A video's own sound is not among what goes in, and pure noise in the middle of a schedule
    would become noise. The two have their own places in it by design: each has its timesteps.
    """
    import numpy as np

    scheduler = deepcopy(pipeline.scheduler)
    own = scheduler.set_timesteps

    def whole(*, sigmas: Any, device: Any = None, mu: Any = None) -> None:
        count = len(sigmas)
        own(sigmas=np.linspace(1.0, 1 / count, count), device=device, mu=mu)
        scheduler.set_begin_index(0)  # it is asked for each step by the frames' timestep

    scheduler.set_timesteps = whole
    with _in_place_of(pipeline, "audio_scheduler", scheduler):
        yield


@contextmanager
def _in_place_of(pipeline: Pipeline, name: str, stand_in: Any) -> Iterator[None]:
    """Past diffusers' registry of components, which would note what was there as its default."""
    absent = object()
    kept = pipeline.__dict__.get(name, absent)
    pipeline.__dict__[name] = stand_in
    try:
        yield
    finally:
        if kept is absent:
            del pipeline.__dict__[name]
        else:
            pipeline.__dict__[name] = kept


def _alike(pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """What every task sends: the rate, and what the version of the weights asks for."""
    newer = pipeline.transformer.config.perturbed_attn  # 2.3
    scale = inputs.parameters.guidance_scale
    guidance: dict[str, Any] = {}
    if scale is not None and scale <= 1.0:
        guidance = _NO_GUIDANCE
    elif not newer:
        # Without layers to perturb, the pass for it comes to the same, and costs a quarter.
        guidance = _NO_PERTURBATION
    return guidance | {
        "frame_rate": float(inputs.parameters.fps or 24),
        "use_cross_timestep": newer,
    }


def _decode(pipeline: Pipeline, latents: torch.Tensor, _inputs: Inputs) -> Iterator[torch.Tensor]:
    """In one piece, since the decoder sees both ways in time; the latents come denormalised."""
    yield pipeline.vae.decode(latents.to(pipeline.vae.dtype)).sample


def _sound(pipeline: Pipeline, output: Any, inputs: Inputs) -> Sound:
    """As LTX2ConditionPipeline decodes it, no longer than the clip; raises GenerationError."""
    import torch

    with torch.no_grad():
        latents = output.audio.to(pipeline.audio_vae.dtype)
        spectrogram = pipeline.audio_vae.decode(latents, return_dict=False)[0]
        wave = pipeline.vocoder(spectrogram.to(pipeline.vocoder.dtype))[0]
    if not torch.isfinite(wave).all():
        raise GenerationError("the model's sound holds values that are no numbers")
    rate = int(pipeline.vocoder.config.output_sampling_rate)
    length = inputs.plan.num_frames * rate // (inputs.parameters.fps or 24)
    return Sound(samples=wave[:, :length].float().cpu().numpy(), rate=rate)


def _configure(pipeline: Pipeline) -> None:
    # [compat] diffusers 0.42 stretches the schedule until its last sigma is the published one, and
    # of a single step, whose sigma is 1, makes a division of nought by nought.
    stretch = pipeline.scheduler.stretch_shift_to_terminal
    pipeline.scheduler.stretch_shift_to_terminal = lambda sigmas: (
        sigmas if sigmas[-1] == 1.0 else stretch(sigmas)
    )


#: A text alone is one without a first image; it may still have a last one.
_WITH_IMAGES = TaskPipeline(
    pipeline="LTX2ConditionPipeline",
    keywords=_SAMPLING,
    indirect=frozenset({"last_image"}),
    more=_images,
    during=_last_frame_in_its_place,
)

FAMILY = Family(
    name="ltx2",
    tasks={
        Task.TEXT2VIDEO: _WITH_IMAGES,
        Task.IMG2VIDEO: _WITH_IMAGES,
        Task.VIDEO2VIDEO: TaskPipeline(
            pipeline="LTX2ConditionPipeline",
            keywords=_SAMPLING,
            indirect=frozenset({"strength"}),
            more=_video,
            during=_sound_from_nothing,
        ),
    },
    size_multiple=32,  # the VAE's 8 times its patch of 4; check_inputs asks for it
    frame_step=8,
    least_frames=9,  # one frame at 60 a second is shorter than the least sound
    decode=_decode,
    sound=_sound,
    configure=_configure,
)
