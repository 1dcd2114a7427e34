"""Jobs in a container, in a network of its own that leads nowhere.

`unshare --net python -m builder.image_test.jobs FOLDER DRIVER` does them.
"""

from __future__ import annotations

import base64
import fcntl
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from loopback import Platform, Status, WorkerProcess

from . import gateway
from .containers import expect, is_healthy, own_environment, run, terminate
from .image import IMAGE, Buildah
from .shell import Failed, log_of

ROUTES = Path("/proc/net/route")
#: Who runs the worker: whom the image says, and root, as an operator may build it.
USERS = ("", "root")
SMALL: dict[str, Any] = {
    "model_id": "demo",
    "prompt": "a red ball",
    "width": 64,
    "height": 64,
    "num_frames": 5,
    "num_inference_steps": 2,
    "fps": 10,
    "seed": 1,
}
#: Frames of test_input.json.
TEST_FRAMES = 17
IFF_UP, SIOCGIFFLAGS, SIOCSIFFLAGS = 0x1, 0x8913, 0x8914


def main() -> None:
    """Do the jobs, and say how long each took; exit code 1 and why where one fails."""
    folder, driver = sys.argv[1:]
    buildah = Buildah(Path(folder), driver)
    try:
        _check_that_the_network_is_cut()
        for user in USERS:
            with buildah.container(IMAGE) as (name, files):
                _do_the_test_job(buildah, name, files, user)
        with buildah.container(IMAGE) as (name, _):
            _live_on_the_platform(buildah, name)
        gateway.try_it(buildah)
    except Failed as error:
        sys.exit(str(error))


def _check_that_the_network_is_cut() -> None:
    routes = ROUTES.read_text("ascii").splitlines()[1:]
    if routes:
        raise Failed(f"the network is not cut off: {ROUTES} has {len(routes)} routes")


def _do_the_test_job(buildah: Buildah, name: str, files: Path, user: str) -> None:
    """Start it as `docker run IMAGE` would: its own command, the job of test_input.json."""
    command = run(buildah, IMAGE, name, {"OUTPUT_DIR": "/tmp/videos"}, user)  # noqa: S108  in there
    started = time.monotonic()
    log_of(command, buildah.folder / f"test-input{user and '-'}{user}.log", seconds=900)
    took = time.monotonic() - started
    frames = _frames(*(files / "tmp/videos").glob("*.mp4"))
    if frames != TEST_FRAMES:
        raise Failed(f"test_input.json made {frames} frames, not {TEST_FRAMES}")
    print(f"  test_input.json as {user or 'the image says'}: {frames} frames, {took:.1f} s")


def _live_on_the_platform(buildah: Buildah, name: str) -> None:
    """Start, do a job, refuse a job, be healthy meanwhile, end on SIGTERM and not be after."""
    _bring_loopback_up()
    log = buildah.folder / "worker.log"
    with (
        Platform() as platform,
        WorkerProcess(
            Path(), own_environment(), log, run(buildah, IMAGE, name, platform.settings())
        ) as worker,
    ):
        started = time.monotonic()
        platform.wait_for_worker(seconds=120)
        ready = time.monotonic() - started
        done = worker.wait_for(platform.submit(SMALL))
        expect(done.status == Status.COMPLETED, f"a job is {done.status}", log)
        video = buildah.folder / "job.mp4"
        video.write_bytes(base64.b64decode(done.output["output"][0].split(",", 1)[1]))
        expect(_frames(video) == SMALL["num_frames"], "the video has other frames", log)
        refused = worker.wait_for(platform.submit(SMALL | {"model_id": "absent"}))
        expect(refused.status == Status.FAILED, f"a wrong job is {refused.status}", log)
        expect(is_healthy(buildah, IMAGE, name), "its health command fails while it runs", log)
        terminate(worker)
        code = worker.wait(30)
    expect(code == 0, f"it ended with {code} on SIGTERM", log)
    expect(not is_healthy(buildah, IMAGE, name), "its health command succeeds after its end", log)
    print(f"  the platform's loop: ready after {ready:.1f} s, done, refused, healthy, ended")


def _frames(*videos: Path) -> int:
    """How many the one video has, counted by decoding it."""
    if len(videos) != 1:
        raise Failed(f"there are {len(videos)} videos, not one")
    count: int
    count, _ = imageio_ffmpeg.count_frames_and_secs(str(videos[0]))
    return count


def _bring_loopback_up() -> None:
    """A new network has a loopback, and it is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("16xH", fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


if __name__ == "__main__":
    main()
