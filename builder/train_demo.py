"""`python -m builder.train_demo`: train the embedded model, or go on where it was stopped.

Stop it at any time, by a signal or for a while; checkpoints, the log and sheets of samples lie in
out/demo.
"""

from __future__ import annotations

import warnings
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from diffusers import AutoencoderKLLTXVideo

from src.pipelines.weights.shelf import Shelf

from .demo import model
from .demo.autoencoding import Autoencoding
from .demo.denoising import Denoising
from .demo.latents import Size, drawn, set_statistics
from .demo.polishing import Polishing
from .demo.reading import Reading
from .demo.run import Crew, Log, load, save
from .demo.scenes import any_scene

FOLDER = Path("out/demo")
MODEL = Path("models/worker-video/demo")
#: Clips that the latents' means and deviations are taken from.
COUNTED = 128


def main() -> None:
    """Train what is not trained yet, and write the model."""
    parser = ArgumentParser(prog="python -m builder.train_demo", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="checkpoints and the log")
    parser.add_argument("--model", type=Path, default=MODEL, help="where the model goes")
    parser.add_argument(
        "--write-only", action="store_true", help="write the model as far as it is trained"
    )
    wanted = parser.parse_args()
    # Under autocast a norm's weights are float32, its input is not; torch says so once a layer.
    warnings.filterwarnings("ignore", "Mismatch dtype", UserWarning)
    run(wanted.folder, wanted.model, train=not wanted.write_only)


def run(folder: Path, target: Path, *, train: bool) -> None:
    """Train the parts one after the other, each where `train` says so, and write the model."""
    log, crew = Log(folder / "log.txt"), Crew()
    autoencoding = Autoencoding(folder, crew, log)
    if train:
        autoencoding.train()
    vae = autoencoding.trained()
    _tell_statistics(vae, folder / "statistics.pt", step=autoencoding.learner.step)
    reading = Reading(folder, crew, log)
    if train:
        reading.train()
    denoising = Denoising(folder, crew, log, vae=vae, reading=reading)
    if train:
        denoising.train()
    pipeline = denoising.trained()
    polishing = Polishing(folder, crew, log, pipeline=pipeline)
    if train:
        polishing.train()
    polishing.wear()
    size = model.write(pipeline, target)
    Shelf(target.parent.parent).put_made("/".join(target.parts[-2:]))
    log.say(
        f"{target}: {size} bytes, autoencoder {autoencoding.learner.step} steps, "
        f"denoiser {denoising.learner.step}, polisher {polishing.learner.step}"
    )


def _tell_statistics(vae: AutoencoderKLLTXVideo, path: Path, *, step: int) -> None:
    """Count once: the transformer is trained on latents that were normalised by these figures."""
    kept = load(path)
    if kept is None or kept["step"] != step:
        chance = np.random.default_rng(0)
        scenes = [any_scene(chance) for _ in range(COUNTED)]
        set_statistics(vae, drawn(scenes, Size(128, 128, 17)))
        save(path, {"step": step, "mean": vae.latents_mean, "deviation": vae.latents_std})
        return
    vae.latents_mean.copy_(kept["mean"])
    vae.latents_std.copy_(kept["deviation"])


if __name__ == "__main__":
    main()
