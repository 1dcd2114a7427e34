"""Networks that help any model, where they are baked; each is loaded when it is first wanted."""

from __future__ import annotations

from functools import cached_property

import torch

from ..generation import Clip, Parameters
from ..manifest import ToolEntry, ToolKind
from .choices import Choices
from .enhance import PromptEnhancer
from .rife import Rife
from .weights import ModelsDir, folder


class Tools:
    """What the room does before and after the pipelines' work."""

    def __init__(self, choices: Choices, *, models_dir: ModelsDir, device: torch.device) -> None:
        """The tools that there are to choose from, on the device on which the models run."""
        self._choices = choices
        self._models_dir = models_dir
        self._device = device

    def enhanced_prompt(self, parameters: Parameters) -> str | None:
        """The prompt to use in place of the caller's; None for the caller's own.

        Raises ModelNotLoaded or OutOfMemory.
        """
        if not parameters.enhance_prompt or not parameters.prompt or not self._enhancer:
            return None
        prompt = self._enhancer.enhanced(parameters.prompt)
        return prompt if prompt != parameters.prompt else None

    def interpolated(self, clip: Clip, parameters: Parameters) -> Clip:
        """The clip with frames in between where the parameters want some; otherwise as it is.

        Raises ModelNotLoaded or OutOfMemory, the latter also while the chunks are read.
        """
        return self._rife.interpolated(clip, parameters) if self._rife else clip

    @cached_property
    def _enhancer(self) -> PromptEnhancer | None:
        entry = self._choices.tool(ToolKind.PROMPT_ENHANCEMENT)
        if entry is None:
            return None
        return PromptEnhancer(
            folder(self._models_dir, entry.repo), device=self._device, dtype=self._dtype(entry)
        )

    @cached_property
    def _rife(self) -> Rife | None:
        entry = self._choices.tool(ToolKind.FRAME_INTERPOLATION)
        if entry is None:
            return None
        return Rife(
            folder(self._models_dir, entry.repo), device=self._device, dtype=self._dtype(entry)
        )

    def _dtype(self, entry: ToolEntry) -> torch.dtype:
        dtype: torch.dtype = getattr(torch, entry.dtype)
        return torch.float32 if self._device.type == "cpu" else dtype
