"""The bell: tells whoever waits how far a job is."""

from .progress import ConsoleProgress, Progress

__all__ = ["Progress", "ConsoleProgress"]
