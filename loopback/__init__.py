"""RunPod's platform on one machine: hands out jobs, takes results, answers callers.

For tests, for measuring, and for trying the worker without the platform. Speaks what the SDK's
worker loop speaks on the one side and what `runpod.Endpoint` speaks on the other; knows nothing
of videos.
"""

from .faults import Faults
from .jobs import Job, Received, Status
from .platform import ENDPOINT, POD, Platform
from .process import Vitals, WorkerDied, WorkerProcess
from .rules import Rules

__all__ = [
    "Platform",
    "WorkerProcess",
    "Job",
    "Received",
    "Status",
    "Rules",
    "Faults",
    "Vitals",
    "WorkerDied",
    "ENDPOINT",
    "POD",
]
