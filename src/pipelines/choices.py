"""Which adapters and tools a request may choose: names of the manifest, and allowed repositories.

Knows no weights; never a path, since a name becomes a folder only through the manifest or a
pattern that the operator has set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from pydantic import TypeAdapter, ValidationError

from ..errors import field_error
from ..generation import GenerationRequest, Parameters
from ..manifest import AdapterEntry, AdapterKind, Manifest, Repo, ToolEntry, ToolKind

#: Parameters that name adapters, and what they name.
NAMING = {
    "lora_models": AdapterKind.LORA,
    "motion_loras": AdapterKind.MOTION_LORA,
    "adapter_lora": AdapterKind.DOMAIN_LORA,
    "motion_module": AdapterKind.MOTION_MODULE,
    "ip_adapter_id": AdapterKind.IP_ADAPTER,
    "controlnet": AdapterKind.CONTROLNET,
}


#: Adapters that are LoRAs, or may bring one along.
LORAS = (
    *(AdapterKind.LORA, AdapterKind.MOTION_LORA, AdapterKind.DOMAIN_LORA),
    AdapterKind.MOTION_MODULE,
)


def nowhere(_adapter: AdapterEntry) -> bool:
    """No weights are there."""
    return False


class Choices:
    """What there is to choose from."""

    def __init__(
        self,
        manifest: Manifest | None = None,
        *,
        lora_repos: Iterable[str] = (),
        is_there: Callable[[AdapterEntry], bool] = nowhere,
    ) -> None:
        """`lora_repos` are patterns such as "owner/*"; `is_there` tells whether weights are."""
        self._manifest = manifest or Manifest(models=())
        self._lora_repos = tuple(lora_repos)
        self._is_there = is_there

    def tool(self, kind: ToolKind) -> ToolEntry | None:
        """The tool of a kind, if one is baked."""
        return self._manifest.tool(kind)

    def any_of(self, model: str, kind: AdapterKind) -> bool:
        """Whether there are adapters of this kind for a model, by its id."""
        return bool(self._manifest.adapters_for(model, kind))

    def takes_loras(self, model: str) -> bool:
        """Whether a request may put LoRAs on a model, by its id."""
        return bool(self._lora_repos) or any(self.any_of(model, kind) for kind in LORAS)

    def find(self, model: str, kind: AdapterKind, name: str) -> AdapterEntry | None:
        """The adapter that goes by this name, whatever its case."""
        wanted = name.strip().casefold()
        for adapter in self._manifest.adapters_for(model, kind):
            if wanted in (known.casefold() for known in adapter.names):
                return adapter
        return self._allowed(model, name.strip()) if kind is AdapterKind.LORA else None

    def check(self, request: GenerationRequest, *, model: str, names: Iterable[str]) -> None:
        """Hold the adapters that a request names against what there is for a model.

        Raises InvalidRequest, which lists what there is.
        """
        given = request.parameters.given()
        for parameter, kind in NAMING.items():
            if parameter in names and parameter in given:
                self._check(request, parameter, kind, model)

    def wanted(self, parameters: Parameters, *, model: str) -> Parameters:
        """What the adapters that are named were made for, such as few steps.

        Of two that differ the first in the order of NAMING counts.
        """
        wanted = Parameters()
        for parameter, kind in NAMING.items():
            for name in _names(getattr(parameters, parameter)):
                adapter = self.find(model, kind, name)
                if adapter:
                    wanted = wanted.over(adapter.default_parameters())
        return wanted

    def _check(
        self, request: GenerationRequest, parameter: str, kind: AdapterKind, model: str
    ) -> None:
        for name in _names(getattr(request.parameters, parameter)):
            if self.find(model, kind, name) is None:
                known = sorted(item.id for item in self._manifest.adapters_for(model, kind))
                rule = f"must be among those that {model} has here ({', '.join(known) or 'none'})"
                raise field_error(request.name_of(parameter), name, rule)

    def _allowed(self, model: str, repo: str) -> AdapterEntry | None:
        if not any(fnmatchcase(repo, pattern) for pattern in self._lora_repos):
            return None
        try:
            TypeAdapter(Repo).validate_python(repo)
        except ValidationError:
            return None
        adapter = AdapterEntry(id=repo, kind=AdapterKind.LORA, models=frozenset({model}), repo=repo)
        return adapter if self._is_there(adapter) else None


def _names(value: tuple[str, ...] | str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
