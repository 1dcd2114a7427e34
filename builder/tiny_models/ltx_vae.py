"""What the VAEs of LTX-Video and LTX-2 have in common: a decoder whose last layer gives patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from .weights import set_output, smooth

#: Of 128; no rule for sizes or frames follows from it, and much of the tiny weights' size.
LATENT_CHANNELS = 16


def make_visible(vae: Any, decode: Callable[[], Tensor]) -> None:
    """Have frames with soft colours that move; `decode` is a call of the VAE on random latents.

    The last layer's channels are the pixels of a patch, each of which gets its own mean and
    deviation: its constants alone would make a pattern that stands still.
    """
    smooth(vae.decoder)
    last = vae.decoder.conv_out

    def patches() -> Tensor:
        given: list[Tensor] = []
        hook = last.register_forward_hook(lambda _layer, _inputs, output: given.append(output))
        try:
            decode()
        finally:
            hook.remove()
        return given[0]

    set_output(last.conv, std=0.5, run=patches, channels=1)
