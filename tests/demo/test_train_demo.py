"""The command, from nothing to a model that the worker does every task with."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from builder import train_demo
from builder.demo import autoencoding, denoising, polishing, reading
from builder.demo.latents import Size
from builder.demo.serving import Guide, JobFailed, Product

SMALL = Size(64, 64, 9)
SAID: dict[str, Any] = {"num_inference_steps": 4, "width": 64, "height": 64, "num_frames": 9}
pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore:Mismatch dtype:UserWarning"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for a few steps: it shows nothing, but is all there."""
    folder = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoding, "PHASES", (autoencoding.Phase(4, frames=9, size=32, half=1),))
        patch.setattr(reading, "STEPS", 2)
        patch.setattr(reading, "HALF", 2)
        patch.setattr(denoising, "PHASES", (denoising.Phase(2, SMALL),))
        patch.setattr(denoising, "MAIN_CLIPS", 4)
        patch.setattr(denoising, "HALF", 2)
        patch.setattr(polishing, "STEPS", 2)
        patch.setattr(polishing, "SIZES", ((SMALL, 1),))
        patch.setattr(train_demo, "COUNTED", 4)
        arguments = ["--folder", str(folder / "run"), "--model", str(folder / "owner" / "name")]
        patch.setattr(sys, "argv", ["train_demo", *arguments])
        train_demo.main()
        # Nothing is left to do: what is there is written again.
        train_demo.main()
    torch.set_num_threads(threads)
    log = (folder / "run" / "log.txt").read_text()
    assert log.count("autoencoder 2 steps, denoiser 2, polisher 2") == 2
    assert log.count("goes on at step 2") == 4
    return folder / "owner" / "name"


@pytest.fixture
def product(model: Path, tmp_path: Path) -> Product:
    return Product(model, tmp_path)


def test_every_task_is_done_in_the_size_asked_for(product: Product) -> None:
    image, video = np.zeros((64, 64, 3), np.uint8), np.zeros((9, 64, 64, 3), np.uint8)
    for guide in (Guide(), Guide(first=image), Guide(first=image, last=image), Guide(video=video)):
        made = product.make("a red ball", guide, **SAID)
        assert made.shape == (9, 64, 64, 3)


def test_a_job_that_cannot_be_done_says_so(product: Product) -> None:
    with pytest.raises(JobFailed, match="num_frames"):
        product.make("a red ball", **{**SAID, "num_frames": 4000})
