"""The models that the endpoint serves, as far as the gateway was told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UnknownModel
from ..manifest import Manifest, ModelEntry, load_manifest
from .settings import GatewaySettings


@dataclass(frozen=True, kw_only=True)
class Model:
    """One of them."""

    id: str
    #: Its line of the manifest; None for one of the operator's own that the gateway knows by name.
    entry: ModelEntry | None = None
    is_default: bool = False

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it makes videos from; empty where that is not known."""
        return tuple(sorted(self.entry.tasks)) if self.entry else ()

    @property
    def defaults(self) -> Mapping[str, Any]:
        """What it does where a request is silent."""
        return self.entry.defaults if self.entry else {}


class Models:
    """The manifest's models, or those of them that the operator names."""

    def __init__(
        self, manifest: Manifest, *, named: tuple[str, ...] = (), default: str = ""
    ) -> None:
        """Without `named` the endpoint may serve any; `default` is the worker's."""
        self._manifest = manifest
        ids = tuple(dict.fromkeys(self._id_of(name) for name in named))
        self._is_closed = bool(ids)
        entries = {entry.id: entry for entry in manifest}
        default_id = self._id_of(default)
        self._models = {
            name: Model(id=name, entry=entries.get(name), is_default=name == default_id)
            for name in ids or entries
        }

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> Models:
        """The packaged manifest's, narrowed by GATEWAY_MODELS."""
        named = tuple(settings.models.replace(",", " ").split())
        return cls(load_manifest(), named=named, default=settings.default_model)

    def all(self) -> tuple[Model, ...]:
        """Every one, in the manifest's or the operator's order."""
        return tuple(self._models.values())

    def find(self, name: str) -> Model | None:
        """The one that goes by this id or alias."""
        return self._models.get(self._id_of(name))

    def refused(self, name: object) -> str | None:
        """Why a request for this model is refused at once; None where it is the worker's to say.

        That is so for a request that names none, and for every one where the operator has not
        said which models the endpoint serves.
        """
        if not self._is_closed or not isinstance(name, str) or not name.strip():
            return None
        if self.find(name):
            return None
        return f"Model not found: {name.strip()[:80]}; served are: {', '.join(self._models)}"

    def _id_of(self, name: str) -> str:
        """An alias's id; a name that the manifest does not know stays as it is."""
        try:
            return self._manifest.find(name).id
        except UnknownModel:
            return name.strip()
