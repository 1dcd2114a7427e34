"""`python -m builder.image_test`: builds the image, and tries it, on a Debian machine as root."""

from __future__ import annotations

import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from . import host, image
from .shell import Failed

ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    """Do each step, and say how long it took; exit code 1 and why where one fails."""
    parser = ArgumentParser(prog="python -m builder.image_test", description=main.__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("out/image"),
        help="where layers and logs are kept, 4 GB; a later run takes from it what is unchanged",
    )
    parser.add_argument(
        "--storage-driver",
        choices=("overlay", "vfs"),
        help="vfs works everywhere and copies all layers below for each one; "
        "without, overlay where the kernel has it",
    )
    wanted = parser.parse_args()
    try:
        _steps(wanted.folder.resolve(), wanted.storage_driver)
    except Failed as error:
        sys.exit(f"image-test: {error}")


def _steps(folder: Path, driver: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _timed("programs", lambda: host.install_programs(folder / "apt.log"))
    buildah = image.Buildah(folder, driver)
    _timed("base image", lambda: image.make_base(buildah))
    _timed(f"build ({buildah.driver})", lambda: image.build(buildah, ROOT))
    _print_layers(image.layers(buildah))
    _timed(
        "build of the gateway",
        lambda: image.build(buildah, ROOT, "Dockerfile.gateway", image.GATEWAY),
    )
    _timed("jobs, with the network cut off", lambda: _do_jobs(buildah))
    print("the image is good")


def _do_jobs(buildah: image.Buildah) -> None:
    jobs = [sys.executable, "-m", "builder.image_test.jobs", str(buildah.folder), buildah.driver]
    done = subprocess.run(["unshare", "--net", "--", *jobs], cwd=ROOT, check=False)  # noqa: S603, S607
    if done.returncode:
        raise Failed("the image does not do its jobs")


def _timed(name: str, step: Callable[[], None]) -> None:
    started = time.monotonic()
    print(f"{name} ...", flush=True)
    step()
    print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)


def _print_layers(layers: list[image.Layer]) -> None:
    print("| layer, from the bottom | MB |\n|---|---|")
    for layer in layers:
        print(f"| `{layer.made_by}` | {layer.size_bytes / 1e6:.1f} |")
    total = sum(layer.size_bytes for layer in layers) / 1e6
    print(f"| together | {total:.1f} |", flush=True)


if __name__ == "__main__":
    main()
