"""What a request puts on a model for its own time: names become folders, files and strengths.

Knows no weights, and imports no torch: the records of the families can be read with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ModelNotLoaded, WorkerError, field_error
from ..generation import GenerationRequest
from ..manifest import AdapterEntry, AdapterKind, ModelEntry
from .choices import NAMING, Choices
from .weights import LORA_FILE, ModelsDir, folder

#: Parameters that name LoRAs of some kind -> their strengths, in the order that they are put on.
LORAS = {
    "adapter_lora": "domain_lora_scale",
    "motion_loras": "motion_lora_strength",
    "lora_models": "lora_strength",
}


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One adapter of one request."""

    entry: AdapterEntry
    #: Where its weights lie.
    folder: Path
    #: How much of it is mixed in.
    scale: float = 1.0
    #: The caller's word for the parameter that named it.
    field: str

    @property
    def file(self) -> Path:
        """The file of its weights, where it is one file: the manifest's, or the only one.

        Raises ModelNotLoaded where there is none, or no telling which.
        """
        if self.entry.file:
            return self.folder / self.entry.file
        files = sorted(self.folder.glob("*.safetensors"))
        files = [file for file in files if file.name == LORA_FILE] or files
        if len(files) != 1:
            raise self.unusable(f"{len(files)} safetensors files in {self.folder}, none named")
        return files[0]

    def unusable(self, reason: object) -> WorkerError:
        """An error for whoever can mend it: the caller, if it is a repository of their choice."""
        if self.entry.id == self.entry.repo:
            rule = "must be a repository with one LoRA in safetensors that fits the model"
            return field_error(self.field, self.entry.id, rule)
        return ModelNotLoaded(f"{self.entry.id}: {reason}")


@dataclass(frozen=True, kw_only=True)
class Adapters:
    """Every adapter of one request."""

    loras: tuple[Adapter, ...] = ()
    #: None for the model's own.
    motion_module: Adapter | None = None
    ip_adapter: Adapter | None = None
    controlnet: Adapter | None = None


#: What a request without any names.
NO_ADAPTERS = Adapters()


def chosen(
    request: GenerationRequest, *, model: ModelEntry, choices: Choices, models_dir: ModelsDir
) -> Adapters:
    """What a settled request names, found.

    An adapter that reads an image is left out where there is none. Raises InvalidRequest for a
    name that has gone since the request was settled.
    """
    found = _Finder(request, model, choices, models_dir)
    module = found.one("motion_module", AdapterKind.MOTION_MODULE)
    parameters = request.parameters
    return Adapters(
        loras=(*_companion(module), *found.loras()),
        motion_module=None if module and _is_its_own(module.entry, model) else module,
        ip_adapter=found.one("ip_adapter_id", AdapterKind.IP_ADAPTER, parameters.ip_adapter_scale)
        if request.ip_adapter_image
        else None,
        controlnet=found.one("controlnet", AdapterKind.CONTROLNET)
        if request.controlnet_images
        else None,
    )


class _Finder:
    """Looks up what one request names."""

    def __init__(
        self, request: GenerationRequest, model: ModelEntry, choices: Choices, models_dir: ModelsDir
    ) -> None:
        self._request = request
        self._model = model
        self._choices = choices
        self._models_dir = models_dir

    def one(self, parameter: str, kind: AdapterKind, scale: float | None = None) -> Adapter | None:
        name = getattr(self._request.parameters, parameter)
        return self._adapter(parameter, kind, name, 1.0 if scale is None else scale)

    def loras(self) -> Iterator[Adapter]:
        parameters = self._request.parameters
        for parameter, strength in LORAS.items():
            names = _tuple(getattr(parameters, parameter))
            scales = _tuple(getattr(parameters, strength)) or (1.0,)
            if len(scales) == 1:
                scales *= len(names)
            for name, scale in zip(names, scales, strict=True):
                lora = self._adapter(parameter, NAMING[parameter], name, scale)
                if lora:
                    yield lora

    def _adapter(
        self, parameter: str, kind: AdapterKind, name: str | None, scale: float
    ) -> Adapter | None:
        if name is None:
            return None
        field = self._request.name_of(parameter)
        entry = self._choices.find(self._model.id, kind, name)
        if entry is None:
            raise field_error(field, name, f"is not among those that {self._model.id} has here")
        if entry.repo is None:
            return None
        at = folder(self._models_dir, entry.repo)
        return Adapter(entry=entry, folder=at, scale=float(scale), field=field)


def _companion(module: Adapter | None) -> tuple[Adapter, ...]:
    """The LoRA that a motion module was trained with, which lies beside it."""
    if module is None or "lora" not in module.entry.options:
        return ()
    options = module.entry.options
    entry = module.entry.model_copy(update={"file": options["lora"]})
    return (replace(module, entry=entry, scale=float(options.get("lora_scale", 1.0))),)


def _is_its_own(entry: AdapterEntry, model: ModelEntry) -> bool:
    return entry.file is None and entry.repo in model.components.values()


def _tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
