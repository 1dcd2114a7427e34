"""Trains the transformer and the text encoder together: to tell noise less clip.

A text says nothing of places. What is made of text alone is learnt from clips where things move in
the middle; what is made of an image or a video, from clips where they are anywhere, and where that
is can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import LTXConditionPipeline
from torch.nn.attention import SDPBackend, sdpa_kernel

from . import networks, sheets
from .autoencoding import badness, half_precision
from .captions import caption
from .latents import Kind, Shelf, Size, denormalised, drawn
from .noising import Batch, Tokens, noised
from .optimizing import Muon
from .reading import Reading, Texts, encoded, read, some_texts
from .run import Crew, Learner, Log

#: How often a clip is told of by nothing: guidance needs to know what that looks like.
UNTOLD = 0.12
#: How often a half has things in the middle.
MIDDLE = 0.6
#: How often the first frame is given, of clips in the middle and anywhere, and how often a last
#: image of the latter.
FIRST_IN_MIDDLE, FIRST, LAST = 0.1, 0.75, 0.3
#: As much noise shows still where a thing is that may be anywhere.
MOST_NOISE = 0.85
#: Frames a second, by chance.
RATES = (7, 8, 8, 8, 8, 8, 10, 12, 15, 16, 24, 25, 30)
#: What reading counts for beside denoising.
READING = 0.1
#: What an error counts for once more, as far as it leads to what a clip may be taken for. Of all
#: errors a fifth lay in three such directions of 3072, and made circles a little cornered.
ASTRAY = 5.0
#: What it counts for how a clip looks, and how many of a half are looked at. Through more noise
#: than this nothing is seen.
LOOKS, LOOKED_AT = 2.0, 2
MOST_SEEN_THROUGH = 0.9
MUON_RATE = 0.02
ADAM_RATE = 2e-3
#: Steps that the rates fall over, at the end.
FALLING = 18_000
SEED = 2027
#: Clips in each worker's half of a batch.
HALF = 32
#: How often a batch is of its phase's main size, and encoded clips of that and of each other one.
MAIN = 0.75
MAIN_CLIPS, OTHER_CLIPS = 20_000, 1_500
#: Steps between two sheets.
SHEET_EVERY = 500


@dataclass(frozen=True)
class Phase:
    """Up to which step, the size of most batches, and those of the rest."""

    until: int
    main: Size
    others: tuple[Size, ...] = ()


#: Fewer tokens first: what words mean is learnt on small frames at half the price.
PHASES = (
    Phase(6_000, Size(96, 96, 17)),
    Phase(
        38_800,
        Size(128, 128, 17),
        (
            Size(96, 96, 17),
            Size(128, 96, 17),
            Size(96, 128, 17),
            Size(160, 96, 17),
            Size(160, 128, 17),
            Size(128, 128, 9),
            Size(128, 128, 25),
        ),
    ),
)


@dataclass(frozen=True)
class Half:
    """One worker's part of a step: a batch, the frames of its first clips, and texts to be read."""

    batch: Batch
    shown: torch.Tensor
    texts: Texts


class Denoising:
    """The run: its networks, its encoded clips, and how far it has come."""

    def __init__(self, folder: Path, crew: Crew, log: Log, *, vae: Any, reading: Reading) -> None:
        """Goes on from the folder's checkpoint; `vae` is trained, and knows its statistics.

        A new run begins with what `reading` has trained.
        """
        torch.manual_seed(SEED)
        self.tokenizer = reading.tokenizer
        self.network = torch.nn.ModuleDict(
            {"transformer": networks.transformer(), **reading.trained()}
        )
        self._vae = vae.eval().requires_grad_(False)
        self._crew = crew
        self._folder = folder
        self._shelves: dict[Kind, Shelf] = {}
        self.learner = Learner(
            self.network,
            _optimizers(self.network, crew),
            path=folder / "denoiser.pt",
            crew=crew,
            log=log,
        )

    @property
    def steps(self) -> int:
        """Of all phases."""
        return PHASES[-1].until

    def train(self) -> None:
        """Go on to the end, writing checkpoints."""
        losses: list[float] = []
        for telling, pace in self.learner.paces(self.steps):
            losses.append(self._one())
            if telling:
                self.learner.log.say(f"denoiser {pace}; loss {np.mean(losses[-100:]):.4f}")
            if self.learner.step % SHEET_EVERY == 0:
                self._sheet()

    def trained(self) -> LTXConditionPipeline:
        """What was trained so far, its weights averaged, as diffusers has it."""
        self.learner.wear_average()
        return self._pipeline()

    def _pipeline(self) -> LTXConditionPipeline:
        parts = {name: self.network[name] for name in ("transformer", "text_encoder")}
        return networks.pipeline(vae=self._vae, tokenizer=self.tokenizer, **parts)

    def _sheet(self) -> None:
        pipeline = self._pipeline()
        pipeline.set_progress_bar_config(disable=True)
        with self.learner.average.worn():
            rows = sheets.samples(pipeline)
        sheets.write(self._folder / "samples" / f"denoiser-{self.learner.step:06}.png", rows)

    def _one(self) -> float:
        chance = np.random.default_rng([SEED, self.learner.step])
        size, count = _size(self.learner.step, chance)
        kinds = [Kind(size, middle=bool(chance.random() < MIDDLE)) for _ in range(2)]
        halves = [self._half(kind, count, chance) for kind in kinds]
        # The processor's flash attention takes half of a step's time for so few tokens.
        with sdpa_kernel(SDPBackend.MATH):
            left = self.steps - self.learner.step
            return self.learner.learn(self._loss, halves, share=min(1.0, left / FALLING))

    def _shelf(self, kind: Kind, count: int) -> Shelf:
        """So many encoded clips."""
        if kind not in self._shelves:
            self._shelves[kind] = Shelf(kind, self._folder, self._vae)
        shelf = self._shelves[kind]
        shelf.fill(count, self._crew.workers)
        return shelf

    def _half(self, kind: Kind, count: int, chance: np.random.Generator) -> Half:
        """By chance, of so many clips. Of those in the middle it is known what to take them for."""
        middle = kind.middle
        places = chance.integers(count, size=HALF)
        scenes, clips, lasts, at = self._shelf(kind, count).take(places)
        told = [caption(scene, chance) for scene in scenes]
        with_last = not middle and chance.random() < LAST
        first = torch.from_numpy(chance.random(HALF) < (FIRST_IN_MIDDLE if middle else FIRST))
        other = replace(kind, mistaken=True)
        batch = Batch(
            prompts=["" if chance.random() < UNTOLD else prompt for prompt in told],
            clips=clips,
            lasts=lasts if with_last else None,
            at=at,
            mistaken=self._shelf(other, count).take(places)[1] if middle else None,
            first=first,
            most=torch.where(first | (middle or with_last), 1.0, MOST_NOISE),
            rate=float(chance.choice(RATES)),
        )
        return Half(batch, drawn(scenes[:LOOKED_AT], kind.size), some_texts(chance, HALF))

    def _loss(self, half: Half) -> torch.Tensor:
        misread = read(self.network, self.tokenizer, half.texts)
        tokens = noised(half.batch)
        guess = self._guess(half.batch, tokens)
        looks = self._looks(half, tokens, guess)
        return _noise_loss(tokens, guess) + LOOKS * looks + READING * misread

    def _guess(self, batch: Batch, tokens: Tokens) -> torch.Tensor:
        """Of the clips' tokens."""
        told, mask = encoded(self.network["text_encoder"], self.tokenizer, batch.prompts)
        with torch.autocast("cpu", torch.bfloat16):
            guess = self.network["transformer"](
                hidden_states=tokens.noised,
                encoder_hidden_states=told,
                timestep=tokens.times,
                encoder_attention_mask=mask,
                video_coords=tokens.coordinates,
                return_dict=False,
            )[0]
        clips: torch.Tensor = guess[:, -tokens.target.shape[1] :].float()
        return clips

    def _looks(self, half: Half, tokens: Tokens, guess: torch.Tensor) -> torch.Tensor:
        """How far off the first clips look, of those that are seen through their noise."""
        shown = half.shown
        levels = tokens.times[: len(shown), -guess.shape[1] :, None] / 1000
        seen = levels.amax((1, 2)) <= MOST_SEEN_THROUGH
        if not seen.any():
            return torch.zeros(())
        noisy = tokens.noised[: len(shown), -guess.shape[1] :]
        made = (noisy - levels * guess[: len(shown)])[seen]
        clips = LTXConditionPipeline._unpack_latents(made, *half.batch.clips.shape[2:], 1, 1)
        with half_precision():
            looks = self._vae.decode(denormalised(self._vae, clips)).sample.float()
        return badness(looks - shown[seen])


def _noise_loss(tokens: Tokens, guess: torch.Tensor) -> torch.Tensor:
    off = guess - tokens.target
    astray = (off * tokens.astray).sum((1, 2)).pow(2).mean() / off[0].numel()
    loss: torch.Tensor = off.pow(2).mean(-1)[tokens.judged].mean() + ASTRAY * astray
    return loss


def _size(step: int, chance: np.random.Generator) -> tuple[Size, int]:
    """One that the step's phase has, and how many clips there are of it."""
    phase = next(phase for phase in PHASES if step < phase.until)
    if phase.others and chance.random() > MAIN:
        return phase.others[chance.integers(len(phase.others))], OTHER_CLIPS
    return phase.main, MAIN_CLIPS


def _optimizers(network: torch.nn.Module, crew: Crew) -> list[torch.optim.Optimizer]:
    def inner(name: str, value: torch.Tensor) -> bool:
        return value.ndim == 2 and "transformer_blocks" in name and name.endswith("weight")

    named = list(network.named_parameters())
    matrices = [value for name, value in named if inner(name, value)]
    rest = [value for name, value in named if not inner(name, value)]
    return [
        Muon(matrices, lr=MUON_RATE, workers=crew.workers),
        torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.97), weight_decay=0),
    ]
