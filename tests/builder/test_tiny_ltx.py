"""LTX-Video and LTX-2: as large as published, small enough for a test, heard and not only seen."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from builder.tiny_models import gemma
from src.manifest import load_manifest

pytestmark = pytest.mark.real

#: Component -> how many numbers the published weights hold. LTX-Video's are in their names and in
#: its report (1.9 and 13 thousand million); LTX-2's are too (19 and 22), its connectors counted.
SIZES = {
    "ltx-video": ({"transformer"}, 1.92e9),
    "ltx-video-13b": ({"transformer"}, 13.0e9),
    "ltx-2": ({"transformer"}, 19e9),
    "ltx-2.3": ({"transformer", "connectors"}, 22e9),
}
RATES = {"ltx-2": 24_000, "ltx-2.3": 48_000}


@pytest.mark.parametrize("name", SIZES)
def test_a_denoiser_has_as_many_numbers_as_the_published_one(name: str) -> None:
    import torch

    components, expected = SIZES[name]
    entry = load_manifest().find(name)
    with torch.device("meta"):
        pipeline = import_module(f"builder.tiny_models.{entry.family}").published(entry)
    parameters = [
        item for component in components for item in getattr(pipeline, component).parameters()
    ]

    assert {parameter.device.type for parameter in parameters} == {"meta"}
    assert sum(item.numel() for item in parameters) == pytest.approx(expected, rel=0.03)
    assert pipeline.scheduler.sigmas.device.type == "cpu"


def test_any_prompt_has_its_own_ids_and_begins_as_published() -> None:
    tokenizer = gemma.tokenizer()
    prompts = ("a calm sea", "a stormy sea", "海", "湖", "🐱", "🐶", "Привет", "")
    ids = [tuple(tokenizer(prompt).input_ids) for prompt in prompts]

    assert len(set(ids)) == len(prompts)
    assert {each[0] for each in ids} == {tokenizer.bos_token_id}
    assert not any(tokenizer.unk_token_id in each for each in ids)
    assert max(max(each) for each in ids) < min(gemma.IMAGE.values())


@pytest.mark.parametrize("name", RATES)
def test_a_random_spectrogram_is_heard(tiny_models: Path, name: str) -> None:
    import diffusers
    import torch

    folder = tiny_models / load_manifest().find(name).repo
    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder, use_safetensors=True)
    torch.manual_seed(0)
    with torch.no_grad():
        wave = pipeline.vocoder(torch.randn(1, 2, 10, 64))

    assert wave.shape == (1, 2, RATES[name] // 10)
    assert 0.05 < float(wave.std()) < 0.5
    assert float(wave.abs().max()) <= 1.0
