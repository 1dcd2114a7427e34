"""AnimateDiff's extras: motion modules, LoRAs of its own kinds, FreeInit, images that are read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from builder.tiny_models import animatediff
from src.errors import ModelNotLoaded
from src.generation import GenerationRequest, Parameters, Task
from src.manifest import AdapterKind, load_manifest
from src.pipelines import free_init
from src.pipelines.adapters import chosen
from src.pipelines.choices import Choices
from src.pipelines.clip import inputs_for
from src.pipelines.control import pipeline_with
from src.pipelines.motion import moved_by
from tests.pipelines.conftest import Studio, sources_of

pytestmark = pytest.mark.real

MANIFEST = load_manifest()
TINY = MANIFEST.find("tiny")
IMAGES = ("ip_adapter_image", "controlnet_images")
IP_ADAPTER = {"ip_adapter_id": "ip-adapter_sd15", "media": ("ip_adapter_image",)}
CONTROLNET: dict[str, Any] = {"controlnet": "openpose", "media": ("controlnet_images",)}
EVERYTHING: dict[str, Any] = {
    "motion_module": "animatelcm",
    "motion_loras": ("zoom-in", "pan-left"),
    "motion_lora_strength": (0.7, 0.4),
    "adapter_lora": "v3_sd15_adapter",
    "domain_lora_scale": 0.5,
    "lora_models": ("tiny-lora",),
    "lora_strength": (0.6,),
    "ip_adapter_id": "tiny-ip-adapter",
    "controlnet": "tiny-controlnet",
    "use_improved_sampling": True,
}
#: Of each pair both differ from each other and from a plain clip.
PAIRS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"motion_module": "v3_sd15_mm"}, {"motion_module": "animatediff-lightning"}),
    ({"motion_loras": ("zoom-in",)}, {"motion_loras": ("pan-left",)}),
    (
        {"motion_loras": ("zoom-in", "pan-left"), "motion_lora_strength": (1.0, 0.2)},
        {"motion_loras": ("zoom-in", "pan-left"), "motion_lora_strength": (0.2, 1.0)},
    ),
    (
        {"adapter_lora": "v3_sd15_adapter"},
        {"adapter_lora": "v3_sd15_adapter", "domain_lora_scale": 0.4},
    ),
    (
        {"use_improved_sampling": True, "improved_sampling_seed": 42},
        {"use_improved_sampling": True, "improved_sampling_seed": 43},
    ),
    (IP_ADAPTER, IP_ADAPTER | {"ip_adapter_scale": 0.2}),
    (CONTROLNET, CONTROLNET | {"media_seed": 1}),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids="-".join)
def test_each_changes_the_frames_and_so_does_how_much_of_it(
    studio: Studio, one: dict[str, Any], other: dict[str, Any]
) -> None:
    plain = frames(studio, Task.TEXT2VIDEO)
    made = [plain, frames(studio, Task.TEXT2VIDEO, **one), frames(studio, Task.TEXT2VIDEO, **other)]

    assert len({item.tobytes() for item in made}) == 3
    assert np.array_equal(made[2], frames(studio, Task.TEXT2VIDEO, **other))
    assert np.array_equal(plain, frames(studio, Task.TEXT2VIDEO))


@pytest.mark.parametrize("task", Task)
def test_all_at_once_on_every_task_leave_the_next_job_as_it_was(studio: Studio, task: Task) -> None:
    before = frames(studio, task)
    dressed = frames(studio, task, media=IMAGES, **EVERYTHING)

    assert dressed.shape == before.shape
    assert not np.array_equal(before, dressed)
    assert np.array_equal(before, frames(studio, task))


@pytest.mark.parametrize("named", ["v2_sd15_mm", "adapter", "image"])
def test_what_stands_for_no_change_changes_nothing(studio: Studio, named: str) -> None:
    given: dict[str, Any] = {
        "v2_sd15_mm": {"motion_module": "v2_sd15_mm"},
        "adapter": {"adapter_lora": "v2_sd15_adapter"},
        "image": {"ip_adapter_id": "ip-adapter_sd15"},
    }[named]

    assert np.array_equal(frames(studio, Task.TEXT2VIDEO), frames(studio, Task.TEXT2VIDEO, **given))


def frames(studio: Studio, task: Task, **given: Any) -> Any:
    media, media_seed = given.pop("media", ()), given.pop("media_seed", 0)
    # Enough noise in a source video that what the network makes of it is seen.
    strength = {"strength": 1.0} if task is Task.VIDEO2VIDEO else {}
    settled = studio.request("tiny", task, media=media, **strength, **given)
    return np.concatenate(list(studio.clip(settled, media_seed=media_seed).chunks))


@contextmanager
def dressed(studio: Studio, **given: Any) -> Iterator[Any]:
    """The tiny model's pipeline as it is for one call."""
    request = studio.request("tiny", Task.TEXT2VIDEO, media=IMAGES, **given)
    model = studio.room.load(request)
    adapters = chosen(
        request, model=TINY, choices=Choices(MANIFEST), models_dir=studio.loader.models_dir
    )
    pipeline = pipeline_with(model, request.task, adapters.controlnet)
    pixels = np.zeros((3, 64, 64, 3), np.uint8)
    inputs = inputs_for(model, request, sources_of(request, pixels), adapters)
    with model.family.tasks[request.task].during(pipeline, inputs):
        yield pipeline


@pytest.mark.parametrize(
    ("module", "kind", "config"),
    [
        ("v2_sd15_mm", "DDIMScheduler", {"timestep_spacing": "linspace"}),
        ("v3_sd15_mm", "DDIMScheduler", {"timestep_spacing": "linspace"}),
        ("animatelcm", "LCMScheduler", {}),
        ("animateDiff-lightning", "EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    ],
)
def test_each_motion_module_runs_on_the_scheduler_that_it_was_made_for(
    studio: Studio, module: str, kind: str, config: dict[str, Any]
) -> None:
    with dressed(studio) as pipeline:
        scheduler, layers = pipeline.scheduler, list(pipeline.unet.modules())
    with dressed(studio, motion_module=module) as pipeline:
        assert type(pipeline.scheduler).__name__ == kind
        assert pipeline.scheduler.config.beta_schedule == "linear"
        assert config.items() <= pipeline.scheduler.config.items()
        assert (list(pipeline.unet.modules()) == layers) == (module == "v2_sd15_mm")

    assert pipeline.scheduler is scheduler
    assert list(pipeline.unet.modules()) == layers


def test_v3_has_nothing_in_the_middle_block(studio: Studio) -> None:
    states = torch.randn(3, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    changed = {}
    for module in ("v2_sd15_mm", "v3_sd15_mm"):
        with dressed(studio, motion_module=module) as pipeline, torch.no_grad():
            layer = pipeline.unet.mid_block.motion_modules[0]
            changed[module] = not torch.equal(states, layer(states, None, None, None, 3, None))

    assert changed == {"v2_sd15_mm": True, "v3_sd15_mm": False}


def test_a_motion_module_of_another_width_is_refused_before_anything_is_changed(
    studio: Studio, tmp_path: Any
) -> None:
    from diffusers import MotionAdapter

    narrow = MotionAdapter(
        block_out_channels=(4, 4, 4, 4),
        motion_layers_per_block=1,
        motion_num_attention_heads=1,
        motion_norm_num_groups=2,
    )
    narrow.save_pretrained(tmp_path / "worker-video/tiny-motion-adapter-v3")
    request = studio.request("tiny", Task.TEXT2VIDEO, motion_module="v3_sd15_mm")
    pipeline = studio.room.load(request).pipeline(request.task)
    layers = list(pipeline.unet.modules())
    module = chosen(request, model=TINY, choices=Choices(MANIFEST), models_dir=tmp_path)

    with (
        pytest.raises(ModelNotLoaded, match="tiny-v3_sd15_mm: ValueError: motion layers of"),
        moved_by(pipeline, module.motion_module),
    ):
        pass
    assert list(pipeline.unet.modules()) == layers


@pytest.mark.parametrize(
    ("module", "said", "steps", "guidance"),
    [
        (None, {}, 20, 7.0),
        ("v3_sd15_mm", {}, 20, 7.0),
        ("animatelcm", {}, 8, 2.0),
        ("AnimateDiff-Lightning", {}, 4, 1.0),
        ("animatelcm", {"num_inference_steps": 30}, 30, 2.0),
        ("animatelcm", {"guidance_scale": 7.5}, 8, 7.5),
    ],
)
def test_a_motion_modules_figures_go_over_the_apis_and_under_the_callers(
    studio: Studio, module: str | None, said: dict[str, Any], steps: int, guidance: float
) -> None:
    request = GenerationRequest(
        task=Task.TEXT2VIDEO,
        model="tiny",
        parameters=Parameters(motion_module=module, **said),
        defaults=Parameters(num_inference_steps=20, guidance_scale=7.0),
    )
    settled = studio.room.settle(request).parameters

    assert (settled.num_inference_steps, settled.guidance_scale) == (steps, guidance)


def test_the_published_models_have_modelslabs_names() -> None:
    choices = Choices(MANIFEST)
    names = {
        AdapterKind.MOTION_MODULE: "v2_sd15_mm v3_sd15_mm animatelcm animateDiff-lightning",
        AdapterKind.DOMAIN_LORA: "v2_sd15_adapter v3_sd15_adapter",
    }
    for entry in (entry for entry in MANIFEST if entry.family == "animatediff"):
        for kind, known in names.items():
            assert [n for n in known.split() if not choices.find(entry.id, kind, n)] == []


def test_an_adapter_that_reads_an_image_does_nothing_without_one_and_says_so(
    studio: Studio,
) -> None:
    lonely = studio.request("tiny", Task.TEXT2VIDEO, ip_adapter_id="ip-adapter_sd15")
    unnamed = studio.request("tiny", Task.TEXT2VIDEO, media=("controlnet_images",))

    assert "ip_adapter_id: does nothing without ip_adapter_image, ignored" in lonely.warnings
    assert lonely.parameters.ip_adapter_id is None
    assert "controlnet_images: does nothing without controlnet, ignored" in unnamed.warnings
    assert unnamed.controlnet_images is None


@pytest.mark.parametrize(
    ("task", "strength", "steps"), [(Task.TEXT2VIDEO, None, 4), (Task.VIDEO2VIDEO, 0.5, 2)]
)
def test_improved_sampling_goes_through_all_steps_three_times(
    studio: Studio, task: Task, strength: float | None, steps: int
) -> None:
    heard: list[tuple[int, int]] = []
    given: dict[str, Any] = {"strength": strength} if strength else {}
    request = studio.request(
        "tiny", task, num_inference_steps=4, use_improved_sampling=True, **given
    )
    studio.clip(request, on_step=lambda done, total: heard.append((done, total)))

    assert heard == [(done, 3 * steps) for done in range(1, 3 * steps + 1)]


def test_the_noise_between_rounds_is_diffusers_own_but_for_its_seed(studio: Studio) -> None:
    first, made = torch.randn((2, 1, 4, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    given = {"use_improved_sampling": True, "improved_sampling_seed": 5, "num_inference_steps": 4}
    call = made, 1, 4, torch.device("cpu"), torch.float32
    with dressed(studio, **given) as pipeline:
        pipeline._free_init_initial_noise = first
        seeded = torch.Generator().manual_seed(5)
        expected, timesteps = type(pipeline)._apply_free_init(pipeline, *call, seeded)
        got, our_timesteps = pipeline._apply_free_init(*call, torch.Generator().manual_seed(99))

    assert torch.allclose(got, expected, atol=1e-5)
    assert torch.equal(our_timesteps, timesteps)
    assert not pipeline.free_init_enabled
    assert "_free_init_initial_noise" not in vars(pipeline)


@pytest.mark.parametrize("shape", [(1, 1, 5, 6, 7), (1, 1, 1, 8, 8)])
def test_our_filter_is_diffusers_own(studio: Studio, shape: tuple[int, ...]) -> None:
    request = studio.request("tiny", Task.TEXT2VIDEO)
    pipeline = studio.room.load(request).pipeline(request.task)
    theirs = pipeline._get_free_init_freq_filter(shape, "cpu", "butterworth", 4, 0.25, 0.25)
    ours = free_init._slow(torch.Size(shape), torch.device("cpu"))

    assert torch.equal(ours, theirs)


def test_the_published_size_is_that_of_stable_diffusion_and_its_motion_adapter() -> None:
    with torch.device("meta"):
        pipeline = animatediff.published(MANIFEST.find("dark-sushi-mix"))

    def numbers(network: torch.nn.Module) -> float:
        return sum(weight.numel() for weight in network.parameters()) / 1e6

    # Files of 1.72 GB, 0.91 GB, 0.25 GB and 0.17 GB in half precision.
    assert numbers(pipeline.unet) == pytest.approx(859.5 + 453.2, rel=0.01)
    assert numbers(pipeline.motion_adapter) == pytest.approx(453.2, rel=0.01)
    assert numbers(pipeline.text_encoder) == pytest.approx(123.1, rel=0.01)
    assert numbers(pipeline.vae) == pytest.approx(83.7, rel=0.01)
    assert pipeline.scheduler.alphas_cumprod.device.type == "cpu"


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("task", [Task.TEXT2VIDEO, Task.VIDEO2VIDEO])
def test_a_controlnet_reads_any_number_of_images_spread_over_the_frames(
    studio: Studio, task: Task, count: int
) -> None:
    rng = np.random.default_rng(1)
    images = [Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)) for _ in range(count)]
    request = studio.request("tiny", task, **CONTROLNET)
    frames = np.zeros((3, 64, 64, 3), np.uint8)

    def made(given: list[Image.Image]) -> Any:
        sources = replace(sources_of(request, frames), controlnet_images=tuple(given))
        model = studio.room.load(request)
        clip = studio.room.generate(
            model, request, on_step=lambda _done, _total: None, sources=sources
        )
        return np.concatenate(list(clip.chunks))

    spread = [images[index * count // 3] for index in range(3)]

    assert made(images).tobytes() == made(spread).tobytes()
