"""What diffusers' `clip_skip` needs of a text encoder that it was not written for."""

from __future__ import annotations

from typing import Any


def let_layers_be_skipped(text_encoder: Any) -> None:
    """Make `clip_skip` work on a CLIP text encoder of transformers 5.

    [compat] With clip_skip, diffusers 0.42 asks the encoder for `text_model`, which transformers 5
    has merged into the encoder itself. Set past torch's registry of submodules: the encoder must
    not become its own child.
    """
    if not hasattr(text_encoder, "text_model"):
        vars(text_encoder)["text_model"] = text_encoder
