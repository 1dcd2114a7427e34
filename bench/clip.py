"""The clip that encoders are measured on: what a VAE gives, but known exactly."""

from __future__ import annotations

import torch

FRAMES, HEIGHT, WIDTH, FPS = 81, 480, 832, 16


def decoded_clip() -> torch.Tensor:
    """A float32 tensor (1, 3, frames, height, width) in [-1, 1]: drifting colours, edges, grain."""
    generator = torch.Generator().manual_seed(0)
    y = torch.linspace(0, 1, HEIGHT)[:, None]
    x = torch.linspace(0, 1, WIDTH)[None, :]
    clip = torch.empty(1, 3, FRAMES, HEIGHT, WIDTH)
    for frame in range(FRAMES):
        t = frame / FRAMES
        for channel, (fx, fy) in enumerate(((3.0, 1.0), (1.0, 4.0), (2.0, 2.0))):
            clip[0, channel, frame] = 0.8 * torch.sin(6.28 * (fx * x + fy * y + t + channel / 3))
        _disc(clip[0, :, frame], x, y, t)
    noise = torch.empty(HEIGHT, WIDTH)
    for frame in range(FRAMES):
        clip[0, :, frame] += 0.02 * noise.normal_(generator=generator)
    return clip.clamp_(-1, 1)


def _disc(frame: torch.Tensor, x: torch.Tensor, y: torch.Tensor, t: float) -> None:
    inside = (x - 0.2 - 0.6 * t) ** 2 * (WIDTH / HEIGHT) ** 2 + (y - 0.5) ** 2 < 0.04
    frame[:, inside] = torch.tensor([[0.9], [-0.6], [-0.8]])


def truth(frames: torch.Tensor) -> torch.Tensor:
    """The clip as uint8 (frames, height, width, 3), each value rounded to the nearest."""
    return ((frames[0].permute(1, 2, 3, 0) + 1) * 127.5).round().to(torch.uint8)
