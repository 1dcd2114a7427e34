"""Every environment variable of the worker and of the gateway, as pages and forms show them.

docs/settings.md, the README and .runpod/hub.json are written from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from src.config import Platform, Settings
from src.gateway.settings import GatewaySettings

#: What most deployments set: shown first, and not folded away.
ESSENTIAL = frozenset(
    {
        "default_model",
        "bucket_endpoint_url",
        "bucket_access_key_id",
        "bucket_secret_access_key",
        "bucket_name",
        "cdn_base_url",
        "webhook_secret",
        "worker_concurrency",
        "job_timeout",
    }
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One environment variable."""

    variable: str
    #: None where it is not set by default.
    default: Any
    #: bool, int, float, str or Path.
    kind: type
    #: The values that it can have; none where its kind and bounds say it.
    choices: tuple[str, ...] = ()
    #: "min", "max", "above" and "below" -> number.
    bounds: dict[str, float]
    meaning: str
    is_essential: bool

    @property
    def default_text(self) -> str | None:
        """The default as one would put it into the environment."""
        if self.default is None:
            return None
        return str(self.default).lower() if self.kind is bool else str(self.default)

    @property
    def values_text(self) -> str:
        """What it may be, in words."""
        if self.choices:
            return ", ".join(f"`{choice}`" for choice in self.choices)
        words = {int: "whole number", float: "number", bool: "`true` or `false`", str: "text"}
        names = {"above": "above", "min": "from", "max": "to", "below": "below"}
        rules = [f"{names[name]} {self.bounds[name]}" for name in names if name in self.bounds]
        return " ".join([words.get(self.kind, "path"), *rules])


def settings() -> list[Setting]:
    """What the operator may set, in the order of src/config.py."""
    return [
        _setting(name.upper(), field, is_essential=name in ESSENTIAL)
        for name, field in Settings.model_fields.items()
    ]


def platform() -> list[Setting]:
    """What RunPod sets for its workers and we read as well."""
    return [
        _setting(f"RUNPOD_{name.upper()}", field, is_essential=False)
        for name, field in Platform.model_fields.items()
    ]


def gateway() -> list[Setting]:
    """What the operator of a gateway may set, in the order of src/gateway/settings.py."""
    return [
        _setting(f"GATEWAY_{name.upper()}", field, is_essential=False)
        for name, field in GatewaySettings.model_fields.items()
    ]


def _setting(variable: str, field: FieldInfo, *, is_essential: bool) -> Setting:
    is_choice = get_origin(field.annotation) is Literal
    kinds = (
        [] if is_choice else [kind for kind in get_args(field.annotation) if kind is not NoneType]
    )
    kind = str if is_choice else (kinds[0] if kinds else field.annotation)
    return Setting(
        variable=variable,
        default=field.default,
        kind=kind if isinstance(kind, type) and kind.__name__ != "SecretStr" else str,
        choices=tuple(map(str, get_args(field.annotation))) if is_choice else (),
        bounds=dict(_bounds(field)),
        meaning=field.description or "",
        is_essential=is_essential,
    )


def _bounds(field: FieldInfo) -> Iterator[tuple[str, Any]]:
    for rule in field.metadata:
        if isinstance(rule, Ge):
            yield "min", rule.ge
        if isinstance(rule, Gt):
            yield "above", rule.gt
        if isinstance(rule, Le):
            yield "max", rule.le
        if isinstance(rule, Lt):
            yield "below", rule.lt
