"""The centre: what is asked for and what came of it, in diffusers' words.

Knows no platform, no public API, no file and no library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    #: Frames in order, shape (count, height, width, 3), RGB, uint8.
    FrameChunk = npt.NDArray[np.uint8]
    #: Sound, shape (channels, samples), in [-1, 1].
    Samples = npt.NDArray[np.float32]


class Task(StrEnum):
    """What goes in; a video comes out of each."""

    TEXT2VIDEO = "text2video"
    IMG2VIDEO = "img2video"
    VIDEO2VIDEO = "video2video"


class VideoFormat(StrEnum):
    """What the frames are wrapped in."""

    MP4 = "mp4"
    GIF = "gif"

    @property
    def content_type(self) -> str:
        """The media type for HTTP and for data URIs."""
        return {"mp4": "video/mp4", "gif": "image/gif"}[self.value]


@dataclass(frozen=True, kw_only=True)
class MediaReference:
    """Where an image or a video is to be had; media turns it into pixels."""

    #: The caller's own name of the field, for messages.
    field: str
    #: An http(s) URL, a data URI, or bare base64.
    value: str


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Everything that shapes the frames, under diffusers' names where diffusers has one.

    None means that nobody said: in a request, that the default is wanted; in what
    is effective, that the model has no use for it.
    """

    prompt: str | None = None
    negative_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    num_frames: int | None = None
    fps: int | None = None
    seed: int | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    #: Of a second expert, where a model has two: the one for low noise (Wan 2.2).
    guidance_scale_2: float | None = None
    #: Where one expert hands over to the other, as a share of the noise schedule.
    boundary_ratio: float | None = None
    #: Guidance by a second, negative prompt where guidance_scale is a number that the model reads.
    true_cfg_scale: float | None = None
    #: How far a flow-matching schedule leans towards noise.
    flow_shift: float | None = None
    strength: float | None = None
    #: diffusers' count: 1 is the last layer but one (others call that 2).
    clip_skip: int | None = None
    min_guidance_scale: float | None = None
    max_guidance_scale: float | None = None
    motion_bucket_id: int | None = None
    noise_aug_strength: float | None = None
    latent_interpolation_method: str | None = None
    use_improved_sampling: bool | None = None
    improved_sampling_seed: int | None = None
    upscale_width: int | None = None
    upscale_height: int | None = None
    upscale_strength: float | None = None
    upscale_guidance_scale: float | None = None
    upscale_num_inference_steps: int | None = None
    motion_module: str | None = None
    motion_loras: tuple[str, ...] | None = None
    motion_lora_strength: tuple[float, ...] | None = None
    lora_models: tuple[str, ...] | None = None
    lora_strength: tuple[float, ...] | None = None
    adapter_lora: str | None = None
    domain_lora_scale: float | None = None
    ip_adapter_id: str | None = None
    ip_adapter_scale: float | None = None
    controlnet: str | None = None
    enhance_prompt: bool | None = None
    enable_frame_interpolation: bool | None = None
    #: Each step of it doubles the frame rate.
    frame_interpolation_exp: int | None = None
    #: The size at which motion is looked for, as a share of the frames' own.
    frame_interpolation_scale: float | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Width, height and number of frames that are generated first.

        A request has all three once it is settled.
        """
        if self.width is None or self.height is None or self.num_frames is None:
            raise ValueError("these parameters are not settled: they have no size yet")
        return self.width, self.height, self.num_frames

    @property
    def rate_factor(self) -> int:
        """How many frames stand in the place of one after interpolation."""
        if not self.enable_frame_interpolation:
            return 1
        return int(2 ** (self.frame_interpolation_exp or 1))

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Width, height and number of frames of the result, upscaled and interpolated."""
        width, height, num_frames = self.shape
        return (
            self.upscale_width or width,
            self.upscale_height or height,
            (num_frames - 1) * self.rate_factor + 1,
        )

    @property
    def output_fps(self) -> Fraction:
        """Frames per second of the result."""
        if self.output_shape[2] == self.shape[2]:  # one frame has nothing between it and the next
            return Fraction(self.fps or 1)
        return Fraction((self.fps or 1) * self.rate_factor)

    def given(self) -> dict[str, Any]:
        """The parameters that somebody set, by name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def over(self, defaults: Parameters) -> Parameters:
        """These parameters, with the gaps filled from others."""
        return replace(defaults, **self.given())


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How the caller wants the result."""

    format: VideoFormat = VideoFormat.MP4
    #: The caller asked for the bytes themselves, not for a link.
    as_base64: bool = False
    #: The caller wants the result gone after a day.
    temp: bool = False
    #: The caller wants links before there is anything behind them.
    instant_response: bool = False
    #: Where the caller's own API would post the result; not the platform's webhook.
    webhook: str | None = None
    track_id: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One video to make."""

    task: Task
    #: An id or alias of the manifest, or None for the worker's default model; a settled request
    #: has its name.
    model: str | None = None
    #: What the caller set.
    parameters: Parameters = Parameters()
    #: What the caller's API documents as its defaults; used where the model has use for it.
    defaults: Parameters = Parameters()
    #: How long the clip should be, where the caller has not said how many frames it has.
    seconds: float | None = None
    image: MediaReference | None = None
    #: What the last frame should be.
    last_image: MediaReference | None = None
    video: MediaReference | None = None
    ip_adapter_image: MediaReference | None = None
    controlnet_images: tuple[MediaReference, ...] | None = None
    delivery: Delivery = Delivery()
    #: What the caller should know, in whole sentences.
    warnings: tuple[str, ...] = ()
    #: Our name of a parameter -> the caller's, where they differ; for messages.
    field_names: Mapping[str, str] = field(default_factory=dict)

    def name_of(self, parameter: str) -> str:
        """What the caller calls this parameter."""
        return self.field_names.get(parameter, parameter)

    def media(self) -> dict[str, tuple[MediaReference, ...]]:
        """What the caller sent to start from, by our name of it."""
        values = {name: getattr(self, name) for name in MEDIA}
        return {
            name: value if isinstance(value, tuple) else (value,)
            for name, value in values.items()
            if value
        }


#: The fields of a request that refer to images and videos.
MEDIA = ("image", "last_image", "video", "ip_adapter_image", "controlnet_images")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The pixels that a request refers to, of exactly the size and number asked for."""

    #: RGB; every image is of the size of the frames that are generated first.
    image: Image | None = None
    last_image: Image | None = None
    ip_adapter_image: Image | None = None
    #: In the order of the frames, spread over them.
    controlnet_images: tuple[Image, ...] | None = None
    video: FrameChunk | None = None


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What is heard with a clip."""

    samples: Samples
    #: Samples per second of one channel.
    rate: int


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Frames of one size, on their way; `chunks` can be read once and may still be at work."""

    width: int
    height: int
    num_frames: int
    fps: Fraction
    chunks: Iterator[FrameChunk]
    sound: Sound | None = None
    #: The prompt that was used, where it is not the caller's own.
    enhanced_prompt: str | None = None


class Stage(StrEnum):
    """Where a job is, in the order that they come in."""

    FETCH = "fetch"
    WAIT = "wait"
    LOAD = "load"
    GENERATE = "generate"
    ENCODE = "encode"
    STORE = "store"


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far a job is."""

    job_id: str
    file_prefix: str
    request: GenerationRequest
    stage: Stage
    #: Denoising steps done, and of how many; 0 of 0 before they are known.
    step: int = 0
    total: int = 0
    #: Seconds until the answer, as far as they can be told.
    eta: float | None = None
    #: Where the result will be, if that is known and was asked for.
    links: tuple[str, ...] = ()
    #: When the job arrived, in Unix seconds.
    started_at: float = 0.0

    @property
    def percent(self) -> float:
        """The share of the denoising steps that is done, from 0 to 100."""
        if self.stage in (Stage.ENCODE, Stage.STORE):
            return 100.0
        return 100 * self.step / self.total if self.total else 0.0


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds that each part of the job took."""

    fetch: float = 0.0
    load: float = 0.0
    generate: float = 0.0
    encode: float = 0.0
    store: float = 0.0


@dataclass(frozen=True, kw_only=True)
class GenerationResult:
    """One video made."""

    #: The request with every parameter that was effective, the concrete seed included.
    request: GenerationRequest
    job_id: str
    #: The stem of the object's name; follows from the job id.
    file_prefix: str
    #: A URL, or bare base64 where that was asked for.
    output: str
    #: The same video by way of a CDN.
    proxy_links: tuple[str, ...] = ()
    #: A URL of the first frame as a jpg, where the operator wants one made.
    poster: str | None = None
    width: int
    height: int
    num_frames: int
    fps: Fraction
    size_bytes: int
    #: The prompt that was used, where it is not the caller's own.
    enhanced_prompt: str | None = None
    warnings: tuple[str, ...] = ()
    timings: Timings = Timings()
    #: Seconds from the job's arrival to its answer.
    total_seconds: float = 0.0
    #: When the job arrived, in Unix seconds.
    started_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Unmade:
    """What is known of a job of which no video came."""

    job_id: str
    #: None where the request itself could not be read.
    request: GenerationRequest | None = None
    #: When it arrived, and when it failed, in Unix seconds.
    started_at: float = 0.0
    failed_at: float = 0.0
