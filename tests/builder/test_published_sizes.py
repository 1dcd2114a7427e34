"""Models at their published size: the weights that would be there, counted without any."""

from importlib import import_module
from typing import Any

import pytest

from src.manifest import load_manifest

pytestmark = pytest.mark.real

#: The denoiser of each model, and the numbers that its published weights hold: half of their
#: files' bytes in half precision.
DENOISERS = {
    "zeroscope": ("unet", 1.41e9),
    "zeroscope-xl": ("unet", 1.41e9),
    "dark-sushi-mix": ("unet", 1.313e9),  # SD 1.5 with the motion adapter in it
    "svd": ("unet", 1.52e9),
    "svd-14": ("unet", 1.52e9),
    "cogvideox": ("transformer", 1.69e9),
    "cogvideox-5b": ("transformer", 5.57e9),
    "cogvideox-5b-i2v": ("transformer", 5.57e9),
    "cogvideox1.5-5b": ("transformer", 5.57e9),
    "cogvideox1.5-5b-i2v": ("transformer", 5.575e9),
}


def published(name: str) -> Any:
    import torch

    entry = load_manifest().find(name)
    with torch.device("meta"):
        return import_module(f"builder.tiny_models.{entry.family}").published(entry)


@pytest.mark.parametrize("name", DENOISERS)
def test_a_denoiser_has_as_many_numbers_as_the_published_one(name: str) -> None:
    component, expected = DENOISERS[name]
    parameters = list(getattr(published(name), component).parameters())

    # SVD's blending factors, one number each, are made on the CPU whatever the default device.
    assert {part.device.type for part in parameters if part.numel() > 1} == {"meta"}
    count = sum(parameter.numel() for parameter in parameters)
    assert count == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("name", ["zeroscope", "svd", "cogvideox"])
def test_a_scheduler_reckons_on_the_cpu_wherever_the_weights_are(name: str) -> None:
    scheduler = published(name).scheduler
    scheduler.set_timesteps(3)

    assert scheduler.alphas_cumprod.device.type == "cpu"
    assert len(scheduler.timesteps) == 3
