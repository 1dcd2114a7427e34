"""The bell: tells whoever waits how far a job is, and that it has ended."""

from .console import ConsoleProgress
from .pace import Pace, PaceOfJob
from .platform import PlatformProgress
from .progress import Encode, Progress, Several
from .webhook import Webhook

__all__ = [
    "Progress",
    "Encode",
    "ConsoleProgress",
    "PlatformProgress",
    "Several",
    "Pace",
    "PaceOfJob",
    "Webhook",
]
