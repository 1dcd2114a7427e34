"""Trains the text encoder to tell what a text says: shapes, colors and the motion.

By what helps against noise alone, the many words for a motion come to mean the same late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import networks
from .captions import trainable_scene, whole_caption, words
from .run import Crew, Learner, Log
from .scenes import COLORS, MOTIONS, SHAPES, Scene

STEPS = 1_500
#: Texts in each worker's half of a batch.
HALF = 64
#: How often a text is of two figures: whose color is whose is the hardest to read.
TWO = 0.4
RATE = 2e-3
SEED = 2026

_NAMES = {"shape": list(SHAPES), "color": list(COLORS), "motion": list(MOTIONS)}
#: What is asked: of the first figure, of both, and of the second, which may not be there.
_QUESTIONS = {
    "shape": len(_NAMES["shape"]),
    "color": len(_NAMES["color"]),
    "motion": len(_NAMES["motion"]),
    "other shape": len(_NAMES["shape"]) + 1,
    "other color": len(_NAMES["color"]) + 1,
}


class Reader(torch.nn.Module):
    """Answers from one vector of the encoder's, that of a text's last piece; not of the model."""

    def __init__(self, width: int) -> None:
        """`width` is the encoder's."""
        super().__init__()
        self.answers = torch.nn.Linear(width, sum(_QUESTIONS.values()))

    def forward(self, told: torch.Tensor, mask: torch.Tensor, scenes: Sequence[Scene]) -> Any:
        """The mean loss over the questions; `told` has shape (N, pieces, width)."""
        last = mask.long().sum(1) - 1
        vectors = told[torch.arange(len(told)), last].float()
        guesses = self.answers(vectors).split(list(_QUESTIONS.values()), 1)
        right = torch.tensor([_answers(scene) for scene in scenes]).unbind(1)
        losses = [
            torch.nn.functional.cross_entropy(guess, answer)
            for guess, answer in zip(guesses, right, strict=True)
        ]
        return torch.stack(losses).mean()


@dataclass(frozen=True)
class Texts:
    """Some texts, and the scenes that they tell of."""

    texts: list[str]
    scenes: list[Scene]


def some_texts(chance: np.random.Generator, count: int) -> Texts:
    """So many, that say of every figure what it is and does, and of nothing that is held out."""
    scenes = [trainable_scene(chance, two=TWO) for _ in range(count)]
    return Texts([whole_caption(scene, chance) for scene in scenes], scenes)


class Reading:
    """The run: a text encoder with its tokenizer, and how far it has come."""

    def __init__(self, folder: Path, crew: Crew, log: Log) -> None:
        """Goes on from the folder's checkpoint."""
        torch.manual_seed(SEED)
        self.tokenizer = networks.tokenizer(words())
        self.network = torch.nn.ModuleDict(
            {
                "text_encoder": networks.text_encoder(len(self.tokenizer)),
                "reader": Reader(networks.TEXT_WIDTH),
            }
        )
        # Not Muon, by which T5's attention, that divides by nothing, is of one word alone.
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=RATE, weight_decay=0)
        self.learner = Learner(
            self.network, [optimizer], path=folder / "reader.pt", crew=crew, log=log
        )

    def train(self) -> None:
        """Go on to the end, writing checkpoints."""
        losses: list[float] = []
        for telling, pace in self.learner.paces(STEPS):
            chance = np.random.default_rng([SEED, self.learner.step])
            halves = [some_texts(chance, HALF) for _ in range(2)]
            share = 1 - self.learner.step / STEPS
            losses.append(self.learner.learn(self._loss, halves, share=share))
            if telling:
                self.learner.log.say(f"reader {pace}; loss {np.mean(losses[-100:]):.4f}")

    def trained(self) -> dict[str, torch.nn.Module]:
        """What was trained so far, its weights averaged."""
        self.learner.wear_average()
        return dict(self.network.items())

    def _loss(self, half: Texts) -> torch.Tensor:
        return read(self.network, self.tokenizer, half)


def read(network: Any, tokenizer: Any, half: Texts) -> torch.Tensor:
    """How badly the network's `text_encoder` and `reader` tell what these texts say."""
    told, mask = encoded(network["text_encoder"], tokenizer, half.texts)
    loss: torch.Tensor = network["reader"](told, mask, half.scenes)
    return loss


def encoded(
    text_encoder: Any, tokenizer: Any, texts: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The texts' vectors, shape (N, pieces, width), and which of them are there."""
    pieces = tokenizer(list(texts), padding=True, return_tensors="pt")
    mask = pieces.attention_mask.bool()
    with torch.autocast("cpu", torch.bfloat16):
        told: torch.Tensor = text_encoder(pieces.input_ids, attention_mask=mask)[0]
    return told, mask


def _answers(scene: Scene) -> list[int]:
    """In the questions' order."""
    first, *others = scene.figures
    figure = [_NAMES["shape"].index(first.shape), _NAMES["color"].index(first.color)]
    motion = _NAMES["motion"].index(scene.motion)
    if not others:
        return [*figure, motion, len(_NAMES["shape"]), len(_NAMES["color"])]
    other = [_NAMES["shape"].index(others[0].shape), _NAMES["color"].index(others[0].color)]
    return [*figure, motion, *other]
