"""OpenAI's Videos API as vLLM-Omni extends it, under its own URLs."""

from .errors import error_body
from .routes import router

__all__ = ["error_body", "router"]
