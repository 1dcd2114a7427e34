"""Encodings of prompts that came before, so that the same words are not encoded twice.

Stands in the place of a pipeline's `encode_prompt`. What was encoded before is handed to
diffusers' own method as a caller's embeddings are; it then leaves the text encoder alone.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch

from .family import Pipeline

#: Most families' encodings are of a megabyte or two; LTX-2's, of all layers, of 400.
MOST_ENTRIES = 64
MOST_BYTES = 1_000_000_000

_PLAIN = (str, int, float, bool, type(None), torch.dtype, torch.device)
#: How many clips are wanted of one prompt; above one, encodings come out repeated.
_COUNTS = ("num_videos_per_prompt", "num_images_per_prompt")

Encoding = tuple[torch.Tensor | None, ...]


class PromptCache:
    """The encodings for one model's pipelines; the least recently used goes first."""

    def __init__(self, *, entries: int = MOST_ENTRIES, size_bytes: int = MOST_BYTES) -> None:
        """At most so many, and so many bytes in all, which are the CPU's memory's."""
        self._most_entries = entries
        self._most_bytes = size_bytes
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        """What is kept."""
        return sum(kept.size_bytes for kept in self._kept.values())

    def install(self, pipeline: Pipeline) -> None:
        """Let a pipeline take its encodings from here; one that reads no prompt is left alone.

        Encodings of images, of several clips at once, and by a text encoder with a LoRA on it
        are made anew each time.
        """
        original = getattr(pipeline, "encode_prompt", None)
        if original is None:
            return
        signature = inspect.signature(original)
        texts = _texts(signature.parameters)

        @wraps(original)
        def encode_prompt(*args: Any, **kwargs: Any) -> Any:
            call = signature.bind(*args, **kwargs)
            call.apply_defaults()
            said = _hashable(call.arguments)
            if said is None or _is_adapted(pipeline):
                return original(*args, **kwargs)
            keys = {
                text: (type(pipeline), text, text.without_others(said))
                for text in texts
                if text.is_wanted(call.arguments)
            }
            return self._encode(original, call.arguments, keys)

        pipeline.__dict__["encode_prompt"] = encode_prompt

    def _encode(
        self,
        original: Callable[..., Any],
        arguments: Mapping[str, Any],
        keys: Mapping[_Text, Hashable],
    ) -> Any:
        known: dict[str, Any] = {}
        for text, key in keys.items():
            encoding = self._find(key)
            if encoding and not text.names:
                return encoding
            known |= zip(text.names, encoding or (), strict=False)
        result = original(**{**arguments, **known})
        for text, key in keys.items():
            self._keep(key, tuple(result)[text.begin : text.end])
        return result

    def _find(self, key: Hashable) -> Encoding | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key].encoding()

    def _keep(self, key: Hashable, encoding: tuple[Any, ...]) -> None:
        if key in self._kept or not all(isinstance(item, torch.Tensor | None) for item in encoding):
            return
        self._kept[key] = _Kept(encoding)
        while len(self._kept) > self._most_entries or self.size_bytes > self._most_bytes:
            self._kept.popitem(last=False)


class _Kept:
    """Copies of an encoding, out of the reach of those who work on it."""

    def __init__(self, encoding: Encoding) -> None:
        self._kept = [
            (item.device, item.detach().to("cpu", copy=True)) if item is not None else None
            for item in encoding
        ]

    @property
    def size_bytes(self) -> int:
        return sum(item[1].nbytes for item in self._kept if item)

    def encoding(self) -> Encoding:
        """Copies once more, where the encoding was made."""
        return tuple(item and item[1].to(item[0], copy=True) for item in self._kept)


@dataclass(frozen=True)
class _Text:
    """A text that `encode_prompt` takes, and what comes back for it."""

    #: Parameters as which its encoding can be handed in, in the order in which it comes back;
    #: none where it cannot.
    names: tuple[str, ...] = ()
    #: Where its encoding stands in all that comes back.
    begin: int = 0
    end: int | None = None
    #: Parameters that it does not depend on.
    others: frozenset[str] = frozenset()

    def is_wanted(self, arguments: Mapping[str, Any]) -> bool:
        """Whether this call encodes it."""
        return self.begin == 0 or bool(arguments["do_classifier_free_guidance"])

    def without_others(self, said: Mapping[str, Hashable]) -> Hashable:
        """What its encoding follows from."""
        return tuple((name, said[name]) for name in sorted(said.keys() - self.others))


def _texts(parameters: Iterable[str]) -> tuple[_Text, ...]:
    """The texts of a method with these parameters, by the two orders that diffusers has.

    (prompt, negative) or (prompt, mask, negative, mask); what goes by other names stays in one
    piece.
    """
    taken = {name for name in parameters if name.endswith(("embeds", "mask"))}
    for names in (("prompt_embeds",), ("prompt_embeds", "prompt_attention_mask")):
        negative = tuple(f"negative_{name}" for name in names)
        if taken == {*names, *negative}:
            guidance = "do_classifier_free_guidance"
            return (
                _Text(names, 0, len(names), frozenset({"negative_prompt", guidance})),
                _Text(negative, len(names), None, frozenset({"prompt", guidance})),
            )
    return (_Text(),)


def _hashable(arguments: Mapping[str, Any]) -> dict[str, Hashable] | None:
    """The arguments as keys; None for a call whose encoding is no matter of words alone."""
    if any(arguments.get(name, 1) != 1 for name in _COUNTS):
        return None
    try:
        return {name: _key(value) for name, value in arguments.items()}
    except TypeError:
        return None


def _key(value: Any) -> Hashable:
    """A value and its type, since 1 and True are one key; raises TypeError for an image."""
    if isinstance(value, _PLAIN):
        return type(value), value
    if isinstance(value, list | tuple):
        return tuple(map(_key, value))
    if isinstance(value, dict):
        return tuple((name, _key(item)) for name, item in sorted(value.items()))
    raise TypeError(type(value))


def _is_adapted(pipeline: Pipeline) -> bool:
    """Whether a LoRA is on a text encoder: its scale is no argument, and changes the encoding."""
    return any(
        getattr(component, "peft_config", None)
        for name, component in pipeline.components.items()
        if name.startswith("text_encoder")
    )
