"""Trains the autoencoder on windows of clips, small ones first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLLTXVideo

from . import sheets
from .batches import windows
from .networks import autoencoder
from .optimizing import Muon
from .run import Crew, Learner, Log

#: Pixels of a whole frame's side.
SIDE = 128
#: Of latents: what a transformer's small errors are like.
NOISE = 0.05
MUON_RATE = 0.02
ADAM_RATE = 2e-3
SEED = 2026
#: Steps between two sheets.
SHEET_EVERY = 500


@dataclass(frozen=True)
class Phase:
    """So many windows of one size, a few in each worker's half of a batch."""

    windows: int
    frames: int
    size: int
    half: int

    @property
    def steps(self) -> int:
        """Batches of two halves."""
        return self.windows // (2 * self.half)


PHASES = (
    Phase(windows=17_600, frames=9, size=64, half=8),
    Phase(windows=10_000, frames=17, size=96, half=2),
    Phase(windows=4_800, frames=17, size=128, half=1),
)


class Autoencoding:
    """The run: the network, and how far it has come."""

    def __init__(self, folder: Path, crew: Crew, log: Log) -> None:
        """Goes on from the folder's checkpoint."""
        torch.manual_seed(SEED)
        self.vae = autoencoder()
        self._folder = folder
        self.learner = Learner(
            self.vae,
            optimizers(self.vae, crew),
            path=folder / "autoencoder.pt",
            crew=crew,
            log=log,
        )

    @property
    def steps(self) -> int:
        """Of all phases."""
        return sum(phase.steps for phase in PHASES)

    def train(self) -> None:
        """Go on to the end, writing checkpoints."""
        for telling, pace in self.learner.paces(self.steps):
            phase = self._phase()
            loss = self._one(phase)
            if telling:
                self.learner.log.say(
                    f"autoencoder {pace}; {phase.size}px loss {loss:.4f} {self._quality()}"
                )

    def trained(self) -> AutoencoderKLLTXVideo:
        """The network with its averaged weights."""
        self.learner.wear_average()
        return self.vae.requires_grad_(False)

    def _phase(self) -> Phase:
        left = self.learner.step
        for phase in PHASES:
            if left < phase.steps:
                return phase
            left -= phase.steps
        raise IndexError(self.learner.step)

    def _one(self, phase: Phase) -> float:
        seeds = [[SEED, self.learner.step, half] for half in range(2)]

        def loss(seed: list[int]) -> torch.Tensor:
            chance = np.random.default_rng(seed)
            shown = windows(chance, phase.half, frames=phase.frames, size=phase.size, side=SIDE)
            return _loss(self.vae, shown)

        # Down to nothing in a line, which leaves least of the steps' noise.
        return self.learner.learn(loss, seeds, share=1 - self.learner.step / self.steps)

    def _quality(self) -> str:
        """PSNR in dB of windows not trained on, and of their first frames; a sheet at times."""
        shown = windows(np.random.default_rng(1), 16, frames=17, size=96, side=SIDE)
        with self.learner.average.worn(), torch.no_grad(), half_precision():
            made = self.vae.decode(self.vae.encode(shown).latent_dist.mode()).sample
        made = made.float().clamp(-1, 1)
        if self.learner.step % SHEET_EVERY == 0:
            name = f"autoencoder-{self.learner.step:06}.png"
            sheets.write(self._folder / "samples" / name, sheets.pairs(shown[:8], made[:8]))
        errors = ((made - shown) / 2).pow(2)
        whole = -10 * errors.mean((1, 2, 3, 4)).log10().mean()
        first = -10 * errors[:, :, 0].mean((1, 2, 3)).log10().mean()
        return f"psnr {whole:.2f} first {first:.2f}"


def _loss(vae: AutoencoderKLLTXVideo, shown: torch.Tensor) -> torch.Tensor:
    with half_precision():
        mean = vae.encode(shown).latent_dist.mean
        made = vae.decode(mean + NOISE * torch.randn_like(mean)).sample.float()
    # Latents as large as they need be, so that the noise counts.
    loss: torch.Tensor = badness(made - shown) + 1e-3 * mean.float().pow(2).mean()
    return loss


def badness(off: torch.Tensor) -> torch.Tensor:
    """Of errors of shape (..., height, width): their size, and how they change between pixels.

    The latter is that of outlines: corners are few, and make the shape.
    """
    edges = [off.diff(dim=axis).abs().mean() for axis in (-1, -2)]
    return off.abs().mean() + 2 * off.pow(2).mean() + sum(edges, torch.zeros(()))


def half_precision() -> Any:
    """Products in bfloat16: half the time where the processor knows it."""
    return torch.autocast("cpu", torch.bfloat16)


def optimizers(network: torch.nn.Module, crew: Crew) -> list[torch.optim.Optimizer]:
    """For an autoencoder or a part of it: Muon for what is within."""

    def inner(name: str, value: torch.Tensor) -> bool:
        outer = name.startswith("encoder.conv_in") or "conv_out" in name
        return value.ndim == 5 and not outer

    named = list(network.named_parameters())
    matrices = [value for name, value in named if inner(name, value)]
    rest = [value for name, value in named if not inner(name, value)]
    return [
        Muon(matrices, lr=MUON_RATE, workers=crew.workers),
        torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.95), weight_decay=0),
    ]
