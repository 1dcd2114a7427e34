"""Prompts are encoded once, and what is kept changes no frame and takes no more than it may."""

import gc
import inspect
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.generation import Task
from src.manifest import load_manifest
from src.pipelines.loaded import LoadedModel
from src.pipelines.loader import Loader
from src.pipelines.prompt_cache import PromptCache

from .conftest import Studio

TEXT2VIDEO = Task.TEXT2VIDEO
#: Each family's own way of saying that one clip is wanted.
ONE_CLIP: dict[str, dict[str, Any]] = {"tiny": {"num_images_per_prompt": 1}, "cogvideox": {}}


@pytest.fixture
def own_studio(tiny_models: Path) -> Studio:
    """A room that has seen no prompt."""
    return Studio(tiny_models)


def loaded(studio: Studio, model: str) -> LoadedModel:
    return studio.loader.load(load_manifest().find(model))


class Encoder:
    """Counts the calls of a model's real text encoder."""

    def __init__(self, studio: Studio, model: str) -> None:
        self.calls = 0
        encoder: Any = loaded(studio, model).pipeline(TEXT2VIDEO).text_encoder
        encoder.register_forward_hook(self._heard)

    def _heard(self, *_call: Any) -> None:
        self.calls += 1

    def calls_for(self, make: Any) -> tuple[int, Any]:
        before = self.calls
        made = make()
        return self.calls - before, made


@contextmanager
def uncached(model: LoadedModel) -> Iterator[None]:
    methods = {
        name: pipeline.__dict__.pop("encode_prompt") for name, pipeline in model.pipelines.items()
    }
    try:
        yield
    finally:
        for name, method in methods.items():
            model.pipelines[name].__dict__["encode_prompt"] = method


@pytest.mark.real
@pytest.mark.parametrize("model", ["tiny", "cogvideox", "wan2.1-t2v-1.3b", "ltx-video"])
def test_a_prompt_that_came_before_is_not_encoded_again_and_the_frames_are_the_same(
    own_studio: Studio, model: str
) -> None:
    encoder = Encoder(own_studio, model)

    def both() -> Any:
        return encoder.calls_for(lambda: own_studio.frames(model, TEXT2VIDEO, guidance_scale=7.5))

    first, second = both(), both()
    with uncached(loaded(own_studio, model)):
        plain = both()

    assert (first[0], second[0], plain[0]) == (2, 0, 2)
    assert np.array_equal(first[1], plain[1])
    assert np.array_equal(second[1], plain[1])


@pytest.mark.real
@pytest.mark.parametrize("model", ["tiny", "cogvideox"])
@pytest.mark.parametrize(
    ("change", "calls"),
    [
        ({}, 0),
        ({"negative_prompt": "blurred"}, 1),
        ({"prompt": "a hare"}, 1),
        ({"prompt": "a hare", "negative_prompt": "blurred"}, 2),
        ({"do_classifier_free_guidance": False}, 0),
    ],
)
def test_of_two_texts_only_the_new_one_is_encoded(
    studio: Studio, model: str, change: dict[str, Any], calls: int
) -> None:
    made = loaded(studio, model)
    pipeline = made.pipeline(TEXT2VIDEO)
    asked = {"prompt": "a fox", "device": torch.device("cpu"), "do_classifier_free_guidance": True}
    asked |= ONE_CLIP[model]
    encoder = Encoder(studio, model)
    with uncached(made), torch.no_grad():
        plain = pipeline.encode_prompt(**asked | change)
        PromptCache().install(pipeline)
        pipeline.encode_prompt(**asked)
        counted, encoded = encoder.calls_for(lambda: pipeline.encode_prompt(**asked | change))

    assert counted == calls
    assert len(encoded) == len(plain)
    for one, other in zip(encoded, plain, strict=True):
        assert one is other is None or torch.equal(one, other)


@pytest.mark.real
def test_another_layer_of_the_encoder_is_another_encoding(studio: Studio) -> None:
    pipeline = loaded(studio, "tiny").pipeline(TEXT2VIDEO)
    last, skipped = encode(pipeline, "a fox"), encode(pipeline, "a fox", clip_skip=2)
    with uncached(loaded(studio, "tiny")):
        plain = encode(pipeline, "a fox", clip_skip=2)

    assert not torch.equal(last[0], skipped[0])
    assert torch.equal(skipped[0], plain[0])
    assert torch.equal(skipped[1], plain[1])


@pytest.mark.real
def test_a_lora_on_the_text_encoder_is_never_passed_over(own_studio: Studio) -> None:
    from peft import LoraConfig

    pipeline = loaded(own_studio, "tiny").pipeline(TEXT2VIDEO)
    before = encode(pipeline, "a fox")
    lora = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    pipeline.text_encoder.add_adapter(lora, adapter_name="style")
    changed = encode(pipeline, "a fox")
    pipeline.text_encoder.delete_adapter("style")
    after = encode(pipeline, "a fox")

    assert not torch.equal(before[0], changed[0])
    assert torch.equal(before[0], after[0])


@pytest.mark.real
def test_what_is_kept_goes_with_its_model(tiny_models: Path) -> None:
    manifest = load_manifest()
    loader = Loader(models_dir=tiny_models, device="cpu", memory_budget=1)
    model = loader.load(manifest.find("tiny"))
    encode(model.pipeline(TEXT2VIDEO), "a fox")
    assert model.prompts.size_bytes > 0
    kept = weakref.ref(model.prompts)
    del model
    loader.load(manifest.find("svd"))
    gc.collect()

    assert kept() is None


def encode(pipeline: Any, prompt: str, **changed: Any) -> Any:
    return pipeline.encode_prompt(
        **{"prompt": prompt, "device": torch.device("cpu"), **changed},
        num_images_per_prompt=1,
        do_classifier_free_guidance=True,
    )


class Pipeline:
    """Encodes by the order and the names of diffusers' methods, and remembers each text."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self.encoded: list[str] = []

    def _encode(self, text: str) -> torch.Tensor:
        self.encoded.append(text)
        return torch.full((1, 4), float(len(text)))

    def encode_prompt(
        self,
        prompt: str,
        device: torch.device | None = None,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: str | None = None,
        prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Text in, numbers out."""
        del device, num_images_per_prompt
        if prompt_embeds is None:
            prompt_embeds = self._encode(prompt)
        if do_classifier_free_guidance and negative_prompt_embeds is None:
            negative_prompt_embeds = self._encode(negative_prompt or "")
        return prompt_embeds, negative_prompt_embeds


class WithTemplate(Pipeline):
    """As HunyuanVideo's: one text, what comes back in an order of its own."""

    def encode_prompt(  # type: ignore[override]
        self,
        prompt: str,
        prompt_template: dict[str, Any] | None = None,
        image: Any = None,
        prompt_embeds: torch.Tensor | None = None,
        pooled_prompt_embeds: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        del prompt_template, image, prompt_embeds, pooled_prompt_embeds
        made = self._encode(prompt)
        return made, made * 2


def test_no_more_is_kept_than_so_many_and_the_least_recently_used_goes_first() -> None:
    cache, pipeline = PromptCache(entries=3), Pipeline()
    cache.install(pipeline)
    for prompt in ("a", "b", "a", "c"):  # and the negative prompt, each time
        encode(pipeline, prompt)
    assert (len(cache), pipeline.encoded) == (3, ["a", "", "b", "c"])
    encode(pipeline, "a")
    assert pipeline.encoded == ["a", "", "b", "c"]
    encode(pipeline, "b")
    assert pipeline.encoded == ["a", "", "b", "c", "b"]


def test_no_more_bytes_are_kept_than_so_many() -> None:
    cache, pipeline = PromptCache(size_bytes=40), Pipeline()
    cache.install(pipeline)
    for prompt in ("a", "b", "c", "d"):
        encode(pipeline, prompt)
        assert cache.size_bytes <= 40
    assert len(cache) == 2

    small = PromptCache(size_bytes=15)
    small.install(pipeline := Pipeline())
    encode(pipeline, "a")
    encode(pipeline, "a")
    assert (len(small), small.size_bytes) == (0, 0)
    assert pipeline.encoded == ["a", "", "a", ""]


def test_what_a_pipeline_does_to_an_encoding_is_not_kept() -> None:
    pipeline = Pipeline()
    PromptCache().install(pipeline)
    for _ in range(3):
        for tensor in encode(pipeline, "fox"):
            assert tensor.unique().tolist() in ([3.0], [0.0])
            tensor.add_(1)


@pytest.mark.parametrize(
    "changed",
    [
        {"num_images_per_prompt": 2},
        {"prompt_embeds": torch.ones(1, 4)},
        {"negative_prompt": torch.ones(1)},
    ],
)
def test_what_is_no_matter_of_words_alone_is_left_to_diffusers(changed: dict[str, Any]) -> None:
    cache, pipeline = PromptCache(), Pipeline()
    cache.install(pipeline)
    pipeline.encode_prompt("a", **changed)

    assert len(cache) == 0


def test_a_whole_that_cannot_be_handed_in_is_kept_as_a_whole() -> None:
    pipeline = WithTemplate()
    PromptCache().install(pipeline)
    template = {"template": "Describe: {}", "crop_start": 3}
    first = pipeline.encode_prompt("fox", prompt_template=template)
    second = pipeline.encode_prompt("fox", prompt_template=dict(template))
    assert pipeline.encoded == ["fox"]
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))

    pipeline.encode_prompt("fox", prompt_template=template | {"crop_start": 4})
    assert pipeline.encoded == ["fox"] * 2
    for _ in range(2):
        pipeline.encode_prompt("fox", prompt_template=template, image=torch.ones(1))
    assert pipeline.encoded == ["fox"] * 4


def test_true_and_one_are_two_keys_and_two_classes_do_not_share() -> None:
    cache = PromptCache()
    pipelines: list[Any] = [Pipeline(), type("Other", (Pipeline,), {})()]
    for pipeline in pipelines:
        cache.install(pipeline)
        encode(pipeline, "fox")
    assert [pipeline.encoded for pipeline in pipelines] == [["fox", ""]] * 2

    encode(pipelines[0], "fox", device=1)
    encode(pipelines[0], "fox", device=True)
    assert pipelines[0].encoded == ["fox", ""] * 3


def test_the_signature_stays_and_a_pipeline_without_prompts_is_left_alone() -> None:
    pipeline = Pipeline()
    expected = inspect.signature(pipeline.encode_prompt)
    PromptCache().install(pipeline)
    assert inspect.signature(pipeline.encode_prompt) == expected

    silent = object()
    PromptCache().install(silent)
    assert not hasattr(silent, "encode_prompt")
