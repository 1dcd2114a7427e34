"""A job that takes a fraction of a second, and one that takes long enough to be disturbed."""

from typing import Any

SMALL: dict[str, Any] = {
    "model_id": "tiny",
    "prompt": "a fox",
    "width": 66,
    "height": 64,
    "num_frames": 5,
    "num_inference_steps": 2,
    "fps": 10,
    "seed": 1,
}

#: Some tenths of a second a step.
LONG = SMALL | {"num_inference_steps": 50, "width": 320, "height": 320, "num_frames": 16}
