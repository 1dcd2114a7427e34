"""ModelsLab's video API: its paths, its answers, its errors."""

from __future__ import annotations

from .answers import error_body
from .routes import router

__all__ = ["router", "error_body"]
