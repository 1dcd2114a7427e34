"""The training's pieces: orthogonal steps, batches, checkpoints, and a run that goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from builder.demo import autoencoding, denoising, latents, model, networks, polishing, reading
from builder.demo.autoencoding import Autoencoding
from builder.demo.batches import windows
from builder.demo.captions import trainable
from builder.demo.denoising import Denoising
from builder.demo.latents import (
    Kind,
    Shelf,
    Size,
    decoded,
    denormalised,
    drawn,
    encoded,
    set_statistics,
)
from builder.demo.noising import Batch, noised
from builder.demo.optimizing import Muon, orthogonal
from builder.demo.reading import Reading
from builder.demo.renoising import made_anew
from builder.demo.run import Average, Crew, Log, load, save
from builder.demo.scenes import any_scene

#: Under autocast a norm's weights are float32, its input is not.
pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype:UserWarning")

SMALL, SMALLER = Size(64, 64, 9), Size(64, 32, 9)


@pytest.fixture(autouse=True)
def threads() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def crew() -> Crew:
    return Crew()


@pytest.fixture
def vae() -> Any:
    torch.manual_seed(0)
    return networks.autoencoder().eval()


@pytest.fixture
def pipeline(tmp_path: Path, crew: Crew, vae: Any) -> Any:
    """All of it, not trained yet."""
    log = Log(tmp_path / "log.txt")
    reading = Reading(tmp_path, crew, log)
    return Denoising(tmp_path, crew, log, vae=vae, reading=reading).trained()


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of few steps on few small clips."""
    monkeypatch.setattr(
        autoencoding, "PHASES", (autoencoding.Phase(windows=8, frames=9, size=32, half=1),)
    )
    monkeypatch.setattr(reading, "STEPS", 4)
    monkeypatch.setattr(reading, "HALF", 2)
    monkeypatch.setattr(denoising, "PHASES", (denoising.Phase(4, SMALL, (SMALLER,)),))
    monkeypatch.setattr(denoising, "FALLING", 4)
    monkeypatch.setattr(denoising, "MAIN_CLIPS", 4)
    monkeypatch.setattr(denoising, "OTHER_CLIPS", 4)
    monkeypatch.setattr(denoising, "HALF", 2)


def some_clips(count: int) -> torch.Tensor:
    chance = np.random.default_rng(0)
    return drawn([any_scene(chance) for _ in range(count)], SMALL)


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (2, 5, 7)])
def test_a_matrix_becomes_nearly_orthogonal(shape: tuple[int, ...]) -> None:
    made = orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(0)))
    assert made.shape == shape
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_muon_steps_against_the_gradient_by_its_rate(crew: Crew) -> None:
    weight = torch.nn.Parameter(torch.zeros(4, 4, 3, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=0.1, workers=crew.workers).step()
    assert (weight * weight.grad).sum() < 0
    assert torch.linalg.svdvals(weight.detach().flatten(1)) == pytest.approx(
        torch.full((4,), 0.1), rel=0.4
    )


def test_two_halves_give_the_gradient_of_the_whole(crew: Crew) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    halves = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 2.0, 1.0])]
    value = crew.gradients([weight], lambda part: (weight * part).pow(2).sum(), halves)
    assert value == pytest.approx(14.0)
    assert weight.grad is not None
    assert weight.grad.tolist() == pytest.approx([10.0, 8.0, 10.0])


def test_an_average_is_worn_for_a_while() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0)
        average = Average(network)
        network.weight.fill_(1)
    average.update(100_000)
    with average.worn():
        assert network.weight.item() == pytest.approx(0.005)
    assert network.weight.item() == 1


def test_a_checkpoint_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    assert load(path) is None
    save(path, {"step": 1})
    with pytest.raises(AttributeError, match="pickle"):
        save(path, {"step": lambda: 2})
    assert load(path) == {"step": 1}


def test_windows_show_figures() -> None:
    shown = windows(np.random.default_rng(0), 16, frames=9, size=64, side=128)
    assert shown.shape == (16, 3, 9, 64, 64)
    assert shown.min() >= -1
    assert shown.max() <= 1
    plain = shown.std((2, 3, 4)).amax(1) < 0.01
    assert not plain.any()


def test_a_first_frame_is_encoded_as_the_image_that_it_is(vae: Any) -> None:
    """Else a given image were not what the transformer was trained with."""
    shown = some_clips(1)
    whole, image = encoded(vae, shown), encoded(vae, shown[:, :, :1])
    assert torch.allclose(whole[:, :, :1], image, atol=0.05)


def test_latents_are_about_0_and_1_and_come_back(vae: Any) -> None:
    shown = some_clips(8)
    set_statistics(vae, shown)
    values = encoded(vae, shown)
    assert values.mean((0, 2, 3, 4)).abs().max() < 0.05
    assert values.std((0, 2, 3, 4)).max() < 1.1
    with torch.no_grad():
        straight = vae.decode(vae.encode(shown).latent_dist.mode()).sample.clamp(-1, 1)
    assert (decoded(vae, values) - straight).abs().mean() < 0.02


def test_a_shelf_takes_what_may_be_trained_on(tmp_path: Path, crew: Crew, vae: Any) -> None:
    shelf = Shelf(Kind(Size(64, 96, 17), middle=False), tmp_path, vae)
    shelf.fill(6, crew.workers)
    assert len(shelf.scenes) == latents.PIECE
    assert all(trainable(scene) for scene in shelf.scenes)
    scenes, shown, lasts, at = shelf.take(np.array([7, 0, 3, 3]))
    assert scenes == [shelf.scenes[place] for place in (7, 0, 3, 3)]
    assert shown.shape == (4, networks.LATENT_CHANNELS, 3, 3, 2)
    assert lasts.shape == (4, networks.LATENT_CHANNELS, 1, 3, 2)
    assert ((at >= 9) & (at <= 16)).all()


@pytest.mark.parametrize("middle", [False, True])
def test_a_shelf_keeps_its_clips_and_knows_what_they_show(
    tmp_path: Path, crew: Crew, vae: Any, middle: bool
) -> None:
    count = 2 * latents.PIECE
    kind = Kind(SMALL, middle)
    first = Shelf(kind, tmp_path, vae)
    first.fill(latents.PIECE, crew.workers)
    shelf = Shelf(kind, tmp_path, vae)
    assert shelf.scenes == first.scenes
    shelf.fill(count, crew.workers)
    assert torch.equal(shelf.clips[: latents.PIECE], first.clips)
    assert len(shelf.scenes) == len(shelf.clips) == len(shelf.lasts) == count
    assert shelf.scenes[: latents.PIECE] != shelf.scenes[latents.PIECE :]
    shown = drawn(shelf.scenes, SMALL)
    for index, frame in enumerate(shelf.at):
        clip, image = shown[[index]], shown[[index]][:, :, [frame]]
        assert torch.allclose(shelf.clips[index].float(), encoded(vae, clip)[0], atol=0.05)
        assert torch.allclose(shelf.lasts[index].float(), encoded(vae, image)[0], atol=0.05)


def test_a_shelf_of_mistaken_clips_shows_what_the_others_may_be_taken_for(
    tmp_path: Path, crew: Crew, vae: Any
) -> None:
    kind = Kind(SMALL, middle=True)
    right, wrong = Shelf(kind, tmp_path, vae), Shelf(replace(kind, mistaken=True), tmp_path, vae)
    for shelf in (right, wrong):
        shelf.fill(latents.PIECE, crew.workers)
    assert all(trainable(scene) for scene in wrong.scenes)
    for one, other in zip(right.scenes, wrong.scenes, strict=True):
        assert (one.motion, one.background) == (other.motion, other.background)
        assert sum(a != b for a, b in zip(one.figures, other.figures, strict=True)) == 1
    shown = encoded(vae, drawn(wrong.scenes, SMALL))
    assert torch.allclose(wrong.clips.float(), shown, atol=0.05)


def test_kept_clips_of_other_scenes_or_another_autoencoder_are_not_taken(
    tmp_path: Path, crew: Crew, vae: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = Kind(SMALL, middle=True)
    Shelf(kind, tmp_path, vae).fill(latents.PIECE, crew.workers)
    assert Shelf(kind, tmp_path, vae).scenes
    with monkeypatch.context() as other:
        other.setattr(latents, "TWO_IN_MIDDLE", 1)
        assert not Shelf(kind, tmp_path, vae).scenes
    vae.latents_mean += 0.1
    assert not Shelf(kind, tmp_path, vae).scenes


@pytest.mark.usefixtures("briefly")
def test_an_autoencoder_goes_on_where_it_was_stopped(tmp_path: Path, crew: Crew) -> None:
    log = Log(tmp_path / "log.txt")
    first = Autoencoding(tmp_path, crew, log)
    before = first.vae.decoder.conv_in.conv.weight.clone()
    first.train()
    assert first.learner.step == first.steps == 4
    assert not torch.equal(before, first.vae.decoder.conv_in.conv.weight)
    again = Autoencoding(tmp_path, crew, log)
    assert again.learner.step == 4
    for one, other in zip(first.vae.parameters(), again.vae.parameters(), strict=True):
        assert torch.equal(one, other)
    assert "goes on at step 4" in (tmp_path / "log.txt").read_text()


@pytest.mark.usefixtures("briefly")
def test_a_denoiser_begins_with_what_has_learnt_to_read(
    tmp_path: Path, crew: Crew, vae: Any
) -> None:
    log = Log(tmp_path / "log.txt")
    first = Reading(tmp_path, crew, log)
    first.train()
    again = Reading(tmp_path, crew, log)
    assert again.learner.step == 4
    denoiser = Denoising(tmp_path, crew, log, vae=vae, reading=again)
    weights = {name: value.clone() for name, value in first.learner.average.weights.items()}
    begun = denoiser.network.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in weights.items())
    denoiser.train()
    learnt = denoiser.network.state_dict()
    assert not any(torch.equal(learnt[name], begun_with) for name, begun_with in weights.items())


@pytest.mark.usefixtures("briefly")
def test_a_denoiser_goes_on_where_it_was_stopped(tmp_path: Path, crew: Crew, vae: Any) -> None:
    log = Log(tmp_path / "log.txt")
    first = Denoising(tmp_path, crew, log, vae=vae, reading=Reading(tmp_path, crew, log))
    first.train()
    assert first.learner.step == 4
    assert (tmp_path / "clips-64x64x9.pt").is_file()
    assert (tmp_path / "clips-64x64x9-middle.pt").is_file()
    assert (tmp_path / "clips-64x64x9-middle-mistaken.pt").is_file()
    again = Denoising(tmp_path, crew, log, vae=vae, reading=Reading(tmp_path, crew, log))
    assert again.learner.step == 4
    for one, other in zip(first.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_clip_is_looked_at_as_far_as_it_is_seen_through_its_noise(
    tmp_path: Path, crew: Crew, vae: Any
) -> None:
    log = Log(tmp_path / "log.txt")
    run = Denoising(tmp_path, crew, log, vae=vae, reading=Reading(tmp_path, crew, log))
    clips = torch.randn(2, networks.LATENT_CHANNELS, 2, 2, 2)
    with torch.no_grad(), autoencoding.half_precision():
        shown = vae.decode(denormalised(vae, clips)).sample.float()

    batch = some_batch(clips, most=torch.full((2,), 0.5))
    half = denoising.Half(batch, shown, reading.some_texts(np.random.default_rng(0), 1))
    tokens = noised(batch)
    right, off = tokens.target, tokens.target + torch.randn_like(tokens.target)
    assert run._looks(half, tokens, off) > 10 * run._looks(half, tokens, right)

    hidden = replace(tokens, times=torch.full_like(tokens.times, 950.0))
    assert run._looks(half, hidden, off) == 0


def test_what_is_trained_is_read_by_diffusers(tmp_path: Path, pipeline: Any) -> None:
    from diffusers import LTXConditionPipeline

    size = model.write(pipeline, tmp_path / "owner" / "name")
    assert size < model.MOST_BYTES
    read = LTXConditionPipeline.from_pretrained(tmp_path / "owner" / "name", dtype=torch.float32)
    read.set_progress_bar_config(disable=True)
    assert read.tokenizer.tokenize("A RED ball") == ["▁a", "▁red", "▁ball"]
    frames = read(
        prompt="a red ball",
        width=64,
        height=64,
        num_frames=9,
        num_inference_steps=2,
        output_type="np",
    ).frames
    assert frames.shape == (1, 9, 64, 64, 3)


def test_weights_that_are_too_large_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vae: Any
) -> None:
    monkeypatch.setattr(model, "MOST_BYTES", 1000)
    tokenizer = networks.tokenizer(["red"])
    parts = {"transformer": networks.transformer(), "vae": vae, "tokenizer": tokenizer}
    pipeline = networks.pipeline(text_encoder=networks.text_encoder(len(tokenizer)), **parts)
    with pytest.raises(ValueError, match="above 1000"):
        model.write(pipeline, tmp_path / "name")
    assert not list(tmp_path.iterdir())


def test_polishing_changes_the_decoder_and_no_latents(
    tmp_path: Path, crew: Crew, vae: Any, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polishing, "STEPS", 2)
    monkeypatch.setattr(polishing, "SIZES", ((SMALL, 1),))
    shown = some_clips(1)
    before, values = vae.decoder.conv_in.conv.weight.clone(), encoded(vae, shown)
    run = polishing.Polishing(tmp_path, crew, Log(tmp_path / "log.txt"), pipeline=pipeline)
    run.train()
    run.wear()
    assert not torch.equal(before, vae.decoder.conv_in.conv.weight)
    assert torch.equal(values, encoded(vae, shown))


def test_a_clip_is_made_anew_from_as_much_noise_as_is_said(pipeline: Any) -> None:
    clips = torch.randn(2, networks.LATENT_CHANNELS, 2, 2, 2)
    off = [
        float((made_anew(pipeline, ["a red ball", ""], clips, level) - clips).square().mean())
        for level in (0.0, 0.3, 0.7)
    ]
    assert off == pytest.approx([0, 2 * 0.3**2, 2 * 0.7**2], rel=0.3)


def some_batch(clips: torch.Tensor, **said: Any) -> Batch:
    count = len(clips)
    none = torch.zeros(count, dtype=torch.bool)
    plain = {"lasts": None, "at": torch.zeros(count), "mistaken": None, "first": none}
    return Batch(
        prompts=[""] * count, clips=clips, rate=8.0, **{**plain, "most": torch.ones(count), **said}
    )


def test_no_clip_is_noised_more_than_it_may_be() -> None:
    clips = torch.randn(64, networks.LATENT_CHANNELS, 2, 1, 1)
    most = torch.tensor([0.4, 1.0]).repeat(32)
    tokens = noised(some_batch(clips, most=most))
    times = tokens.times.amax(1) / 1000
    assert (times <= most).all()
    assert times[most == 1].max() > 0.95
    # Straight from the clip to noise: what is shown, less its time of the way, is the clip.
    shown = tokens.noised - tokens.times[..., None] / 1000 * tokens.target
    assert torch.allclose(shown, clips.flatten(2).transpose(1, 2), atol=1e-4)
    assert not tokens.astray.any()


def test_what_is_led_astray_is_to_be_led_back() -> None:
    clips = torch.randn(64, networks.LATENT_CHANNELS, 2, 1, 1)
    far = 100.0
    batch = some_batch(clips, mistaken=clips + far, most=torch.full((64,), 0.9))
    tokens = noised(batch)
    levels, clean = tokens.times[..., None] / 1000, clips.flatten(2).transpose(1, 2)
    back = tokens.noised - levels * tokens.target
    assert torch.allclose(back, clean, atol=1e-3)
    # What is shown is the clip, as far as it was led, and noise beside which that is much.
    led = ((tokens.noised / (1 - levels) - clean).mean((1, 2)) / far).clamp(min=0)
    assert 10 < (led > 0.05).sum() < 50
    assert (led < torch.minimum(levels / (1 - levels), torch.tensor(0.4))[:, 0, 0] + 0.05).all()


def test_the_way_astray_leads_to_what_a_clip_is_mistaken_for() -> None:
    """As far as it is judged: what is given, is not."""
    clips = torch.randn(2, networks.LATENT_CHANNELS, 2, 1, 1)
    mistaken = clips.clone()
    mistaken[:, 5] += 3
    first = torch.tensor([True, False])
    astray = noised(some_batch(clips, mistaken=mistaken, first=first)).astray
    assert astray[..., 5].tolist() == [
        pytest.approx([0, 1], abs=1e-4),
        pytest.approx([0.5**0.5] * 2, abs=1e-4),
    ]
    astray[..., 5] = 0
    assert not astray.any()
    # Where nothing differs there is no way.
    assert not noised(some_batch(clips, mistaken=clips)).astray.any()


def test_an_outline_that_is_off_is_worse_than_a_shade() -> None:
    """By the same mean error."""
    outline = torch.zeros(1, 3, 1, 16, 16)
    outline[..., 8] = 1.6
    shade = torch.full_like(outline, 0.1)
    assert outline.mean() == pytest.approx(float(shade.mean()))
    assert autoencoding.badness(outline) > 2 * autoencoding.badness(shade)
